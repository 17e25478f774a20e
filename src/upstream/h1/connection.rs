//! Request and response at once; whether another exchange may follow.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::Method;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::unconstrained;

use super::reading::Reading;
use super::writing::Writing;
use crate::upstream::counted::Counted;
use crate::upstream::dial::Stream;
use crate::upstream::failure::{ExchangeError, SendFailure};
use crate::upstream::outgoing::Outgoing;
use crate::upstream::request_body::RequestBody;
use crate::wire::h1::Asked;
use crate::wire::{Known, Response};

/// A connection to a backend, with at most one exchange on it.
#[derive(Debug)]
pub(in crate::upstream) struct Connection<B> {
    stream: Stream,
    reading: Reading,
    writing: Writing<B>,
    /// Why nothing more can be written.
    unwritable: Option<ExchangeError>,
    /// Whether it was found closed while nothing was on it.
    closed: bool,
    counted: Counted,
}

impl<B> Connection<B> {
    /// A connection that was just opened.
    pub(in crate::upstream) fn new(stream: Stream, counted: Counted) -> Self {
        let (reading, writing) = (Reading::new(), Writing::new());
        Self { stream, reading, writing, unwritable: None, closed: false, counted }
    }

    /// Whether a backend has closed it while nothing was on it, or has said something that nobody asked for.
    pub(in crate::upstream) fn is_closed(&mut self) -> bool {
        if !self.closed {
            let mut byte = [0];
            let looked = match &self.stream {
                Stream::Plain(tcp) => match tcp.try_read(&mut byte) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                    looked => Poll::Ready(looked),
                },
                Stream::Tls(_) => self.look(&mut byte),
            };
            if matches!(looked, Poll::Ready(Ok(1..))) {
                self.counted.malformed();
            }
            self.closed = looked.is_ready();
        }
        self.closed
    }

    /// Reads without waiting. What TLS has to say for itself, tickets say, is heard and no byte of a response.
    fn look(&mut self, byte: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(byte);
        // However many connections are looked at: that this task has had its share must not make one look open.
        let looked = unconstrained(poll_fn(|cx| Pin::new(&mut self.stream).poll_read(cx, &mut read)));
        let looked = pin!(looked).poll(&mut Context::from_waker(Waker::noop()));
        looked.map_ok(|()| read.filled().len())
    }

    /// Nothing is on it any more: whether another exchange may follow. Then it holds no buffer, and wakes nobody.
    pub(in crate::upstream) fn settle(&mut self) -> bool {
        let beyond = self.reading.beyond();
        if !self.reading.is_persistent() || !self.writing.is_done() || self.unwritable.is_some() {
            return false;
        }
        if !beyond.is_empty() {
            self.counted.malformed();
            return false;
        }
        // The task of the last exchange is not to be woken, nor kept in memory, for what happens here from now on.
        self.closed = self.look(&mut [0]).is_ready();
        !self.closed
    }

    /// Says goodbye on a connection that will not be used again, where its protocol has a word for that.
    pub(in crate::upstream) fn hang_up(&mut self) {
        if let Stream::Tls(stream) = &mut self.stream
            && !self.closed
        {
            // One that cannot take even this at once ends without it.
            let _ = Pin::new(stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// What is left behind a 101: bytes of another protocol, and those of them that came with it.
    pub(in crate::upstream) fn switch(mut self) -> (Stream, Bytes) {
        (self.stream, self.reading.beyond().freeze())
    }

    /// Whether the whole response was passed on.
    pub(in crate::upstream) fn is_over(&self) -> bool {
        self.reading.is_over()
    }

    /// What is known of the length of what is to come of the response's body.
    pub(in crate::upstream) fn size_hint(&self) -> SizeHint {
        self.reading.size_hint()
    }
}

impl<B: RequestBody> Connection<B> {
    /// A request is to be sent; it is written while [`Self::answer`] waits.
    ///
    /// # Errors
    /// [`SendFailure`], when the backend has closed the connection.
    pub(in crate::upstream) fn begin(&mut self, request: Outgoing<'_, B>) -> Result<(), SendFailure> {
        if self.is_closed() {
            return Err(SendFailure { error: ExchangeError::Closed, unsent: true });
        }
        let upgrade = request.set().has(Known::Upgrade);
        self.reading.ask(Asked { head: *request.method == Method::HEAD, upgrade });
        self.writing = Writing::of(request);
        Ok(())
    }

    /// Writes the request, and reads until the head of its response has come, be the rest of the request written or not.
    ///
    /// # Errors
    /// [`SendFailure`]. The connection is of no use then.
    pub(in crate::upstream) async fn answer(&mut self) -> Result<Response<()>, SendFailure> {
        let head = poll_fn(|cx| self.poll_head(cx)).await;
        head.map_err(|error| {
            if matches!(error, ExchangeError::Malformed(_)) {
                self.counted.malformed();
            }
            SendFailure { error, unsent: !self.writing.has_begun() }
        })
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, ExchangeError>> {
        self.poll_write(cx)?;
        if !self.writing.has_begun() {
            // Not even the stream has begun to take it: nothing can be its answer.
            return match self.unwritable.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            };
        }
        let head = ready!(self.reading.poll_head(&mut self.stream, cx));
        // That nothing could be written any more came first, and is why nothing could be read.
        Poll::Ready(head.map_err(|error| match error {
            ExchangeError::Io(_) | ExchangeError::Closed => self.unwritable.take().unwrap_or(error),
            error => error,
        }))
    }

    /// Writes on as far as possible. A backend that takes no more may still answer: only what is wrong with the request's
    /// own body ends the exchange here.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), ExchangeError> {
        if self.unwritable.is_some() || self.writing.is_done() {
            return Ok(());
        }
        match self.writing.poll(&mut self.stream, cx) {
            Poll::Ready(Err(error @ ExchangeError::RequestBody(_))) => return Err(error),
            Poll::Ready(Err(error)) => self.unwritable = Some(error),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        Ok(())
    }

    /// The next part of the response's body. The rest of the request is written meanwhile.
    pub(in crate::upstream) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExchangeError>>> {
        if !self.reading.is_over()
            && let Err(error) = self.poll_write(cx)
        {
            self.unwritable = Some(ExchangeError::Closed);
            self.reading.give_up();
            return Poll::Ready(Some(Err(error)));
        }
        let frame = ready!(self.reading.poll_frame(&mut self.stream, cx));
        if let Some(Err(ExchangeError::Malformed(_))) = &frame {
            self.counted.malformed();
        }
        Poll::Ready(frame)
    }
}
