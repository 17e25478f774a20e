//! The strict reader between the socket and hyper: what it does not let pass, hyper never sees.
//!
//! Requests are answered in the order in which they came. A head that breaks a rule is therefore refused only when all
//! requests before it, which may have come in the same packet, have their answers: the driver then ends the connection, and
//! the refusal is the last that is written on it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::config::ListenerConfig;
use crate::proxy::refused_head;
use crate::server::activity::Activity;
use crate::server::stream::Watched;
use crate::telemetry::{ListenerStats, WorkerId};
use crate::wire::MOST_REQUEST_FIELDS;
use crate::wire::h1::{Gate, Limits, Reader, Stop};

/// Bytes that a client may send ahead while its upgrade waits for an answer; what goes beyond stays in its socket.
const MOST_EARLY: usize = 16 * 1024;

/// Where refusals are counted.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) stats: Arc<ListenerStats>,
    pub(super) worker: WorkerId,
}

/// What hyper reads HTTP/1 from.
pub(super) struct Strict<S> {
    inner: Watched<S>,
    gate: Gate,
    activity: Arc<Activity>,
    counted: Counted,
    refusal: Option<Bytes>,
}

impl<S> Strict<S> {
    pub(super) fn new(inner: Watched<S>, activity: Arc<Activity>, config: &ListenerConfig, counted: Counted) -> Self {
        let limits = Limits { head: config.max_header_size, fields: MOST_REQUEST_FIELDS };
        Self { inner, gate: Gate::new(Reader::requests(limits)), activity, counted, refusal: None }
    }

    /// The refusal of the head that did not pass; none when that is not why the connection ends.
    fn refusal(&mut self) -> Option<&mut Bytes> {
        let Some(Stop::Head(fault)) = self.gate.stop() else { return None };
        if !self.activity.refuses_head() {
            return None;
        }
        if self.refusal.is_none() {
            self.activity.refuse();
            self.counted.stats.cells.of(self.counted.worker).refused.increment();
            tracing::debug!(fault = fault.as_str(), request = self.gate.heads() + 1, "refused a malformed head");
            self.refusal = Some(refused_head(fault));
        }
        self.refusal.as_mut()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Strict<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let ready = this.gate.ready();
            if !ready.is_empty() {
                let length = ready.len().min(buf.remaining());
                buf.put_slice(&ready[..length]);
                this.gate.passed(length);
                return Poll::Ready(Ok(()));
            }
            match this.gate.stop() {
                None => {}
                Some(Stop::Head(_)) => {
                    this.activity.head_is_bad();
                    return Poll::Pending;
                }
                Some(Stop::Body(fault)) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault))),
                Some(Stop::Upgrade) if this.activity.switched() => {
                    this.gate.answered(true);
                    continue;
                }
                Some(Stop::Upgrade) if this.activity.all_answered() => {
                    this.gate.answered(false);
                    this.activity.heads_passed(this.gate.heads());
                    continue;
                }
                Some(Stop::Upgrade) => {
                    this.activity.waits_for_answer();
                    if this.gate.held() >= MOST_EARLY {
                        return Poll::Pending;
                    }
                }
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            let fresh = &buf.filled()[before..];
            if fresh.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let passed = this.gate.take(fresh);
            buf.set_filled(before + passed);
            this.activity.heads_passed(this.gate.heads());
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while let Some(mut rest) = this.refusal().map(|rest| rest.clone()).filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut this.inner).poll_write(cx, &rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            rest.advance(written);
            this.refusal = Some(rest);
        }
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
