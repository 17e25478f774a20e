//! One connection as a request sees it: HTTP/1.1 by hand, HTTP/2 over hyper.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::spawn_local;

use super::counted::Counted;
use super::dial::Dialed;
use super::failure::{ExchangeError, SendFailure};
use super::h1;
use super::metered::Metered;
use super::outgoing::Outgoing;
use super::request_body::RequestBody;
use super::socket::Parked;
use super::windows::Windows;
use crate::telemetry::{BackendStats, WorkerId};
use crate::wire::Response;

/// Streams that one HTTP/2 connection carries at once, whatever the backend would allow: past it another is dialed.
const STREAMS_PER_CONNECTION: usize = 100;

/// Octets of header fields that are read of a response, each counted with 32 more (RFC 9113, section 6.5.2).
const MAX_RESPONSE_HEADER: u32 = 64 * 1024;

/// A connection, or a share of one.
#[derive(Debug)]
pub(super) enum Sender<B> {
    /// HTTP/1.1: one request at a time.
    H1(Box<h1::Connection<B>>),
    /// HTTP/2: a share of a connection. The `Rc` counts the requests under way on it.
    H2(http2::SendRequest<B>, Rc<()>),
}

/// A request on its way.
pub(super) enum Sent<B> {
    /// Over HTTP/1: it is to be written.
    H1(Result<(), SendFailure>),
    /// Over HTTP/2.
    H2(LocalBoxFuture<'static, Result<http::Response<Incoming>, TrySendError<http::Request<B>>>>),
}

impl<B: RequestBody> Sender<B> {
    /// Speaks HTTP over a connection. HTTP/2 is driven by a task of its own on this worker.
    ///
    /// # Errors
    /// hyper's, when the HTTP/2 preface cannot be written.
    pub(super) async fn start(
        dialed: Dialed,
        stats: Arc<BackendStats>,
        worker: WorkerId,
    ) -> Result<Self, hyper::Error> {
        let counted = Counted::new(stats.clone(), worker);
        if !dialed.http2 {
            return Ok(Self::H1(Box::new(h1::Connection::new(dialed.stream, counted))));
        }
        let windows = Windows::over(dialed.round_trip);
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .initial_stream_window_size(windows.size.stream)
            .initial_connection_window_size(windows.size.connection)
            .keep_alive_interval(Duration::from_secs(15))
            .keep_alive_timeout(Duration::from_secs(10))
            .max_header_list_size(MAX_RESPONSE_HEADER)
            .handshake(TokioIo::new(Metered::new(dialed, MAX_RESPONSE_HEADER, stats, worker)))
            .await?;
        spawn_local(async move {
            // What goes wrong on a connection is told to the requests on it.
            if let Err(error) = connection.await {
                tracing::trace!(%error, "connection to a backend ended");
            }
            drop((counted, windows));
        });
        Ok(Self::H2(sender, Rc::new(())))
    }

    /// Sends a request; [`Self::answer`] waits for its response.
    pub(super) fn begin(&mut self, request: Outgoing<'_, B>) -> Sent<B> {
        match self {
            Self::H1(connection) => Sent::H1(connection.begin(request)),
            Self::H2(sender, _) => Sent::H2(Box::pin(sender.try_send_request(request.into_http2()))),
        }
    }

    /// Waits for the head of the response to what was sent, and over HTTP/2 for its body.
    ///
    /// # Errors
    /// [`SendFailure`], which says whether the backend can have acted on it.
    pub(super) async fn answer(&mut self, sent: Sent<B>) -> Result<(Response<()>, Option<Incoming>), SendFailure> {
        let sent = match (self, sent) {
            (Self::H1(connection), Sent::H1(begun)) => {
                begun?;
                return connection.answer().await.map(|head| (head, None));
            }
            (_, Sent::H2(sent)) => sent.await,
            // What was sent over one is not asked of the other.
            (Self::H2(..), Sent::H1(begun)) => {
                begun?;
                return Err(SendFailure { error: ExchangeError::Closed, unsent: true });
            }
        };
        let response = sent.map_err(|mut failure| {
            let unwritten = failure.take_message().is_some();
            let error = failure.into_error();
            SendFailure { unsent: unwritten || is_disowned(&error), error: error.into() }
        })?;
        let Response { status, version, fields, body } = response.into();
        Ok((Response { status, version, fields, body: () }, Some(body)))
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
    pub(super) const fn is_http2(&self) -> bool {
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
    pub(super) fn is_closed(&mut self) -> bool {
        match self {
            Self::H1(connection) => connection.is_closed(),
            Self::H2(sender, _) => sender.is_closed(),
        }
    }

    /// Whether the connection, on which nothing of this request is left, can be kept for the next.
    pub(super) fn settle(&mut self) -> bool {
        match self {
            Self::H1(connection) => connection.settle(),
            // It is kept already, and shared.
            Self::H2(..) => false,
        }
    }

    /// Takes an unused connection out of this worker's runtime; none when it cannot be moved, and it is closed then.
    pub(super) fn park(self) -> Option<Parked> {
        match self {
            Self::H1(connection) => connection.switch().0.park().ok(),
            Self::H2(..) => None,
        }
    }

    /// A connection that comes from another worker's runtime, counted here from now on; none when it cannot be moved.
    pub(super) fn land(parked: Parked, stats: Arc<BackendStats>, worker: WorkerId) -> Option<Self> {
        let stream = parked.land().ok()?;
        Some(Self::H1(Box::new(h1::Connection::new(stream, Counted::new(stats, worker)))))
    }

    /// Says goodbye on a connection that is about to be closed unused.
    pub(super) fn hang_up(&mut self) {
        if let Self::H1(connection) = self {
            connection.hang_up();
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
    use crate::upstream::{Origin, Stream};
    use crate::wire::Fields;
    use bytes::Bytes;
    use http::{Method, Uri};
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
            let dialed = Dialed { stream, peer, round_trip: Duration::ZERO, http2: true };
            let mut sender = Sender::start(dialed, BackendStats::new(1), WorkerId(0)).await.unwrap();
            let request = Outgoing {
                method: &Method::POST,
                target: Uri::from_static("http://backend/"),
                origin: &Origin::of("backend"),
                fields: &Fields::default(),
                own: &[],
                also: Default::default(),
                body: Full::new(Bytes::from_static(b"body")),
            };
            let sent = sender.begin(request);
            sender.answer(sent).await.unwrap_err()
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
