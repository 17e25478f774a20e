//! Holds a connection to its deadlines, to the pace of its client and to the drain: one timer for all of them, set again only
//! when something comes due earlier.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Connection, Ended};
use crate::config::ListenerConfig;
use crate::server::activity::{Activity, Deadlines, Due};
use crate::server::drain::{Stop, linger};
use crate::server::http::FAREWELL;
use crate::server::http::{Handle, Io, ResponseBody};
use crate::server::limits::{Outflow, Pace};

/// What a client is told whose head did not end in time (RFC 9110, section 15.5.9).
const TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// By itself.
    Ended(Ended),
    /// It did not end when told to.
    Cut,
    /// The client does not read its responses.
    Unread,
}

/// Runs a connection to its end.
pub(super) async fn drive<I: Io, S: Handle<B>, B: ResponseBody>(
    mut connection: Connection<I, S, B>,
    activity: &Activity,
    config: &ListenerConfig,
    (drain, tracker): (&CancellationToken, &TaskTracker),
    stop: &Stop,
    outflow: &Outflow,
    mut pace: Pace,
) -> End {
    let deadlines = Deadlines { head: Some(config.header_timeout), idle: config.idle_timeout };
    let mut drained = pin!(drain.cancelled());
    let mut timer = pin!(tokio::time::sleep(config.header_timeout));
    let mut ending: Option<Instant> = None;
    // Whether the timer, and the beginning of the drain, wake this task: asked once, they need not be asked at every request.
    let (mut armed, mut hears) = (false, false);
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = connection.poll(cx) {
                return Poll::Ready(End::Ended(ended));
            }
            let begins =
                tracker.is_closed() || !std::mem::replace(&mut hears, true) && drained.as_mut().poll(cx).is_ready();
            if begins && !activity.draining() {
                // Its client is told by `Connection: close` on the next answer.
                activity.drain(linger(stop.grace()));
            }
            let at = if connection.is_ending() {
                let now = Instant::now();
                let until = *ending.get_or_insert(now) + FAREWELL;
                if now >= until {
                    return Poll::Ready(End::Cut);
                }
                until
            } else if connection.is_idle() {
                let Some((limit, verdict)) = activity.limit(&deadlines) else { return Poll::Pending };
                // The clock is looked at when the timer says so.
                if timer.is_elapsed() && Instant::now() >= limit {
                    match verdict {
                        Due::HeadLate if activity.within_head() => connection.say(TIMEOUT, false),
                        // It never sent a byte: a browser's spare connection, or a port scanner. There is nothing to answer.
                        Due::HeadLate => return Poll::Ready(End::Cut),
                        Due::Idle | Due::At(_) | Due::Never => connection.finish(),
                    }
                    continue;
                }
                limit
            } else if outflow.is_blocked() || activity.unread().is_some() {
                let now = Instant::now();
                if pace.is_too_slow(now, outflow, activity.unread()) {
                    return Poll::Ready(End::Unread);
                }
                match activity.due(&deadlines) {
                    // All of the response has been handed out, but the client has not taken it.
                    Due::Idle | Due::HeadLate => return Poll::Ready(End::Unread),
                    Due::At(at) => at.min(now + pace.step()),
                    Due::Never => now + pace.step(),
                }
            } else {
                // The request has deadlines of its own.
                return Poll::Pending;
            };
            if timer.is_elapsed() || timer.deadline() > at {
                timer.as_mut().reset(at);
                armed = false;
            }
            if std::mem::replace(&mut armed, true) || timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            armed = false;
        }
    })
    .await
}
