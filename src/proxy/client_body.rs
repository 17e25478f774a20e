//! The body of a client's request, by the protocol that it comes in.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::client_upgrade::ClientUpgrade;
use super::http2_body::Http2Body;

/// The body of a client's request.
#[derive(Debug)]
pub enum ClientBody {
    /// There is none.
    Empty,
    /// It comes over an HTTP/1 connection.
    Http1(Http1Body),
    /// It comes over an HTTP/2 connection.
    Http2(Http2Body),
}

/// Why the body of a request ends before its end: its client went away, or broke its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client broke off its request body")]
pub struct BrokenBody;

/// An HTTP/1 connection, as the body of its present request sees it. Requests have numbers; a body that is asked for after
/// its request has ended is broken.
pub trait Http1Source {
    /// The next part of the body of this request.
    fn poll_part(&self, request: u64, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>>;
    /// Whether nothing more comes.
    fn has_ended(&self, request: u64) -> bool;
    /// Bytes that are still to come.
    fn size_hint(&self, request: u64) -> SizeHint;
    /// Nobody reads the rest.
    fn let_go(&self, request: u64);
    /// The client's side of a tunnel, if the request asked for one; once.
    fn upgrade(&self, request: u64) -> Option<ClientUpgrade>;
}

/// The body of one request of an HTTP/1 connection.
pub struct Http1Body {
    source: Rc<dyn Http1Source>,
    request: u64,
}

impl Http1Body {
    /// The body of the request with this number.
    pub fn new(source: Rc<dyn Http1Source>, request: u64) -> Self {
        Self { source, request }
    }
}

impl std::fmt::Debug for Http1Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http1Body").field("request", &self.request).finish_non_exhaustive()
    }
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        self.source.let_go(self.request);
    }
}

impl ClientBody {
    /// The client's side of the tunnel that the request asked for; none where there can be none.
    pub fn upgrade(&self) -> Option<ClientUpgrade> {
        match self {
            Self::Http1(body) => body.source.upgrade(body.request),
            Self::Http2(_) | Self::Empty => None,
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Http1(body) => body.source.poll_part(body.request, cx),
            Self::Http2(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1(body) => body.source.has_ended(body.request),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1(body) => body.source.size_hint(body.request),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
