//! A TCP stream that can be cut: reset at once, or after so many bytes were written.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

const NO_LIMIT: u64 = u64::MAX;

/// Says when a stream is cut. One thread uses it; atomics because hyper wants its I/O to be `Send`.
#[derive(Debug)]
pub(super) struct Cut {
    reset: AtomicBool,
    left: AtomicU64,
}

impl Cut {
    /// No cut.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { reset: AtomicBool::new(false), left: AtomicU64::new(NO_LIMIT) })
    }

    /// From now on dropping the stream sends an RST and throws away what was not sent yet.
    pub(super) fn reset_on_drop(&self) {
        self.reset.store(true, Relaxed);
    }

    /// Writing more than `bytes` from here on fails, and the stream is reset.
    pub(super) fn after(&self, bytes: u64) {
        self.left.store(bytes, Relaxed);
    }
}

/// A TCP stream that obeys its [`Cut`].
#[derive(Debug)]
pub(super) struct CutStream {
    stream: TcpStream,
    cut: Arc<Cut>,
}

impl CutStream {
    pub(super) fn new(stream: TcpStream, cut: Arc<Cut>) -> Self {
        Self { stream, cut }
    }
}

impl Drop for CutStream {
    fn drop(&mut self) {
        if self.cut.reset.load(Relaxed) {
            // Closing with a linger of zero sends RST (tcp(7)); when it cannot be set, a FIN must do.
            let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for CutStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let left = self.cut.left.load(Relaxed);
        if left == NO_LIMIT {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        }
        if left == 0 && !buf.is_empty() {
            self.cut.reset_on_drop();
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, &buf[..most]))?;
        self.cut.left.store(left - written as u64, Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
