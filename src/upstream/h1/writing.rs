//! The request on its way out.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::encode::{self, Framing};
use crate::upstream::dial::Stream;
use crate::upstream::failure::ExchangeError;
use crate::upstream::outgoing::Outgoing;
use crate::upstream::request_body::RequestBody;

/// Parts of a body are copied behind the head, and behind each other, up to this many bytes: that is cheaper than another
/// write. Past it the next part is asked for when all before it is written.
const MOST_JOINED: usize = 16 * 1024;
/// A part that is larger is not copied.
const MOST_COPIED: usize = 8 * 1024;
/// What most heads with a small body need.
const USUAL: usize = 4096;

/// What is to be written of a request.
#[derive(Debug)]
pub(super) struct Writing<B> {
    /// Head, framing and small parts; not allocated while there is nothing to write.
    out: Vec<u8>,
    /// How many of these were written.
    written: usize,
    /// A large part, which comes after `out`.
    part: Bytes,
    /// The framing that comes after that.
    tail: &'static [u8],
    /// The rest of the body.
    body: Option<B>,
    framing: Framing,
    /// Whether the stream has yet to be flushed.
    unflushed: bool,
    /// Whether anything was written of this request.
    begun: bool,
    /// Whether it waited for the beginning of the body once.
    waited: bool,
}

impl<B> Writing<B> {
    /// Nothing is to be written.
    pub(super) const fn new() -> Self {
        Self {
            out: Vec::new(),
            written: 0,
            part: Bytes::new(),
            tail: b"",
            body: None,
            framing: Framing::Length(0),
            unflushed: false,
            begun: false,
            waited: false,
        }
    }

    /// Whether the whole request was written.
    pub(super) fn is_done(&self) -> bool {
        self.body.is_none() && self.is_drained() && !self.unflushed
    }

    /// Whether the backend may have seen something of the request.
    pub(super) const fn has_begun(&self) -> bool {
        self.begun
    }

    fn is_drained(&self) -> bool {
        self.written == self.out.len() && self.part.is_empty() && self.tail.is_empty()
    }
}

impl<B: RequestBody> Writing<B> {
    /// A request that is to be written.
    pub(super) fn of(request: Outgoing<'_, B>) -> Self {
        let mut out = Vec::with_capacity(USUAL);
        let framing = encode::head(&request, &mut out);
        let body = Some(request.body).filter(|body| !body.is_end_stream());
        Self { out, framing, body, ..Self::new() }
    }

    /// Writes on; ready when all is written.
    ///
    /// # Errors
    /// [`ExchangeError::RequestBody`], or what the stream says. Nothing more can be written then.
    pub(super) fn poll(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), ExchangeError>> {
        let mut starved = false;
        loop {
            starved = starved || self.fill(cx)?;
            if starved && !self.begun && !std::mem::replace(&mut self.waited, true) {
                // The body's first part often comes with the head, and is read only after this: one write for both.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.is_drained() {
                break;
            }
            let written = ready!(self.poll_write(stream, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
            }
            self.wrote(written);
        }
        if self.unflushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        if self.body.is_some() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Takes of the body what is there, as far as it is to be written next. Whether it waits for more of it.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<bool, ExchangeError> {
        while self.part.is_empty() && self.tail.is_empty() && self.out.len() - self.written < MOST_JOINED {
            let Some(body) = &mut self.body else { return Ok(false) };
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return Ok(true),
                Poll::Ready(Some(Err(error))) => return Err(ExchangeError::RequestBody(error.into())),
                Poll::Ready(None) => self.end(None)?,
                Poll::Ready(Some(Ok(frame))) => {
                    let ended = body.is_end_stream();
                    self.take(frame, ended)?;
                }
            }
        }
        Ok(false)
    }

    fn take(&mut self, frame: Frame<Bytes>, ended: bool) -> Result<(), ExchangeError> {
        let mut data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => return self.end(frame.into_trailers().ok().as_ref()),
        };
        let mut is_last = ended;
        match &mut self.framing {
            Framing::Length(left) => {
                // The client's framing is checked: there is no more of it than it said.
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                is_last |= *left == 0;
                self.put(data);
            }
            Framing::Chunks(_) if data.is_empty() => {}
            Framing::Chunks(_) => {
                encode::chunk(data.len(), &mut self.out);
                self.put(data);
            }
        }
        if is_last { self.end(None) } else { Ok(()) }
    }

    fn put(&mut self, data: Bytes) {
        let after: &[u8] = if matches!(self.framing, Framing::Chunks(_)) { b"\r\n" } else { b"" };
        if data.len() <= MOST_COPIED {
            self.out.extend_from_slice(&data);
            self.out.extend_from_slice(after);
        } else {
            (self.part, self.tail) = (data, after);
        }
    }

    /// Nothing more comes of the body.
    fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), ExchangeError> {
        self.body = None;
        match &self.framing {
            Framing::Length(0) => {}
            Framing::Length(_) => return Err(ExchangeError::RequestBody("it is shorter than was declared".into())),
            // What ends with a part has no trailers.
            Framing::Chunks(_) if !self.part.is_empty() => self.tail = b"\r\n0\r\n\r\n",
            Framing::Chunks(announced) => encode::last_chunk(announced, trailers, &mut self.out),
        }
        Ok(())
    }

    fn poll_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // TLS may fail after it has sent a part of what it took: only of a plain stream it is known that nothing left.
        self.begun |= matches!(stream, Stream::Tls(_));
        let stream = Pin::new(stream);
        if self.part.is_empty() && self.tail.is_empty() {
            return stream.poll_write(cx, &self.out[self.written..]);
        }
        let slices = [&self.out[self.written..], &self.part, self.tail].map(IoSlice::new);
        stream.poll_write_vectored(cx, &slices)
    }

    fn wrote(&mut self, bytes: usize) {
        self.begun = true;
        self.unflushed = true;
        let mut left = bytes;
        let mut of = |length: usize| {
            let now = left.min(length);
            left -= now;
            now
        };
        self.written += of(self.out.len() - self.written);
        self.part.advance(of(self.part.len()));
        self.tail = &self.tail[of(self.tail.len())..];
        if self.written == self.out.len() {
            (self.out, self.written) = (Vec::new(), 0);
        }
    }
}
