//! HTTP on an established connection: HTTP/1 or HTTP/2 by hyper, and the driver that holds it to its deadlines.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::activity::{Activity, Deadlines, Due};
use super::drain::{Stop, linger};
use super::serve::BoxError;
use super::stream::Watched;
use crate::config::ListenerConfig;

/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 200;
/// Bytes of request bodies that an HTTP/2 client may send ahead, per request and per connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Response bytes that are buffered for one HTTP/2 request.
const SEND_BUFFER: usize = 256 * 1024;
/// Streams that a client may reset before they were looked at, and those botgate resets for protocol errors: the
/// guards against rapid reset (CVE-2023-44487) and its mirror (CVE-2025-8671).
const MAX_PENDING_RESETS: usize = 64;
const MAX_LOCAL_RESETS: usize = 256;
/// HTTP/2 PINGs that tell a silent client from a vanished one.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection that was told to end may take for its farewell once nothing is under way.
const FAREWELL: Duration = Duration::from_secs(5);
/// hyper's smallest buffer.
const MIN_BUFFER: usize = 8 * 1024;
/// Response bytes that are buffered for an HTTP/1 request; heads have a limit of their own.
const HTTP1_BUFFER: usize = 256 * 1024;

/// A client's byte stream, encrypted or not.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// What answers the requests of a connection.
pub(super) trait Handle<B>:
    Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: 'static> + Clone + 'static
{
}
impl<B, T> Handle<B> for T where
    T: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: 'static> + Clone + 'static
{
}

/// What it answers with.
pub(super) trait ResponseBody: Body<Data = Bytes, Error = BoxError> + 'static {}
impl<T: Body<Data = Bytes, Error = BoxError> + 'static> ResponseBody for T {}

/// What both protocols need.
pub(super) struct Session<S> {
    pub(super) service: S,
    pub(super) activity: Arc<Activity>,
    pub(super) config: Arc<ListenerConfig>,
    pub(super) drain: CancellationToken,
    pub(super) stop: Stop,
}

/// Serves HTTP/1 until the connection ends. After an upgrade the socket belongs to the handler.
pub(super) async fn serve_http1<S: Handle<B>, B: ResponseBody>(io: impl Io, session: Session<S>) {
    let Session { service, activity, config, drain, stop } = session;
    let mut builder = http1::Builder::new();
    // [`Activity`] keeps the head deadline, with one timer per connection instead of one per request.
    builder.header_read_timeout(None).max_header_size(config.max_header_size);
    builder.max_buf_size(HTTP1_BUFFER.max(config.max_header_size).max(MIN_BUFFER));
    let io = TokioIo::new(Watched::new(io, activity.clone()));
    let service = TowerToHyperService::new(service);
    let mut connection = builder.serve_connection(io, service).with_upgrades();
    let deadlines = Deadlines { head: Some(config.header_timeout), idle: config.idle_timeout };
    match drive(Pin::new(&mut connection), &activity, deadlines, &drain, &stop).await {
        End::Closed(Ok(())) | End::Cut => {}
        End::Unread => tracing::debug!("cut a client that does not read its response"),
        End::Closed(Err(error)) => tracing::debug!(%error, "client connection ended early"),
        End::HeadLate if activity.within_head() => {
            if let Some(parts) = connection.into_parts() {
                say_timeout(parts.io.into_inner()).await;
            }
        }
        // It never sent a byte: a browser's spare connection, or a port scanner. There is no request to answer.
        End::HeadLate => {}
    }
}

/// Tells a client whose head did not end in time (RFC 9110, section 15.5.9).
async fn say_timeout(mut io: impl Io) {
    let answer = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let said = async {
        io.write_all(answer).await?;
        io.shutdown().await
    };
    // A client that does not read either is owed nothing more.
    let _ = tokio::time::timeout(FAREWELL, said).await;
}

