//! One tunnel from its beginning to its end: the relay, held to its limits and to what the worker orders.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use super::order::Standing;
use super::relay::Relay;
use crate::model::{Moment, TunnelEnd};

/// How long it may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Without a byte either way.
    pub(super) idle: Duration,
    /// In all.
    pub(super) total: Option<Duration>,
}

/// Runs a tunnel to its end: who or what ended it. `now` is the clock; `buffer` is the worker's, for all its tunnels.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    relay: &mut Relay<S>,
    limits: Limits,
    standing: &Standing,
    now: impl Fn() -> Moment,
    buffer: &RefCell<Box<[u8]>>,
) -> TunnelEnd {
    let began = now();
    let mut last = began;
    let end_of_life = limits.total.map(|total| began + total);
    let mut timer = Timer(None);
    poll_fn(|cx| {
        loop {
            let at = now();
            let order = standing.poll(cx);
            if relay.until().is_none() {
                if let Some(order) = order.filter(|order| order.at <= at) {
                    relay.close(order.end, at);
                } else if end_of_life.is_some_and(|end| end <= at) {
                    relay.close(TunnelEnd::Total, at);
                } else if last + limits.idle <= at {
                    relay.close(TunnelEnd::Idle, at);
                }
            }
            let over = relay.poll(cx, at, &mut buffer.borrow_mut());
            if relay.has_moved() {
                last = at;
            }
            if over.is_ready() {
                return Poll::Ready(relay.end().unwrap_or(TunnelEnd::Shutdown));
            }
            let idle_end = last + limits.idle;
            let next = relay.until().unwrap_or_else(|| {
                let sooner = end_of_life.into_iter().chain(order.map(|order| order.at));
                sooner.fold(idle_end, Moment::min)
            });
            if timer.poll(next, at, cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// One timer for all that can come due. It is set again only when something comes due earlier: one that fires too early
/// costs a look, setting it at every byte would cost more.
struct Timer(Option<(Moment, Pin<Box<Sleep>>)>);

impl Timer {
    /// Ready when `due` may have come.
    fn poll(&mut self, due: Moment, now: Moment, cx: &mut Context<'_>) -> Poll<()> {
        let at = Instant::now() + due.since(now);
        let (set, sleep) = self.0.get_or_insert_with(|| (due, Box::pin(sleep_until(at))));
        if sleep.is_elapsed() || due < *set {
            *set = due;
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}
