//! The driver of a connection: gives it its turns, and holds it to its deadlines and to the drain.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::FAREWELL;
use super::super::{Handle, Io, ResponseBody};
use super::connection::{Connection, DRAIN, TIMER, Turn};
use crate::server::activity::{Activity, Deadlines, Due};
use crate::server::drain::{Stop, linger};
use crate::server::edge::Shared;
use crate::server::limits::{Outflow, Pace};

/// How a connection ended.
pub(super) enum End {
    /// By itself.
    Closed(Result<(), h2::Error>),
    /// It did not end when told to; it is still open.
    Cut,
    /// The client does not read its responses; it is still open.
    Unread,
}

/// What a connection is held to.
pub(super) struct Terms<'a> {
    pub(super) activity: &'a Activity,
    pub(super) shared: &'a Shared,
    pub(super) idle: Duration,
    pub(super) drain: &'a CancellationToken,
    pub(super) stop: &'a Stop,
    pub(super) outflow: &'a Outflow,
    pub(super) pace: Pace,
}

/// Runs a connection to its end.
pub(super) async fn drive<I, S, B>(mut connection: Connection<I, S, B>, terms: Terms<'_>) -> End
where
    I: Io,
    S: Handle<B>,
    B: ResponseBody + Unpin,
{
    let Terms { activity, shared, idle, drain, stop, outflow, mut pace } = terms;
    let (origin, deadlines) = (Instant::now(), Deadlines { head: None, idle });
    let mut drained = pin!(drain.cancelled());
    let mut timer = pin!(tokio::time::sleep(idle));
    let (drain_part, timer_part) = (connection.part(DRAIN), connection.part(TIMER));
    drain_part.waker.wake_by_ref();
    timer_part.waker.wake_by_ref();
    let mut finishing: Option<Instant> = None;
    poll_fn(|cx| {
        loop {
            let now = Instant::now();
            // Only differences count: it may wrap around.
            connection.gauge.now.set(now.duration_since(origin).as_millis() as u32);
            let turn = connection.turn();
            match turn {
                Turn::Over(result) => return Poll::Ready(End::Closed(result)),
                Turn::Panicked => {
                    shared.stats.cells.of(shared.worker).panics.increment();
                    activity.panic();
                }
                Turn::Waits | Turn::Yields | Turn::Woken => {}
            }
            let woken = matches!(turn, Turn::Woken | Turn::Panicked);
            if woken {
                drain_part.polled();
                timer_part.polled();
                if !activity.draining() && drained.as_mut().poll(&mut Context::from_waker(&drain_part.waker)).is_ready()
                {
                    activity.drain(linger(stop.grace()));
                    connection.finish();
                    finishing.get_or_insert(now);
                }
            }
            if finishing.is_none() && activity.panicked() {
                connection.finish();
                finishing = Some(now);
            }
            let due = match finishing {
                Some(_) if activity.busy() => {
                    // The farewell is what comes after the last response: it may take its time as any other.
                    finishing = Some(now);
                    Due::Never
                }
                Some(since) if now.duration_since(since) >= FAREWELL => return Poll::Ready(End::Cut),
                Some(since) => Due::At(since + FAREWELL),
                None => activity.due(&deadlines),
            };
            let mut at = match due {
                // A connection has no deadline for its next head: frames that are none are read between requests.
                Due::Idle | Due::HeadLate => {
                    connection.finish();
                    finishing = Some(now);
                    continue;
                }
                // A stream whose window is shut does not wake this task: look again soon.
                Due::Never => now + pace.step(),
                Due::At(at) => at,
            };
            let fired = timer.is_elapsed();
            // The library has no deadline for a client that does not read.
            let unread = activity.unread();
            let behind = outflow.is_blocked() || unread.is_some();
            if behind || fired {
                if pace.is_too_slow(now, outflow, unread) {
                    return Poll::Ready(End::Unread);
                }
                at = if behind { at.min(now + pace.step()) } else { at };
            }
            if fired {
                connection.look();
                if due != Due::Never {
                    connection.rests();
                }
            }
            let at = at.min(now + Duration::from_millis(u64::from(connection.due())));
            // A timer that fires too early costs one look; moving it at every request would cost more.
            let slack = if due == Due::Never && !behind { pace.step() } else { Duration::ZERO };
            let moves = fired || timer.deadline() > at + slack;
            if moves {
                timer.as_mut().reset(at);
            }
            if (moves || woken) && timer.as_mut().poll(&mut Context::from_waker(&timer_part.waker)).is_ready() {
                continue;
            }
            if matches!(turn, Turn::Yields) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if connection.sleep(cx.waker()) {
                return Poll::Pending;
            }
        }
    })
    .await
}
