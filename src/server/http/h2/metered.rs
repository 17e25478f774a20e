//! A client's HTTP/2 bytes on their way to the library: metered, and ended with a GOAWAY when the client overdoes it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::gauge::Gauge;
use crate::model::Excess;
use crate::server::linger::Linger;
use crate::wire::h2::{Limits, Meter, enhance_your_calm};

/// How long a client may take to be told why its connection ends.
const PATIENCE: Duration = Duration::from_secs(1);

/// A stream whose frames are metered in both directions.
///
/// After an excess the library behind reads no more, and what it writes is thrown away from the next frame border on;
/// there the client is told GOAWAY. Then it reads the end of the stream, and ends what is under way.
pub(super) struct Metered<S> {
    inner: S,
    meter: Meter,
    gauge: Rc<Gauge>,
    /// Whether anything was written since the last flush.
    unflushed: bool,
    farewell: Option<Box<Farewell>>,
}

struct Farewell {
    goaway: Vec<u8>,
    told: usize,
    step: Step,
    patience: Pin<Box<Sleep>>,
}

/// What is done next.
enum Step {
    Tell,
    Flush,
    Shutdown,
    /// A socket that is closed with bytes unread is reset, and the client would not hear why.
    Linger(Linger),
    Over,
}

impl<S> Metered<S> {
    pub(super) fn new(inner: S, limits: Limits, gauge: Rc<Gauge>) -> Self {
        Self { inner, meter: Meter::of_client(limits), gauge, unflushed: false, farewell: None }
    }

    fn end(&mut self, excess: Excess) {
        self.gauge.verdict.set(Some(excess));
        let goaway = enhance_your_calm(self.meter.newest(), excess);
        let patience = Box::pin(sleep(PATIENCE));
        self.farewell = Some(Box::new(Farewell { goaway, told: 0, step: Step::Tell, patience }));
    }

    fn wrote<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>, bytes: usize) {
        // Followed to the end also after an excess, so that the border is known.
        if let Err(excess) = self.meter.sent_of(parts, bytes, self.gauge.now.get())
            && self.farewell.is_none()
        {
            self.end(excess);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Metered<S> {
    /// Goes on with the farewell; ready when there is none to be said or nothing more to be done.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(farewell) = &mut self.farewell else { return Poll::Ready(()) };
        if farewell.patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            let done = match &mut farewell.step {
                // The rest of a frame that has begun comes first: see `poll_write`.
                Step::Tell if !self.meter.at_border() => return Poll::Pending,
                Step::Tell => match ready!(Pin::new(&mut self.inner).poll_write(cx, &farewell.goaway[farewell.told..]))
                {
                    Ok(written @ 1..) => {
                        farewell.told += written;
                        Ok(())
                    }
                    Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                    Err(error) => Err(error),
                },
                Step::Flush => ready!(Pin::new(&mut self.inner).poll_flush(cx)),
                Step::Shutdown => ready!(Pin::new(&mut self.inner).poll_shutdown(cx)),
                Step::Linger(linger) => {
                    ready!(linger.poll(&mut self.inner, cx));
                    Ok(())
                }
                Step::Over => return Poll::Ready(()),
            };
            farewell.step = match (&farewell.step, done) {
                // There is nobody to be told.
                (_, Err(_)) => Step::Over,
                (Step::Tell, Ok(())) if farewell.told < farewell.goaway.len() => Step::Tell,
                (Step::Tell, Ok(())) => Step::Flush,
                (Step::Flush, Ok(())) => Step::Shutdown,
                (Step::Shutdown, Ok(())) => Step::Linger(Linger::begin()),
                (Step::Linger(_) | Step::Over, Ok(())) => Step::Over,
            };
        }
    }

    /// What of `bytes` is still written: after an excess, the rest of a frame that has begun. None when there is nothing.
    fn due<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        match &self.farewell {
            None => Some(bytes),
            Some(farewell) if matches!(farewell.step, Step::Tell) && farewell.told == 0 => {
                Some(&bytes[..self.meter.unfinished(bytes)]).filter(|rest| !rest.is_empty())
            }
            Some(_) => None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.farewell.is_none() {
            if this.gauge.dry.get() {
                return Poll::Pending;
            }
            if this.meter.is_crowded() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let before = buf.filled().len();
            let Poll::Ready(read) = Pin::new(&mut this.inner).poll_read(cx, buf) else {
                this.gauge.dry.set(true);
                return Poll::Pending;
            };
            read?;
            let fresh = &buf.filled()[before..];
            this.gauge.heard(fresh.len());
            match this.meter.received(fresh, this.gauge.now.get()) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(excess) => {
                    buf.set_filled(before);
                    this.end(excess);
                }
            }
        }
        ready!(this.poll_farewell(cx));
        // Nothing read: the end of the stream.
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let Some(due) = this.due(bytes) else { return Poll::Ready(Ok(bytes.len())) };
        this.unflushed = true;
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, due))?;
        this.wrote(std::iter::once(due), written);
        if this.farewell.is_some() {
            // The reader takes it from here.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is left to be flushed then is the farewell's.
        if self.farewell.is_some() && self.meter.at_border() {
            return Poll::Ready(Ok(()));
        }
        // The library flushes after every look, whatever it has written.
        if self.unflushed {
            ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_some() {
            return self.poll_farewell(cx).map(Ok);
        }
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.farewell.is_some() {
            let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
            return self.poll_write(cx, first);
        }
        let this = &mut *self;
        this.unflushed = true;
        let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, slices))?;
        this.wrote(slices.iter().map(|slice| &**slice), written);
        if this.farewell.is_some() {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
