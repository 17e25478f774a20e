//! How fast connections to one backend are opened.
//!
//! After a failover everything that waited comes to the standby at once. With a dial for each it would overrun the queue in
//! which the standby's kernel keeps new connections until they are accepted: what finds it full is dropped and sent again by
//! TCP after a whole second. So a worker opens some at once and more by and by, ever faster while requests wait: a thousand have
//! theirs within two tenths of a second. Who waits takes what comes first, its turn to open one or a connection that another
//! request has done with.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::connect::Want;
use super::connections::Lease;
use super::pace::Pace;

/// How often more may be opened.
const TICK: Duration = Duration::from_millis(5);

/// The dials of one worker to one backend.
#[derive(Debug)]
pub(super) struct Dials<B> {
    pace: RefCell<Pace>,
    ticks: Cell<bool>,
    /// First come, first served.
    waiters: RefCell<VecDeque<Waiter<B>>>,
}

#[derive(Debug)]
struct Waiter<B> {
    want: Want,
    way: oneshot::Sender<Way<B>>,
}

/// How a request gets its connection.
#[derive(Debug)]
pub(super) enum Way<B> {
    /// It opens one.
    Open,
    /// It has one that another has done with.
    Lent(Lease<B>),
}

impl<B> Dials<B> {
    /// At one of so many workers.
    pub(super) fn new(workers: usize) -> Rc<Self> {
        let pace = RefCell::new(Pace::new(workers));
        Rc::new(Self { pace, ticks: Cell::new(false), waiters: RefCell::default() })
    }

    /// Lends a connection to who is next, where any will do for it; else gives it back.
    pub(super) fn lend(&self, mut lease: Lease<B>) -> Option<Lease<B>> {
        let mut waiters = self.waiters.borrow_mut();
        while waiters.front().is_some_and(|next| next.want == Want::Any)
            && let Some(next) = waiters.pop_front()
        {
            match next.way.send(Way::Lent(lease)) {
                Err(Way::Lent(back)) => lease = back,
                _ => return None,
            }
        }
        Some(lease)
    }

    /// What was to be opened was not: somebody else may.
    pub(super) fn unused(&self) {
        self.pace.borrow_mut().give_back();
        self.call_next();
    }

    /// Calls those whose turn it is.
    fn call_next(&self) {
        let (mut waiters, mut pace) = (self.waiters.borrow_mut(), self.pace.borrow_mut());
        while let Some(next) = waiters.front() {
            if !next.way.is_closed() && !pace.take() {
                return;
            }
            // Who left meanwhile wastes a turn, and nothing else.
            waiters.pop_front().map(|next| next.way.send(Way::Open));
        }
    }
}

impl<B: 'static> Dials<B> {
    /// The turn to open a connection, or one that comes free before. Cancel-safe.
    pub(super) async fn way(self: &Rc<Self>, want: Want) -> Way<B> {
        let called = {
            let mut waiters = self.waiters.borrow_mut();
            if waiters.is_empty() && self.pace.borrow_mut().take() {
                None
            } else {
                let (way, called) = oneshot::channel();
                waiters.push_back(Waiter { want, way });
                Some(called)
            }
        };
        self.tick();
        match called {
            Some(called) => called.await.unwrap_or(Way::Open),
            None => Way::Open,
        }
    }

    /// Ticks until all is as it was before the first dial.
    fn tick(self: &Rc<Self>) {
        if self.ticks.replace(true) {
            return;
        }
        let dials = self.clone();
        spawn_local(async move {
            while !dials.pace.borrow().is_at_rest() {
                sleep(TICK).await;
                let waiting = !dials.waiters.borrow().is_empty();
                dials.pace.borrow_mut().tick(waiting);
                dials.call_next();
            }
            dials.ticks.set(false);
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::task::LocalSet;

    use super::*;

    type Here = Rc<Dials<()>>;

    fn spent() -> Here {
        let dials = Here::from(Dials::new(2));
        while dials.way(Want::Any).now_or_never().is_some() {}
        // The last one asked in vain, and left.
        assert_eq!(dials.waiters.borrow().len(), 1);
        dials
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_to_wait_is_called_in_turn_and_all_of_them_soon() {
        LocalSet::new()
            .run_until(async {
                let dials = spent();
                let began = tokio::time::Instant::now();
                let called: Rc<RefCell<Vec<usize>>> = Rc::default();
                let waiting = (0..5000).map(|number| {
                    let (dials, called) = (dials.clone(), called.clone());
                    spawn_local(async move {
                        assert!(matches!(dials.way(Want::New).await, Way::Open));
                        called.borrow_mut().push(number);
                    })
                });
                futures_util::future::join_all(waiting).await;
                assert!(called.borrow().is_sorted() && called.borrow().len() == 5000);
                let took = began.elapsed();
                assert!(took > TICK * 10 && took < Duration::from_millis(500), "{took:?}");
                while dials.ticks.get() {
                    sleep(TICK).await;
                }
                assert!(dials.pace.borrow().is_at_rest());
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_was_not_used_is_passed_on_at_once_and_past_those_who_left() {
        LocalSet::new()
            .run_until(async {
                let dials = spent();
                let mut left = Box::pin(dials.way(Want::Any));
                let mut stays = Box::pin(dials.way(Want::Any));
                assert!(left.as_mut().now_or_never().is_none() && stays.as_mut().now_or_never().is_none());
                drop(left);
                dials.unused();
                assert!(matches!(stays.now_or_never(), Some(Way::Open)));
            })
            .await;
    }
}
