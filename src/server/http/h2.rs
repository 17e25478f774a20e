//! HTTP/2 on an established connection.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tower::ServiceExt;

use super::drive::{Connection, End, drive};
use super::metered::{Metered, Verdict};
use super::{Handle, Io, ResponseBody, Session, cut_unread};
use crate::model::Excess;
use crate::proxy::ClientBody;
use crate::server::activity::Deadlines;
use crate::server::edge::Shared;
use crate::server::stream::Watched;
use crate::wire::h2::Limits;

/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// Bytes of request bodies that an HTTP/2 client may send ahead, per request and per connection.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The library lets half of it be the overhead of small DATA frames that nobody has read yet, 256 octets less the data each,
/// and ends the connection past that: enough for one request that is full of messages of 32 octets.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Response bytes that are buffered for one HTTP/2 request.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that a client may reset before they were looked at, and in the life of a connection how often botgate may reset
/// one for a protocol error, which it does for each part of a body that still came when its request had been refused. Behind
/// the meter's caps, which are rates: a connection may live for days.
const MAX_PENDING_RESETS: usize = 400;
const MAX_LOCAL_RESETS: usize = 1 << 20;
/// HTTP/2 PINGs that tell a silent client from a vanished one.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves HTTP/2 until the connection ends. What the client overdid, if that is why it ended.
pub(in crate::server) async fn serve_http2<S: Handle<B>, B: ResponseBody>(
    io: impl Io,
    session: Session<S>,
) -> Option<Excess> {
    let Session { service, activity, shared, config, outflow, pace, drain, stop, .. } = session;
    let max_header = u32::try_from(config.max_header_size).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(SpawnLocal);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(max_header)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    let verdict = Verdict::default();
    let limits = Limits::of_client(max_header, u32::try_from(config.header_timeout.as_millis()).unwrap_or(u32::MAX));
    let io = TokioIo::new(Watched::new(Metered::new(io, limits, verdict.clone()), activity.clone()));
    let service =
        TowerToHyperService::new(service.map_request(|request: Request<Incoming>| request.map(ClientBody::from)));
    let connection = pin!(builder.serve_connection(io, service));
    let deadlines = Deadlines { head: None, idle: config.idle_timeout };
    let end = drive(connection, &activity, deadlines, &drain, &stop, &outflow, pace).await;
    if let Some(excess) = verdict.get().or_else(|| overdone(&end)) {
        tell(excess, &shared);
        return Some(excess);
    }
    match end {
        End::Closed(Err(error)) => tracing::debug!(%error, "client connection ended early"),
        End::Unread => cut_unread(&shared),
        End::Closed(Ok(())) | End::Cut | End::HeadLate => {}
    }
    None
}

/// What the library's own caps found.
fn overdone(end: &End) -> Option<Excess> {
    let End::Closed(Err(error)) = end else { return None };
    let cause = std::error::Error::source(error)?.downcast_ref::<h2::Error>()?;
    let calm = cause.is_library() && cause.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
    calm.then_some(Excess::Library)
}

/// Counts a client that overdid it. One line per connection, and in a flood of connections ever fewer of them.
fn tell(excess: Excess, shared: &Shared) {
    let counter = &shared.stats.cells.of(shared.worker).excesses[excess as usize];
    counter.increment();
    let (peer, times) = (shared.client.peer, counter.get());
    if times.is_power_of_two() {
        tracing::warn!(%peer, %excess, times, "ended the HTTP/2 connection of a client that floods; the next line after twice as many");
    } else {
        tracing::debug!(%peer, %excess, "ended the HTTP/2 connection of a client that floods");
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

impl<I, B, S, E> Connection for http2::Connection<I, S, E>
where
    Self: Future<Output = hyper::Result<()>>,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<crate::server::serve::BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<crate::server::serve::BoxError>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    const SAYS_GOODBYE: bool = true;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
