//! The strict reader between a backend's socket and hyper, where probes and the like use that: a response that could be read
//! in two ways fails.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use http::header::UPGRADE;
use http::{Method, Request};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::dial::Stream;
use crate::wire::h1::{Asked, Gate, Limits, ResponseReader, Stop};

/// How large the head of a response may be; hyper takes as many fields.
const LIMITS: Limits = Limits { head: 64 * 1024, fields: 100 };

/// Tells the reader of a connection what its next response answers; a clone is another handle on it.
///
/// Atomic because a connection that may become a tunnel can be sent, not because anyone contends: one thread owns both ends.
#[derive(Clone, Debug, Default)]
pub struct Questions(Arc<AtomicU32>);

const HEAD: u32 = 1;
const UPGRADES: u32 = 2;
const ONE: u32 = 4;

impl Questions {
    /// This request is about to be sent.
    pub fn ask<B>(&self, request: &Request<B>) {
        let head = if request.method() == Method::HEAD { HEAD } else { 0 };
        let upgrade = if request.headers().contains_key(UPGRADE) { UPGRADES } else { 0 };
        let number = (self.0.load(Relaxed) & !(HEAD | UPGRADES)).wrapping_add(ONE);
        self.0.store(number | head | upgrade, Relaxed);
    }
}

/// What hyper reads HTTP/1 responses from.
#[derive(Debug)]
pub struct Strict {
    stream: Stream,
    gate: Gate,
    questions: Questions,
    /// The question that the reader knows of.
    known: u32,
}

impl Strict {
    /// Reads responses to what is asked by way of `questions`.
    pub fn new(stream: Stream, questions: Questions) -> Self {
        Self { stream, gate: Gate::new(ResponseReader::new(LIMITS)), questions, known: 0 }
    }
}

impl AsyncRead for Strict {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let question = this.questions.0.load(Relaxed);
        if question != this.known {
            this.known = question;
            this.gate.asked(Asked { head: question & HEAD != 0, upgrade: question & UPGRADES != 0 });
        }
        loop {
            let ready = this.gate.ready();
            if !ready.is_empty() {
                let length = ready.len().min(buf.remaining());
                buf.put_slice(&ready[..length]);
                this.gate.passed(length);
                return Poll::Ready(Ok(()));
            }
            if let Some(Stop::Head(fault) | Stop::Body(fault)) = this.gate.stop() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
            let fresh = &buf.filled()[before..];
            if fresh.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let passed = this.gate.take(fresh);
            buf.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Strict {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
