//! HTTP/2 on an established connection: the h2 library's frames and streams, and around it all that it leaves to others.
//!
//! | file | its one idea |
//! |---|---|
//! | `connection` | the library and the requests that came over it, driven by one task |
//! | `drive` | turns, deadlines, the drain, clients that do not read |
//! | `ready` | which parts of a connection can go on: only those are polled |
//! | `requests`, `exchange` | the requests under way; one request and its response on their stream |
//! | `metered`, `gauge` | the bytes on their way to the library, metered; what the layers tell each other |
//! | `novel` | header fields that are not worth a place in the table of the encoder |
//! | `pulse`, `windows` | PINGs; how much a client may send ahead |

mod connection;
mod drive;
mod exchange;
mod gauge;
mod metered;
mod novel;
mod pulse;
mod ready;
mod requests;
mod windows;

use std::rc::Rc;

use connection::Connection;
use drive::{End, Terms, drive};
use gauge::Gauge;
use metered::Metered;

use super::{Handle, Io, ResponseBody, Session, cut_unread};
use crate::model::Excess;
use crate::server::edge::Shared;
use crate::wire::h2::Limits;

/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// Response bytes that are buffered for one HTTP/2 request.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that a client may reset before they were looked at, and in the life of a connection how often botgate may reset
/// one for a protocol error, which it does for each part of a body that still came when its request had been refused. Behind
/// the meter's caps, which are rates: a connection may live for days.
const MAX_PENDING_RESETS: usize = 400;
const MAX_LOCAL_RESETS: usize = 1 << 20;

/// Serves HTTP/2 until the connection ends. What the client overdid, if that is why it ended.
pub(in crate::server) async fn serve_http2<S: Handle<B>, B: ResponseBody + Unpin>(
    io: impl Io,
    session: Session<S>,
) -> Option<Excess> {
    let Session { service, activity, shared, config, outflow, pace, drain, stop, tracker: _ } = session;
    let max_header = u32::try_from(config.max_header_size).unwrap_or(u32::MAX);
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(MAX_STREAMS)
        .initial_window_size(windows::FIRST.stream)
        .initial_connection_window_size(windows::FIRST.connection)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(max_header)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(Some(MAX_LOCAL_RESETS));
    let gauge = Rc::new(Gauge::default());
    let limits = Limits::of_client(max_header, u32::try_from(config.header_timeout.as_millis()).unwrap_or(u32::MAX));
    let handshake = builder.handshake(Metered::new(io, limits, gauge.clone()));
    let connection = Connection::new(handshake, service, gauge.clone());
    let (activity, shared, idle) = (&*activity, &*shared, config.idle_timeout);
    let (drain, stop, outflow) = (&drain, &stop, &*outflow);
    let end = drive(connection, Terms { activity, shared, idle, drain, stop, outflow, pace }).await;
    if let Some(excess) = gauge.verdict.get().or_else(|| overdone(&end)) {
        tell(excess, shared);
        return Some(excess);
    }
    match end {
        End::Closed(Err(error)) => tracing::debug!(%error, "client connection ended early"),
        End::Unread => cut_unread(shared),
        End::Closed(Ok(())) | End::Cut => {}
    }
    None
}

/// What the library's own caps found.
fn overdone(end: &End) -> Option<Excess> {
    let End::Closed(Err(error)) = end else { return None };
    let calm = error.is_library() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
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
