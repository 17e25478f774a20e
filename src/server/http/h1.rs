//! HTTP/1 on an established connection.

use std::pin::Pin;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;
use tower::ServiceExt;

use super::drive::{Connection, End, FAREWELL, drive};
use super::strict::{Counted, Strict};
use super::{Handle, Io, ResponseBody, Session, cut_unread};
use crate::proxy::ClientBody;
use crate::server::activity::Deadlines;
use crate::server::stream::Watched;

/// hyper's smallest buffer.
const MIN_BUFFER: usize = 8 * 1024;
/// Response bytes that are buffered for an HTTP/1 request; heads have a limit of their own.
const HTTP1_BUFFER: usize = 256 * 1024;

/// Serves HTTP/1 until the connection ends. After an upgrade the socket belongs to the handler.
pub(in crate::server) async fn serve_http1<S: Handle<B>, B: ResponseBody>(io: impl Io, session: Session<S>) {
    let Session { service, activity, shared, config, outflow, pace, drain, stop } = session;
    let counted = Counted { stats: shared.stats.clone(), worker: shared.worker };
    let mut builder = http1::Builder::new();
    // [`Activity`] keeps the head deadline, with one timer per connection instead of one per request.
    builder.header_read_timeout(None).max_header_size(config.max_header_size);
    builder.max_buf_size(HTTP1_BUFFER.max(config.max_header_size).max(MIN_BUFFER));
    let watched = Watched::new(io, activity.clone());
    let io = TokioIo::new(Strict::new(watched, activity.clone(), &config, counted));
    let service =
        TowerToHyperService::new(service.map_request(|request: Request<Incoming>| request.map(ClientBody::from)));
    let mut connection = builder.serve_connection(io, service).with_upgrades();
    let deadlines = Deadlines { head: Some(config.header_timeout), idle: config.idle_timeout };
    match drive(Pin::new(&mut connection), &activity, deadlines, &drain, &stop, &outflow, pace).await {
        End::Closed(Ok(())) | End::Cut => {}
        End::Unread => cut_unread(&shared),
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

impl<I, B, S> Connection for http1::UpgradeableConnection<I, S>
where
    Self: Future<Output = hyper::Result<()>>,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<crate::server::serve::BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<crate::server::serve::BoxError>,
{
    const SAYS_GOODBYE: bool = false;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
