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
use super::metered::Metered;
use super::strict::{Questions, Strict};
use crate::telemetry::{BackendStats, WorkerId};

/// Streams that one HTTP/2 connection carries at once, whatever the backend would allow: past it another is dialed.
const STREAMS_PER_CONNECTION: usize = 100;

/// Octets of header fields that are read of a response, in HTTP/2 each counted with 32 more (RFC 9113, section 6.5.2). In
/// HTTP/1 also what is read ahead of a client that does not take it.
const MAX_RESPONSE_HEADER: u32 = 64 * 1024;

/// Octets of responses that a backend may send ahead of clients that do not take them, per request and per connection.
///
/// The library lets half of the latter be the overhead of small DATA frames that wait, 256 octets less the data each, and
/// ends the connection past that, with every request on it: enough for two responses full of events of 32 octets.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// The sending half of a connection.
#[derive(Debug)]
pub enum Sender<B> {
    /// HTTP/1.1: one request at a time.
    H1(http1::SendRequest<B>, Questions),
    /// HTTP/2: a share of a connection. The `Rc` counts the requests under way on it.
    H2(http2::SendRequest<B>, Rc<()>),
}

/// Why a request has no response head.
#[derive(Debug)]
pub struct SendFailure {
    /// What hyper says.
    pub error: hyper::Error,
    /// Whether the backend has not acted on the request: it was never written, or the backend said so.
    pub unsent: bool,
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
        let open = Open::new(stats.clone(), worker);
        if dialed.http2 {
            let (sender, connection) = http2::Builder::new(LocalExecutor)
                .timer(TokioTimer::new())
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .keep_alive_interval(Duration::from_secs(15))
                .keep_alive_timeout(Duration::from_secs(10))
                .max_header_list_size(MAX_RESPONSE_HEADER)
                .handshake(TokioIo::new(Metered::new(dialed, MAX_RESPONSE_HEADER, stats, worker)))
                .await?;
            open.drive(connection);
            return Ok(Self::H2(sender, Rc::new(())));
        }
        let questions = Questions::default();
        let io = TokioIo::new(Strict::new(dialed.stream, questions.clone()).counted(stats, worker));
        let (sender, connection) =
            http1::Builder::new().max_buf_size(MAX_RESPONSE_HEADER as usize).handshake(io).await?;
        if upgradable {
            open.drive(connection.with_upgrades());
        } else {
            open.drive(connection);
        }
        Ok(Self::H1(sender, questions))
    }

    /// Sends a request and waits for its response head.
    ///
    /// # Errors
    /// [`SendFailure`], which says whether the backend can have acted on it.
    pub async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, SendFailure> {
        let sent = match self {
            Self::H1(sender, questions) => {
                questions.ask(&request);
                sender.try_send_request(request).await
            }
            Self::H2(sender, _) => sender.try_send_request(request).await,
        };
        sent.map_err(|mut failure| {
            let unwritten = failure.take_message().is_some();
            let error = failure.into_error();
            SendFailure { unsent: unwritten || is_disowned(&error), error }
        })
    }

    /// Whether another request can be sent now: pending while the last one is still being finished.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        match self {
            Self::H1(sender, _) => sender.poll_ready(cx),
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
            Self::H1(..) => true,
            Self::H2(_, users) => Rc::strong_count(users) == 1,
        }
    }

    /// Whether the connection is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::H1(sender, _) => sender.is_closed(),
            Self::H2(sender, _) => sender.is_closed(),
        }
    }
}

/// Whether an HTTP/2 backend says that it did not act on the request and will not: the stream was refused, or lies past the
/// last one that it took before it said goodbye (RFC 9113, section 8.7). Servers do so at every restart, and after so many
/// requests on one connection.
fn is_disowned(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        let refused = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
        let left_behind = cause.is_go_away() && cause.reason() == Some(h2::Reason::NO_ERROR);
        cause.is_remote() && (refused || left_behind)
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Stream;
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::LocalSet;

    /// Sends one request to a backend that takes one connection and does `then` with it.
    async fn send_to<F: Future<Output = ()> + 'static>(then: impl FnOnce(TcpStream) -> F + 'static) -> SendFailure {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap();
        let client = async move {
            let stream = Stream::Plain(TcpStream::connect(peer).await.unwrap());
            let dialed = Dialed { stream, peer, http2: true };
            let mut sender = Sender::start(dialed, false, BackendStats::new(1), WorkerId(0)).await.unwrap();
            let request = Request::post("http://backend/").body(Full::new(Bytes::from_static(b"body"))).unwrap();
            sender.send(request).await.unwrap_err()
        };
        let both = async {
            spawn_local(async move { then(listener.accept().await.unwrap().0).await });
            client.await
        };
        LocalSet::new().run_until(both).await
    }

    /// The same over HTTP/2: `then` has the connection and the request's stream.
    async fn ask<F: Future<Output = ()> + 'static>(
        then: impl FnOnce(Backend, Responder) -> F + 'static,
    ) -> SendFailure {
        send_to(|tcp| async {
            let mut connection = h2::server::handshake(tcp).await.unwrap();
            let (_request, respond) = connection.accept().await.unwrap().unwrap();
            then(connection, respond).await;
        })
        .await
    }

    type Backend = h2::server::Connection<TcpStream, Bytes>;
    type Responder = h2::server::SendResponse<Bytes>;

    #[tokio::test]
    async fn a_stream_that_an_http2_backend_refuses_was_not_acted_on() {
        for (reason, unsent) in [(h2::Reason::REFUSED_STREAM, true), (h2::Reason::INTERNAL_ERROR, false)] {
            let failure = ask(move |mut connection, mut respond| async move {
                respond.send_reset(reason);
                while connection.accept().await.is_some() {}
            });
            let failure = failure.await;
            assert_eq!(failure.unsent, unsent, "{reason:?}: {:?}", failure.error);
        }
    }

    #[tokio::test]
    async fn a_connection_that_breaks_says_nothing_of_what_was_done() {
        let failure = ask(|connection, _respond| async move { drop(connection) }).await;
        assert!(!failure.unsent, "{:?}", failure.error);
    }

    #[tokio::test]
    async fn a_stream_that_came_after_the_goodbye_was_not_acted_on() {
        let failure = send_to(|mut tcp| async move {
            tcp.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            let mut preface = [0; 24];
            tcp.read_exact(&mut preface).await.unwrap();
            // Frame by frame until the HEADERS (type 1) of the request have come.
            loop {
                let mut head = [0; 9];
                tcp.read_exact(&mut head).await.unwrap();
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                tcp.read_exact(&mut vec![0; length as usize]).await.unwrap();
                if head[3] == 1 {
                    break;
                }
            }
            // GOAWAY, last stream 0, NO_ERROR.
            tcp.write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        });
        let failure = failure.await;
        assert!(failure.unsent, "{:?}", failure.error);
    }
}
