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
    /// Orders a close; of two orders the earlier stands.
    pub(super) fn give(&self, order: Order) {
        if self.order.get().is_none_or(|standing| order.at < standing.at) {
            self.order.set(Some(order));
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
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
