//! The body of a response, and the connection that it comes over.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::connections::Lease;
use super::dial::Stream;
use super::failure::ExchangeError;
use super::request_body::RequestBody;
use super::sender::Sender;
use crate::model::Moment;

/// The body of a response. It owns its connection, which is closed with it unless it is given back, and writes what is left
/// of the request while it is read.
#[derive(Debug)]
pub struct Body<B> {
    /// None once it was given back.
    lease: Option<Lease<B>>,
    /// Over HTTP/2, what the library reads.
    incoming: Option<Incoming>,
}

impl<B> Body<B> {
    pub(super) const fn new(lease: Lease<B>, incoming: Option<Incoming>) -> Self {
        Self { lease: Some(lease), incoming }
    }

    /// Gives the connection back, for the next request. Only once this body has ended, and the request's own has: a
    /// connection of HTTP/1 on which either has not is closed.
    pub fn give_back(&mut self, now: Moment) {
        if let Some(lease) = self.lease.take() {
            lease.give_back(now);
        }
    }

    /// The backend's end of a tunnel, behind a 101, and what came with that; none over HTTP/2.
    pub fn switch(self) -> Option<(Stream, Bytes)> {
        match self.lease?.sender {
            Sender::H1(connection) => Some(connection.switch()),
            Sender::H2(..) => None,
        }
    }
}

impl<B: RequestBody> http_body::Body for Body<B> {
    type Data = Bytes;
    type Error = ExchangeError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ExchangeError>>> {
        let this = self.get_mut();
        if let Some(incoming) = &mut this.incoming {
            return Pin::new(incoming).poll_frame(cx).map_err(ExchangeError::Http2);
        }
        match &mut this.lease {
            Some(Lease { sender: Sender::H1(connection), .. }) => connection.poll_frame(cx),
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match (&self.incoming, &self.lease) {
            (Some(incoming), _) => incoming.is_end_stream(),
            (None, Some(Lease { sender: Sender::H1(connection), .. })) => connection.is_over(),
            _ => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.incoming, &self.lease) {
            (Some(incoming), _) => incoming.size_hint(),
            (None, Some(Lease { sender: Sender::H1(connection), .. })) => connection.size_hint(),
            _ => SizeHint::with_exact(0),
        }
    }
}
