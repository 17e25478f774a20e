//! A response on its way to the client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::encode::{self, Asked, Coding};
use super::out::Out;
use super::shared::Shared;
use crate::server::http::{Io, ResponseBody};
use crate::wire::Response;

/// A response whose head has been gathered.
pub(super) struct Outgoing<B> {
    /// None once all of it was gathered.
    body: Option<B>,
    coding: Coding,
    /// Whether its client takes trailers.
    trailers: bool,
    /// Whether the connection ends with it.
    pub(super) closes: bool,
}

impl<B: ResponseBody> Outgoing<B> {
    /// Gathers the head.
    pub(super) fn begin<I>(
        shared: &Shared<I>,
        response: Response<B>,
        asked: Asked,
        trailers: bool,
        keeps: bool,
    ) -> Self {
        let Response { status, fields, body, .. } = response;
        let length = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
        let coding = encode::coding(status, &fields, length, asked);
        let closes = !keeps || coding == Coding::ToTheEnd;
        {
            let mut half = shared.half.borrow_mut();
            encode::head(half.out.gather(), status, &fields, coding, length, asked, closes);
        }
        let has_body = !matches!(coding, Coding::None | Coding::Length(0));
        Self { body: has_body.then_some(body), coding, trailers, closes }
    }

    /// Gathers and writes, until all is written; and the goodbye behind it, where the connection ends.
    ///
    /// # Errors
    /// The client is gone, or the body has no end.
    pub(super) fn poll<I: Io>(&mut self, shared: &Shared<I>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let starved = self.poll_gather(shared, cx)?.is_pending();
            if self.closes && self.body.is_none() {
                return shared.half.borrow_mut().poll_last(cx);
            }
            ready!(shared.half.borrow_mut().poll_write(cx))?;
            if self.body.is_none() {
                return Poll::Ready(Ok(()));
            }
            if starved {
                return Poll::Pending;
            }
        }
    }

    /// Takes parts of the body while there is room for them. Pending when the next has yet to come.
    fn poll_gather<I>(&mut self, shared: &Shared<I>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(body) = &mut self.body
            && shared.half.borrow().out.has_room()
        {
            // Not borrowed meanwhile: the body of the response may read that of the request.
            let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
            let ended = frame.is_none() || body.is_end_stream();
            let mut half = shared.half.borrow_mut();
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.data(&mut half.out, data, ended)?,
                    Err(frame) => {
                        if self.coding == Coding::Chunked {
                            let trailers = frame.into_trailers().ok().filter(|_| self.trailers);
                            encode::last_chunk(half.out.gather(), trailers.as_ref());
                        } else {
                            self.end(&mut half.out)?;
                        }
                        self.coding = Coding::None;
                    }
                },
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => self.end(&mut half.out)?,
            }
            drop(half);
            if ended || matches!(self.coding, Coding::None | Coding::Length(0)) {
                self.body = None;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// A part of the body, the last one where it has `ended`.
    fn data(&mut self, out: &mut Out, mut data: Bytes, ended: bool) -> io::Result<()> {
        match &mut self.coding {
            Coding::Chunked => {
                if !data.is_empty() {
                    encode::chunk_size(out.gather(), data.len());
                    out.add(data, if ended { b"\r\n0\r\n\r\n" } else { b"\r\n" });
                } else if ended {
                    encode::last_chunk(out.gather(), None);
                }
                return Ok(());
            }
            Coding::Length(left) => {
                let length = data.len() as u64;
                if length > *left {
                    // More than its head says: that much, and the connection ends, for nobody knows what is right.
                    data.truncate(*left as usize);
                    self.closes = true;
                }
                *left = left.saturating_sub(length);
                out.add(data, b"");
            }
            Coding::ToTheEnd => out.add(data, b""),
            Coding::None => {}
        }
        if ended { self.end(out) } else { Ok(()) }
    }

    /// The body has come to its end.
    fn end(&mut self, out: &mut Out) -> io::Result<()> {
        match self.coding {
            Coding::Chunked => encode::last_chunk(out.gather(), None),
            Coding::Length(1..) => return Err(io::Error::other("the body is shorter than its head says")),
            Coding::None | Coding::Length(0) | Coding::ToTheEnd => {}
        }
        Ok(())
    }
}
