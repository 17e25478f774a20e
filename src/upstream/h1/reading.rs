//! The response on its way in.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::upstream::dial::Stream;
use crate::upstream::failure::ExchangeError;
use crate::wire::Response;
use crate::wire::h1::{Asked, BodyReader, Fault, Limits, Part, ResponseReader};

/// How large the head of a response may be.
const LIMITS: Limits = Limits { head: 64 * 1024, fields: 100 };
/// Bytes that are read at once: at first, and at most, when they keep coming faster.
const APPETITE: (usize, usize) = (4 * 1024, 64 * 1024);

thread_local! {
    /// Where responses are read to at first.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What is read of a response.
#[derive(Debug)]
pub(super) struct Reading {
    head: ResponseReader,
    /// Bytes that came and are yet to be passed on; not allocated while there are none.
    buffer: BytesMut,
    /// Bytes to read next.
    appetite: usize,
    /// A part of the body that was found while its end was looked for.
    next: Option<Frame<Bytes>>,
    stage: Stage,
    /// Whether the backend lets another exchange follow.
    persistent: bool,
}

#[derive(Debug)]
enum Stage {
    Head,
    Body(BodyReader),
    /// The response is whole.
    Over,
    /// It never will be, and that was told.
    Broken,
}

impl Reading {
    /// Nothing was asked yet.
    pub(super) fn new() -> Self {
        Self {
            head: ResponseReader::new(LIMITS),
            buffer: BytesMut::new(),
            appetite: APPETITE.0,
            next: None,
            stage: Stage::Over,
            persistent: true,
        }
    }

    /// A request is about to be sent.
    pub(super) fn ask(&mut self, asked: Asked) {
        self.head.asked(asked);
        (self.stage, self.appetite) = (Stage::Head, APPETITE.0);
    }

    /// Whether the whole response was passed on.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over) && self.next.is_none()
    }

    /// Whether another exchange may follow this response.
    pub(super) fn is_persistent(&self) -> bool {
        self.is_over() && self.persistent
    }

    /// Bytes that came after the response.
    pub(super) fn beyond(&mut self) -> BytesMut {
        std::mem::take(&mut self.buffer)
    }

    /// Reads up to the end of the head of the final response, or of a 101.
    pub(super) fn poll_head(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<()>, ExchangeError>> {
        loop {
            match self.head.read(&self.buffer).map_err(ExchangeError::Malformed)? {
                Some(length) => {
                    let head = self.buffer.split_to(length);
                    if let Some(response) = self.finish(head).map_err(ExchangeError::Malformed)? {
                        return Poll::Ready(Ok(response));
                    }
                }
                None => {
                    if ready!(self.poll_fill(stream, cx))? == 0 {
                        return Poll::Ready(Err(ExchangeError::Closed));
                    }
                }
            }
        }
    }

    /// The response of a head that has come; none for an interim one.
    fn finish(&mut self, head: BytesMut) -> Result<Option<Response<()>>, Fault> {
        let whole = self.head.finish(head)?;
        let status = whole.head.status;
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(None);
        }
        self.persistent = whole.keeps;
        self.stage = whole.body.map_or(Stage::Over, Stage::Body);
        Ok(Some(whole.head))
    }

    /// The next part of the body.
    pub(super) fn poll_frame(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExchangeError>>> {
        loop {
            let frame = match self.next.take() {
                None => self.step(),
                next => Ok(next),
            };
            let error = match frame {
                Ok(Some(frame)) => {
                    if matches!(&self.stage, Stage::Body(body) if body.left().is_none()) {
                        // The end may be there too. A fault is told when the next part is asked for.
                        self.next = self.step().unwrap_or_default();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Ok(None) if !matches!(self.stage, Stage::Body(_)) => return Poll::Ready(None),
                Ok(None) => match ready!(self.poll_fill(stream, cx)) {
                    Ok(1..) => continue,
                    Ok(0) if matches!(&self.stage, Stage::Body(body) if body.is_open()) => {
                        self.stage = Stage::Over;
                        return Poll::Ready(None);
                    }
                    Ok(0) => ExchangeError::Closed,
                    Err(error) => error.into(),
                },
                Err(fault) => ExchangeError::Malformed(fault),
            };
            self.give_up();
            return Poll::Ready(Some(Err(error)));
        }
    }

    /// Nothing more is read of this response, and that was told.
    pub(super) fn give_up(&mut self) {
        (self.stage, self.next, self.buffer) = (Stage::Broken, None, BytesMut::new());
    }

    /// The next part of the body that has come; none when more must come, or it is over.
    fn step(&mut self) -> Result<Option<Frame<Bytes>>, Fault> {
        while let Stage::Body(body) = &mut self.stage {
            let found = match body.next(&self.buffer)? {
                Part::Content(length) => Some(Frame::data(self.buffer.split_to(length).freeze())),
                Part::Framing(length) => {
                    self.buffer.advance(length);
                    None
                }
                Part::End(length, trailers) => {
                    self.buffer.advance(length);
                    trailers.map(Frame::trailers)
                }
                Part::More => return Ok(None),
            };
            if body.has_ended() {
                self.stage = Stage::Over;
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// What is known of the length of what is to come of the body.
    pub(super) fn size_hint(&self) -> SizeHint {
        match &self.stage {
            Stage::Body(body) => body.left().map_or_else(SizeHint::default, SizeHint::with_exact),
            _ if self.next.is_some() => SizeHint::default(),
            _ => SizeHint::with_exact(0),
        }
    }

    fn poll_fill(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let wanted = match &self.stage {
            Stage::Body(body) => body.left().map_or(self.appetite, |left| saturated(left).min(self.appetite)),
            _ => self.appetite,
        };
        if self.buffer.is_empty() && self.appetite == APPETITE.0 {
            return self.poll_first(stream, cx, wanted);
        }
        self.buffer.reserve(wanted);
        let Poll::Ready(read) = pin!(stream.read_buf(&mut self.buffer)).poll(cx) else {
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
            return Poll::Pending;
        };
        let read = read?;
        self.has_read(read);
        Poll::Ready(Ok(read))
    }

    /// Into memory that all share: most responses are small, and get no more room than they need.
    fn poll_first(&mut self, stream: &mut Stream, cx: &mut Context<'_>, wanted: usize) -> Poll<std::io::Result<usize>> {
        let mut scratch = SCRATCH.take();
        if scratch.is_empty() {
            scratch = vec![0; APPETITE.0];
        }
        let mut buffer = ReadBuf::new(&mut scratch[..wanted.min(APPETITE.0)]);
        let polled = Pin::new(stream).poll_read(cx, &mut buffer).map_ok(|()| {
            self.buffer.extend_from_slice(buffer.filled());
            buffer.filled().len()
        });
        SCRATCH.set(scratch);
        if let Poll::Ready(Ok(read)) = polled {
            self.has_read(read);
        }
        polled
    }

    fn has_read(&mut self, read: usize) {
        if read >= self.appetite {
            self.appetite = (2 * self.appetite).min(APPETITE.1);
        } else if read < self.appetite / 4 {
            self.appetite = (self.appetite / 2).max(APPETITE.0);
        }
    }
}

fn saturated(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
