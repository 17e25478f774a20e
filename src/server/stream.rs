//! A client's socket, with what belongs to it for as long as it is open.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::limits::Outflow;
use super::listener::Listener;
use crate::model::Source;
use crate::telemetry::{ListenerStats, WorkerId};

/// A connection's place: under the cap, in the counters, and among those that a shutdown waits for. Given back when
/// the socket closes, also when a WebSocket has taken it over.
pub(super) struct Place {
    pub(super) listener: Arc<Listener>,
    pub(super) stats: Arc<ListenerStats>,
    pub(super) worker: WorkerId,
    /// The address whose connections are counted; none where no cap holds for it.
    pub(super) source: Option<Source>,
    pub(super) _drain: TaskTrackerToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.listener.leave();
        if let Some(source) = self.source {
            self.listener.addresses.leave(source);
        }
        self.stats.cells.of(self.worker).closed.increment();
    }
}

/// A client's socket.
pub(super) struct Stream {
    pub(super) io: TcpStream,
    /// Bytes read past a PROXY protocol header, to be read first.
    pub(super) prefix: Bytes,
    /// Told what goes out.
    pub(super) outflow: Arc<Outflow>,
    pub(super) _place: Place,
}

impl Stream {
    fn told(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(bytes)) => self.outflow.took(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.outflow.blocked(),
        }
        polled
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let length = self.prefix.len().min(buf.remaining());
            buf.put_slice(&self.prefix[..length]);
            self.prefix.advance(length);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.told(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.told(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
