//! HTTP on an established connection: HTTP/1, or HTTP/2, held to its deadlines.

mod date;
mod h1;
mod h2;

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

pub(in crate::server) use h1::serve_http1;
pub(in crate::server) use h2::serve_http2;

use super::activity::Activity;
use super::drain::Stop;
use super::edge::Shared;
use super::encrypted::Encrypted;
use super::limits::{Outflow, Pace};
use super::serve::BoxError;
use super::stream::Stream;
use crate::config::ListenerConfig;
use crate::proxy::ClientBody;
use crate::wire::{Request, Response};

/// How long a connection that was told to end may take for its farewell once nothing is under way.
const FAREWELL: Duration = Duration::from_secs(5);

/// A client's byte stream, encrypted or not.
pub(in crate::server) trait Io: AsyncRead + AsyncWrite + Unpin + 'static {
    /// What is written from now on is the last: it may wait for the goodbye, to go out with it.
    fn cork(&mut self) {}

    /// Writes all that waits, and the goodbye, if there is any beside the end of the stream. The socket stays open.
    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_flush(cx)
    }
}

impl Io for Stream {}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Io for Encrypted<S> {
    fn cork(&mut self) {
        Self::cork(self);
    }

    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_goodbye(self, cx)
    }
}

#[cfg(test)]
impl Io for tokio::io::DuplexStream {}

/// What answers the requests of a connection.
pub(in crate::server) trait Handle<B>:
    Service<Request<ClientBody>, Response = Response<B>, Error = Infallible, Future: 'static> + Clone + 'static
{
}
impl<B, T> Handle<B> for T where
    T: Service<Request<ClientBody>, Response = Response<B>, Error = Infallible, Future: 'static> + Clone + 'static
{
}

/// What it answers with.
pub(in crate::server) trait ResponseBody:
    Body<Data = Bytes, Error = BoxError> + Unpin + 'static
{
}
impl<T: Body<Data = Bytes, Error = BoxError> + Unpin + 'static> ResponseBody for T {}

/// Counts a client that was cut because it reads too slowly.
fn cut_unread(shared: &Shared) {
    shared.stats.cells.of(shared.worker).slow_readers.increment();
    tracing::debug!("cut a client that reads its response too slowly, or not at all");
}

/// What both protocols need.
pub(in crate::server) struct Session<S> {
    pub(in crate::server) service: S,
    pub(in crate::server) activity: Rc<Activity>,
    pub(in crate::server) shared: Rc<Shared>,
    pub(in crate::server) config: Arc<ListenerConfig>,
    pub(in crate::server) outflow: Arc<Outflow>,
    pub(in crate::server) pace: Pace,
    pub(in crate::server) drain: CancellationToken,
    /// Closed as soon as the drain begins, which it tells at the cost of a look.
    pub(in crate::server) tracker: TaskTracker,
    pub(in crate::server) stop: Stop,
}
