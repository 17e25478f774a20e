//! A backend's HTTP/2 bytes on their way to the library: metered, and broken off when the backend overdoes it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::dial::{Dialed, Stream};
use crate::telemetry::{BackendStats, WorkerId};
use crate::wire::h2::{Limits, Meter};

/// A block of header fields of a backend that takes longer ends its connection, whoever else waits on it.
const BLOCK_MILLIS: u32 = 30_000;

/// A stream whose frames are metered. Once the backend has overdone it, reading fails, and with it all that waits there.
pub(super) struct Metered {
    inner: Stream,
    meter: Meter,
    since: Instant,
    peer: std::net::SocketAddr,
    stats: Arc<BackendStats>,
    worker: WorkerId,
}

impl Metered {
    /// `max_header` octets of header fields are read.
    pub(super) fn new(dialed: Dialed, max_header: u32, stats: Arc<BackendStats>, worker: WorkerId) -> Self {
        let meter = Meter::of_backend(Limits::of_backend(max_header, BLOCK_MILLIS));
        Self { inner: dialed.stream, meter, since: Instant::now(), peer: dialed.peer, stats, worker }
    }

    fn now(&self) -> u32 {
        // Only differences count: it may wrap around.
        self.since.elapsed().as_millis() as u32
    }

    fn sent<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>, bytes: usize) {
        // Nothing that is sent to a backend is its excess.
        let _ = self.meter.sent_of(parts, bytes, self.now());
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.meter.is_crowded() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let now = self.now();
        let Err(excess) = self.meter.received(&buf.filled()[before..], now) else { return Poll::Ready(Ok(())) };
        buf.set_filled(before);
        let counter = &self.stats.cells.of(self.worker).excesses[excess as usize];
        counter.increment();
        let (peer, times) = (self.peer, counter.get());
        if times.is_power_of_two() {
            tracing::warn!(%peer, %excess, times, "broke off the HTTP/2 connection to a backend that floods; the next line after twice as many");
        }
        Poll::Ready(Err(io::Error::other(excess)))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        self.sent(std::iter::once(bytes), written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, slices))?;
        self.sent(slices.iter().map(|slice| &**slice), written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
