//! What the worker orders of one of its tunnels.

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};

use crate::model::{Moment, TunnelEnd};

/// To be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// When.
    pub(super) at: Moment,
    /// Why.
    pub(super) end: TunnelEnd,
}

/// The order that stands, between the worker that gives it and the tunnel that carries it out.
#[derive(Debug, Default)]
pub(super) struct Standing {
    order: Cell<Option<Order>>,
    waker: RefCell<Option<Waker>>,
}

impl Standing {
    /// Orders a close; of two orders the earlier stands, and in the name of a shutdown if one of them is that.
    pub(super) fn give(&self, order: Order) {
        let standing = self.order.get();
        let mut stands = standing.filter(|standing| standing.at <= order.at).unwrap_or(order);
        if [standing, Some(order)].iter().flatten().any(|order| order.end == TunnelEnd::Shutdown) {
            stands.end = TunnelEnd::Shutdown;
        }
        self.order.set(Some(stands));
        if standing != Some(stands)
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }

    /// Withdraws what was ordered, unless the gateway stops. What has begun goes on.
    pub(super) fn withdraw(&self) {
        self.order.set(self.order.get().filter(|order| order.end == TunnelEnd::Shutdown));
    }

    /// What is ordered. Wakes the task when that changes.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Option<Order> {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        self.order.get()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn order(second: u64, end: TunnelEnd) -> Order {
        Order { at: Moment::from_origin(Duration::from_secs(second)), end }
    }

    #[test]
    fn of_two_orders_the_earlier_stands_and_a_pool_that_moves_back_does_not_call_off_a_shutdown() {
        use TunnelEnd::{Failback, Failover, Shutdown};
        let cx = Context::from_waker(Waker::noop());
        let given = |orders: &[Order]| {
            let standing = Standing::default();
            orders.iter().for_each(|order| standing.give(*order));
            standing
        };
        let failed = given(&[order(3, Failback), order(2, Failover), order(4, Failback)]);
        assert_eq!(failed.poll(&cx), Some(order(2, Failover)));
        failed.withdraw();
        assert_eq!(failed.poll(&cx), None);
        for orders in [[order(2, Failover), order(3, Shutdown)], [order(3, Shutdown), order(2, Failover)]] {
            let stopping = given(&orders);
            assert_eq!(stopping.poll(&cx).map(|order| order.at), Some(order(2, Failover).at));
            stopping.withdraw();
            assert_eq!(stopping.poll(&cx).map(|order| order.end), Some(Shutdown), "{orders:?}");
        }
    }
}