/// Serves HTTP/2 until the connection ends.
pub(super) async fn serve_http2<S: Handle<B>, B: ResponseBody>(io: impl Io, session: Session<S>) {
    let Session { service, activity, config, drain, stop } = session;
    let mut builder = http2::Builder::new(SpawnLocal);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(config.max_header_size).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    let io = TokioIo::new(Watched::new(io, activity.clone()));
    let service = TowerToHyperService::new(service);
    let connection = pin!(builder.serve_connection(io, service));
    let deadlines = Deadlines { head: None, idle: config.idle_timeout };
    match drive(connection, &activity, deadlines, &drain, &stop).await {
        End::Closed(Err(error)) => tracing::debug!(%error, "client connection ended early"),
        End::Unread => tracing::debug!("cut a client that does not read its responses"),
        End::Closed(Ok(())) | End::Cut | End::HeadLate => {}
    }
}

/// Spawns the requests of an HTTP/2 connection on its own worker.
#[derive(Clone, Copy)]
struct SpawnLocal;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for SpawnLocal {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// A hyper connection, of either protocol.
trait Connection: Future<Output = hyper::Result<()>> {
    /// Whether the protocol itself can tell the client to bring no further request (GOAWAY), without losing one.
    const SAYS_GOODBYE: bool;
    /// Ends it as soon as what is under way has ended.
    fn finish(self: Pin<&mut Self>);
}

impl<I, B, S> Connection for http1::UpgradeableConnection<I, S>
where
    Self: Future<Output = hyper::Result<()>>,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<super::serve::BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<super::serve::BoxError>,
{
    const SAYS_GOODBYE: bool = false;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, B, S, E> Connection for http2::Connection<I, S, E>
where
    Self: Future<Output = hyper::Result<()>>,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<super::serve::BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<super::serve::BoxError>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    const SAYS_GOODBYE: bool = true;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// How a connection ended.
enum End {
    /// By itself.
    Closed(hyper::Result<()>),
    /// Its head was late; it is still open.
    HeadLate,
    /// It did not end when told to; it is still open.
    Cut,
    /// The client does not read its responses; it is still open.
    Unread,
}

async fn drive<C: Connection>(
    mut connection: Pin<&mut C>,
    activity: &Activity,
    deadlines: Deadlines,
    drain: &CancellationToken,
    stop: &Stop,
) -> End {
    let mut drained = pin!(drain.cancelled());
    let mut timer = pin!(tokio::time::sleep(deadlines.head.unwrap_or(deadlines.idle)));
    let mut finishing: Option<Instant> = None;
    // What the client had not read when the timer last fired.
    let mut unread: Option<u64> = None;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(End::Closed(result));
            }
            if !activity.draining() && drained.as_mut().poll(cx).is_ready() {
                activity.drain(linger(stop.grace()));
                if C::SAYS_GOODBYE {
                    connection.as_mut().finish();
                    finishing = Some(Instant::now());
                }
                continue;
            }
            let due = match finishing {
                Some(_) if activity.busy() => Due::Never,
                Some(since) if since.elapsed() >= FAREWELL => return Poll::Ready(End::Cut),
                Some(since) => Due::At(since + FAREWELL),
                None => activity.due(&deadlines),
            };
            let at = match due {
                Due::HeadLate => return Poll::Ready(End::HeadLate),
                Due::Idle => {
                    connection.as_mut().finish();
                    finishing = Some(Instant::now());
                    continue;
                }
                // The end of a request does not always wake this task: look again in a while. hyper has no deadline for a
                // client that does not read: one that took nothing between two looks is cut.
                Due::Never => {
                    if timer.is_elapsed() {
                        let before = std::mem::replace(&mut unread, activity.unread());
                        if unread.is_some() && unread == before {
                            return Poll::Ready(End::Unread);
                        }
                    }
                    Instant::now() + deadlines.idle
                }
                Due::At(at) => at,
            };
            // A timer that fires too early costs one look; moving it at every request would cost more.
            if timer.is_elapsed() || (due != Due::Never && timer.deadline() > at) {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}
