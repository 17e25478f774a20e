//! One connection as a request sees it: HTTP/1.1 or HTTP/2, over hyper.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::spawn_local;

use super::dial::Dialed;
use crate::telemetry::{BackendStats, WorkerId};

/// Streams that one HTTP/2 connection carries at once, whatever the backend would allow: past it another is dialed.
const STREAMS_PER_CONNECTION: usize = 100;

/// The sending half of a connection.
#[derive(Debug)]
pub enum Sender<B> {
    /// HTTP/1.1: one request at a time.
    H1(http1::SendRequest<B>),
    /// HTTP/2: a share of a connection. The `Rc` counts the requests under way on it.
    H2(http2::SendRequest<B>, Rc<()>),
}

/// Why a request has no response head.
#[derive(Debug)]
pub struct SendFailure<B> {
    /// What hyper says.
    pub error: hyper::Error,
    /// The request, when it was never written: the backend saw nothing.
    pub unsent: Option<Request<B>>,
}

impl<B> Sender<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Speaks HTTP over a connection, driven by a task of its own on this worker.
    ///
    /// `upgradable` connections may be turned into a tunnel after a 101.
    ///
    /// # Errors
    /// hyper's, when the HTTP/2 preface cannot be written.
    pub async fn start(
        dialed: Dialed,
        upgradable: bool,
        stats: std::sync::Arc<BackendStats>,
        worker: WorkerId,
    ) -> Result<Self, hyper::Error> {
        let io = TokioIo::new(dialed.stream);
        let open = Open::new(stats, worker);
        if dialed.http2 {
            let (sender, connection) = http2::Builder::new(LocalExecutor)
                .timer(TokioTimer::new())
                .initial_stream_window_size(1 << 20)
                .initial_connection_window_size(4 << 20)
                .keep_alive_interval(Duration::from_secs(15))
                .keep_alive_timeout(Duration::from_secs(10))
                .handshake(io)
                .await?;
            open.drive(connection);
            return Ok(Self::H2(sender, Rc::new(())));
        }
        let (sender, connection) = http1::Builder::new().handshake(io).await?;
        if upgradable {
            open.drive(connection.with_upgrades());
        } else {
            open.drive(connection);
        }
        Ok(Self::H1(sender))
    }

    /// Sends a request and waits for its response head.
    ///
    /// # Errors
    /// [`SendFailure`], with the request when it was never written.
    pub async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, SendFailure<B>> {
        let sent = match self {
            Self::H1(sender) => sender.try_send_request(request).await,
            Self::H2(sender, _) => sender.try_send_request(request).await,
        };
        sent.map_err(|mut failure| {
            let unsent = failure.take_message();
            SendFailure { error: failure.into_error(), unsent }
        })
    }

    /// Whether another request can be sent now: pending while the last one is still being finished.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        match self {
            Self::H1(sender) => sender.poll_ready(cx),
            Self::H2(sender, _) => sender.poll_ready(cx),
        }
    }

    /// A second handle on the same connection, while it has room for another stream.
    pub(super) fn share(&self) -> Option<Self> {
        match self {
            Self::H2(sender, users) if Rc::strong_count(users) <= STREAMS_PER_CONNECTION && !sender.is_closed() => {
                Some(Self::H2(sender.clone(), users.clone()))
            }
            _ => None,
        }
    }
}

impl<B> Sender<B> {
    /// Whether the connection speaks HTTP/2.
    pub const fn is_http2(&self) -> bool {
        matches!(self, Self::H2(..))
    }

    /// Whether nobody but this handle uses the connection.
    pub(super) fn is_unused(&self) -> bool {
        match self {
            Self::H1(_) => true,
            Self::H2(_, users) => Rc::strong_count(users) == 1,
        }
    }

    /// Whether the connection is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::H1(sender) => sender.is_closed(),
            Self::H2(sender, _) => sender.is_closed(),
        }
    }
}

/// Counts an open connection for as long as its task lives.
struct Open {
    stats: std::sync::Arc<BackendStats>,
    worker: WorkerId,
}

impl Open {
    fn new(stats: std::sync::Arc<BackendStats>, worker: WorkerId) -> Self {
        stats.cells.of(worker).dialed.increment();
        Self { stats, worker }
    }

    fn drive(self, connection: impl Future<Output = Result<(), hyper::Error>> + 'static) {
        spawn_local(async move {
            // What goes wrong on a connection is told to the requests on it.
            if let Err(error) = connection.await {
                tracing::trace!(%error, "connection to a backend ended");
            }
            drop(self);
        });
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stats.cells.of(self.worker).hung_up.increment();
    }
}

/// Runs hyper's HTTP/2 tasks on the worker's own thread.
#[derive(Clone, Copy, Debug)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}
