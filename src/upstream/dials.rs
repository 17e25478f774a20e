//! How many connections to one backend are opened at a time.
//!
//! After a failover everything that waited comes to the standby at once. With a dial for each it would overrun the queue in
//! which the standby's kernel keeps new connections until they are accepted: what finds it full is dropped and sent again by
//! TCP after a whole second. It would also have hundreds of TLS handshakes made for requests that a connection which is free
//! again a moment later could carry. So a worker opens a few at a time; who waits takes what comes first, its turn to open one
//! or a connection that another request has done with.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::connections::Lease;

/// Most connections to one backend that all workers open at a time, below the smallest queue of new connections that is
/// common (128: what Rust's standard library asks for, and the most that Linux gave until 5.4).
const MOST: usize = 96;

/// But each worker at least so many.
const LEAST: usize = 4;

/// What TCP calls open may yet have to be accepted. TLS shows that it was; without it so much time is given.
const ACCEPTED: Duration = Duration::from_millis(20);

/// The dials of one worker to one backend.
#[derive(Debug)]
pub(super) struct Dials<B> {
    under_way: Cell<usize>,
    /// First come, first served. As many as there are requests in flight to the backend, which are limited.
    waiters: RefCell<VecDeque<Waiter<B>>>,
}

#[derive(Debug)]
struct Waiter<B> {
    way: oneshot::Sender<Way<B>>,
    /// Whether a connection that was open before will do.
    used: bool,
}

/// How a request that waited gets its connection.
#[derive(Debug)]
pub(super) enum Way<B> {
    /// It opens one.
    Open(Turn<B>),
    /// It has one that another has done with.
    Lent(Lease<B>),
}

/// One of the dials that may be under way; passed on when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<B>(Rc<Dials<B>>);

impl<B> Default for Dials<B> {
    fn default() -> Self {
        Self { under_way: Cell::new(0), waiters: RefCell::default() }
    }
}

impl<B> Dials<B> {
    /// A turn, or a connection before it, at one of so many workers; `used`: whether one that was open before will do.
    /// Cancel-safe.
    pub(super) async fn way(self: &Rc<Self>, workers: usize, used: bool) -> Way<B> {
        let most = (MOST / workers.max(1)).max(LEAST);
        let answer = {
            let mut waiters = self.waiters.borrow_mut();
            drop_leavers(&mut waiters);
            if waiters.is_empty() && self.under_way.get() < most {
                None
            } else {
                let (way, answer) = oneshot::channel();
                waiters.push_back(Waiter { way, used });
                Some(answer)
            }
        };
        if let Some(answer) = answer
            && let Ok(way) = answer.await
        {
            return way;
        }
        self.under_way.set(self.under_way.get() + 1);
        Way::Open(Turn(self.clone()))
    }

    /// Lends a connection to who waits for one; gives it back where nobody does.
    pub(super) fn lend(&self, lease: Lease<B>) -> Option<Lease<B>> {
        let mut lease = lease;
        while let Some(waiter) = self.next(|waiter| waiter.used) {
            match waiter.way.send(Way::Lent(lease)) {
                Err(Way::Lent(back)) => lease = back,
                Ok(()) | Err(Way::Open(_)) => return None,
            }
        }
        Some(lease)
    }

    /// The first that still waits, of those that are `meant`.
    fn next(&self, meant: impl Fn(&Waiter<B>) -> bool) -> Option<Waiter<B>> {
        let mut waiters = self.waiters.borrow_mut();
        drop_leavers(&mut waiters);
        let at = waiters.iter().position(|waiter| !waiter.way.is_closed() && meant(waiter))?;
        waiters.remove(at)
    }
}

/// Who came first leaves first, mostly.
fn drop_leavers<B>(waiters: &mut VecDeque<Waiter<B>>) {
    while waiters.front().is_some_and(|waiter| waiter.way.is_closed()) {
        waiters.pop_front();
    }
}

impl<B: 'static> Turn<B> {
    /// Passes it on when the connection will have been accepted.
    pub(super) fn linger(self) {
        spawn_local(async move {
            sleep(ACCEPTED).await;
            drop(self);
        });
    }
}

impl<B> Drop for Turn<B> {
    fn drop(&mut self) {
        let dials = &self.0;
        match dials.next(|_| true) {
            // Where it is not taken it is dropped, and so passed on again.
            Some(waiter) => drop(waiter.way.send(Way::Open(Turn(dials.clone())))),
            None => dials.under_way.set(dials.under_way.get().saturating_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    type Here = Rc<Dials<()>>;

    fn turn(dials: &Here, workers: usize) -> Option<Turn<()>> {
        match dials.way(workers, true).now_or_never()? {
            Way::Open(turn) => Some(turn),
            Way::Lent(_) => None,
        }
    }

    #[test]
    fn all_workers_together_open_so_many_at_a_time() {
        for (workers, most) in [(1, 96), (2, 48), (3, 32), (1000, 4)] {
            let dials = Here::default();
            let turns: Vec<_> = std::iter::from_fn(|| turn(&dials, workers)).take(1000).collect();
            assert_eq!(turns.len(), most, "{workers} workers");
        }
    }

    #[test]
    fn a_turn_that_ends_is_that_of_who_waited_longest_and_is_still_there() {
        let dials = Here::default();
        let mut turns: Vec<_> = std::iter::from_fn(|| turn(&dials, 24)).collect();
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(dials.way(24, false))).collect();
        for way in &mut waiting {
            assert!(way.now_or_never().is_none());
        }
        drop(waiting.remove(0));
        turns.pop();
        assert!(turn(&dials, 24).is_none(), "it was passed on");
        let [second, third] = &mut waiting[..] else { panic!() };
        assert!(third.now_or_never().is_none());
        let Some(Way::Open(passed)) = second.now_or_never() else { panic!("it was nobody's") };
        drop(passed);
        // Nobody looked at it, and then nobody was there to.
        drop(waiting);
        assert!(dials.waiters.borrow().iter().all(|waiter| waiter.way.is_closed()));
        drop(turns);
        assert_eq!(dials.under_way.get(), 0);
        assert!(turn(&dials, 24).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_tls_counts_until_it_will_have_been_accepted() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let dials = Here::default();
                let turns: Vec<_> = std::iter::from_fn(|| turn(&dials, 24)).collect();
                turns.into_iter().for_each(Turn::linger);
                let began = tokio::time::Instant::now();
                assert!(matches!(dials.way(24, true).await, Way::Open(_)));
                assert!(began.elapsed() >= ACCEPTED);
            })
            .await;
    }
}
