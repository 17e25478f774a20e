//! A client's TLS connection as a byte stream.
//!
//! The library opens records in the large buffer they were read into, and seals several into another one, to be written at
//! once. A thread has one of each to lend (`spare`): a connection keeps a buffer only while there is something in it that
//! waits, so an idle one has none.

mod accept;
mod incoming;
mod outgoing;
mod spare;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) use accept::{AcceptError, accept};

use self::incoming::Incoming;
use self::outgoing::Outgoing;
use crate::tls::session::{Fault, Progress, Session};

/// A byte stream within TLS.
pub(super) struct Encrypted<S> {
    io: S,
    session: Session,
    incoming: Incoming,
    outgoing: Outgoing,
    end: End,
    /// What is sealed waits for the flush, or the goodbye.
    corked: bool,
}

/// How the client's side has ended.
enum End {
    No,
    /// It said goodbye: what came before is all there is.
    Goodbye,
    /// To be told once; then nothing more is read.
    Fault(Fault),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Encrypted<S> {
    const fn new(io: S, session: Session, incoming: Incoming, outgoing: Outgoing, end: End) -> Self {
        Self { io, session, incoming, outgoing, end, corked: false }
    }

    /// What is written from now on waits for the flush or the goodbye, as far as there is room for it.
    pub(super) const fn cork(&mut self) {
        self.corked = true;
    }

    /// Says goodbye, behind all that was written, and writes it.
    pub(super) fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.close(self.incoming.sealed(), self.outgoing.behind()).map_err(io::Error::other)?;
        self.outgoing.poll_all(&mut self.io, cx)
    }

    /// Opens records as long as there are whole ones and room for their data.
    fn open(&mut self, buf: &mut ReadBuf<'_>) {
        self.incoming.hand_over(buf);
        while matches!(self.end, End::No) && buf.remaining() > 0 {
            let (sealed, left) = self.incoming.open();
            let mut take = |data: &[u8]| {
                let (now, later) = data.split_at(data.len().min(buf.remaining()));
                buf.put_slice(now);
                left.extend_from_slice(later);
            };
            match self.session.advance(sealed, &mut take, self.outgoing.behind()) {
                Ok((taken, progress)) => {
                    self.incoming.opened(taken);
                    match progress {
                        Progress::Data => {}
                        Progress::Rest => return,
                        Progress::Goodbye => self.end = End::Goodbye,
                    }
                }
                Err(fault) => self.end = End::Fault(fault),
            }
        }
    }

    /// Writes the answer to something that was read. Where data wait, it is left to who wrote them: a socket wakes
    /// only the last one that asked it for room.
    fn try_write(&mut self, cx: &mut Context<'_>) {
        if self.outgoing.owes() && !self.outgoing.is_awaited() {
            // Whoever writes next meets the same error.
            let _ = self.outgoing.poll(&mut self.io, cx);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        loop {
            this.open(buf);
            this.try_write(cx);
            if buf.filled().len() > before || buf.remaining() == 0 {
                this.incoming.tidy();
                return Poll::Ready(Ok(()));
            }
            match &this.end {
                End::No => {}
                End::Goodbye => {
                    this.incoming.park();
                    return Poll::Ready(Ok(()));
                }
                End::Fault(fault) => {
                    let error = io::Error::new(io::ErrorKind::InvalidData, fault.clone());
                    this.incoming.clear();
                    this.end = End::Goodbye;
                    return Poll::Ready(Err(error));
                }
            }
            match this.incoming.poll_fill(&mut this.io, cx) {
                Poll::Ready(Ok(0)) => {
                    // Whether all has come, nobody can say. Who writes may go on.
                    this.incoming.park();
                    this.end = End::Goodbye;
                    let error = "the client closed its connection without saying goodbye (TLS close_notify)";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    this.incoming.park();
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    this.incoming.park();
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let taken = loop {
            ready!(this.outgoing.poll(&mut this.io, cx))?;
            let came = this.incoming.sealed();
            match this.outgoing.fill(|room, at| this.session.seal(came, slices, room, at)) {
                // The library had something else to say, and now there is room.
                Ok(0) if slices.iter().any(|slice| !slice.is_empty()) => {}
                Ok(taken) => break taken,
                Err(fault) => {
                    if fault != Fault::Ended {
                        this.session.fail(this.outgoing.behind());
                        this.try_write(cx);
                    }
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, fault)));
                }
            }
        };
        if this.corked {
            return Poll::Ready(Ok(taken));
        }
        // The bytes are taken, wherever their records are.
        match this.outgoing.poll(&mut this.io, cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => Poll::Ready(Ok(taken)),
            Poll::Pending => {
                this.outgoing.park();
                Poll::Ready(Ok(taken))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.outgoing.poll_all(&mut this.io, cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_goodbye(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
