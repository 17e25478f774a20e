//! The driver of a connection: polls it, and holds it to its deadlines and to the drain.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::server::activity::{Activity, Deadlines, Due};
use crate::server::drain::{Stop, linger};
use crate::server::limits::{Outflow, Pace};

/// How long a connection that was told to end may take for its farewell once nothing is under way.
pub(super) const FAREWELL: Duration = Duration::from_secs(5);

/// A hyper connection, of either protocol.
pub(super) trait Connection: Future<Output = hyper::Result<()>> {
    /// Whether the protocol itself can tell the client to bring no further request (GOAWAY), without losing one.
    const SAYS_GOODBYE: bool;
    /// Ends it as soon as what is under way has ended.
    fn finish(self: Pin<&mut Self>);
}

/// How a connection ended.
pub(super) enum End {
    /// By itself.
    Closed(hyper::Result<()>),
    /// Its head was late; it is still open.
    HeadLate,
    /// It did not end when told to; it is still open.
    Cut,
    /// The client does not read its responses; it is still open.
    Unread,
}

/// Runs a connection to its end.
pub(super) async fn drive<C: Connection>(
    mut connection: Pin<&mut C>,
    activity: &Activity,
    deadlines: Deadlines,
    drain: &CancellationToken,
    stop: &Stop,
    outflow: &Outflow,
    mut pace: Pace,
) -> End {
    let mut drained = pin!(drain.cancelled());
    let mut timer = pin!(tokio::time::sleep(deadlines.head.unwrap_or(deadlines.idle)));
    let mut finishing: Option<Instant> = None;
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
            // HTTP/1 is told by `Connection: close` on the answer.
            if C::SAYS_GOODBYE && finishing.is_none() && activity.panicked() {
                connection.as_mut().finish();
                finishing = Some(Instant::now());
                continue;
            }
            let due = match finishing {
                Some(_) if activity.busy() => Due::Never,
                Some(since) if since.elapsed() >= FAREWELL => return Poll::Ready(End::Cut),
                Some(since) => Due::At(since + FAREWELL),
                None => activity.due(&deadlines),
            };
            let mut at = match due {
                Due::HeadLate => return Poll::Ready(End::HeadLate),
                Due::Idle => {
                    connection.as_mut().finish();
                    finishing = Some(Instant::now());
                    continue;
                }
                // Neither the end of a request nor a stream whose window is shut always wakes this task: look again soon.
                Due::Never => Instant::now() + pace.step(),
                Due::At(at) => at,
            };
            // hyper has no deadline for a client that does not read.
            let unread = activity.unread();
            let behind = outflow.is_blocked() || unread.is_some();
            if behind || timer.is_elapsed() {
                let now = Instant::now();
                if pace.is_too_slow(now, outflow, unread) {
                    return Poll::Ready(End::Unread);
                }
                at = if behind { at.min(now + pace.step()) } else { at };
            }
            // A timer that fires too early costs one look; moving it at every request would cost more.
            let slack = if due == Due::Never && !behind { pace.step() } else { Duration::ZERO };
            if timer.is_elapsed() || timer.deadline() > at + slack {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}
