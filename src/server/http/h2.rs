//! HTTP/2 on an established connection.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;

use super::drive::{Connection, End, drive};
use super::{Handle, Io, ResponseBody, Session, cut_unread};
use crate::server::activity::Deadlines;
use crate::server::stream::Watched;

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

/// Serves HTTP/2 until the connection ends.
pub(in crate::server) async fn serve_http2<S: Handle<B>, B: ResponseBody>(io: impl Io, session: Session<S>) {
    let Session { service, activity, config, outflow, pace, stats, worker, drain, stop } = session;
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
    match drive(connection, &activity, deadlines, &drain, &stop, &outflow, pace).await {
        End::Closed(Err(error)) => tracing::debug!(%error, "client connection ended early"),
        End::Unread => cut_unread(&stats, worker),
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
