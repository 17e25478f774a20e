//! Who of the workers takes a connection.
//!
//! The kernel spreads connections over the workers' sockets by a hash of their addresses: of few connections, which live
//! long, one worker may have twice as many as another, and a load test or a channel has no more than its own core's worth
//! of botgate. So a worker that has more than its share hands what it accepts to the one that has fewest. What nobody has
//! taken yet is held here, not by its worker: when that is stuck or dead, another can have it.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::listener::Listener;
use crate::telemetry::{ListenerStats, WorkerId};

/// Connections that wait for one worker; past it whoever accepted one keeps it. Few: a worker that gets stuck keeps them
/// waiting until that is noticed.
const MOST_WAITING: usize = 64;

/// An accepted connection on its way to another worker.
pub(super) struct Handed {
    pub(super) listener: Arc<Listener>,
    /// Non-blocking, and not registered with any runtime.
    pub(super) io: TcpStream,
    pub(super) peer: SocketAddr,
}

/// What the workers know of each other.
pub(super) struct Balance {
    stats: Arc<ListenerStats>,
    desks: Box<[Desk]>,
}

/// What waits for one worker.
#[derive(Default)]
struct Desk {
    inbox: Mutex<VecDeque<Handed>>,
    waiting: AtomicUsize,
    arrived: Notify,
    /// Nothing is handed to it: it is stuck, dead or stopping.
    shut: AtomicBool,
}

impl Balance {
    pub(super) fn new(workers: usize, stats: Arc<ListenerStats>) -> Arc<Self> {
        Arc::new(Self { stats, desks: (0..workers).map(|_| Desk::default()).collect() })
    }

    /// Connections that a worker has, or will have soon.
    fn load(&self, worker: usize) -> usize {
        let cell = self.stats.cells.of(WorkerId(worker));
        let open = cell.accepted.get().saturating_sub(cell.closed.get());
        usize::try_from(open).unwrap_or(usize::MAX).saturating_add(self.desks[worker].waiting.load(Relaxed))
    }

    /// The worker that a connection which `own` has just accepted had better go to; none when it may stay.
    pub(super) fn better_than(&self, own: WorkerId) -> Option<WorkerId> {
        let others = (0..self.desks.len()).filter(|other| *other != own.0 && !self.desks[*other].shut.load(Relaxed));
        let (least, id) = others.map(|other| (self.load(other), other)).min()?;
        has_too_many(self.load(own.0), least).then_some(WorkerId(id))
    }

    /// Lays a connection before a worker.
    ///
    /// # Errors
    /// The connection, when that worker takes no more.
    pub(super) fn hand(&self, to: WorkerId, handed: Handed) -> Result<(), Handed> {
        let desk = &self.desks[to.0];
        {
            let mut inbox = desk.inbox.lock().unwrap_or_else(PoisonError::into_inner);
            // Under the lock: what shuts a desk empties it afterwards.
            if desk.shut.load(Relaxed) || inbox.len() >= MOST_WAITING {
                return Err(handed);
            }
            inbox.push_back(handed);
            desk.waiting.store(inbox.len(), Relaxed);
        }
        desk.arrived.notify_one();
        Ok(())
    }

    /// The next connection for a worker.
    pub(super) async fn next(&self, worker: WorkerId) -> Handed {
        let desk = &self.desks[worker.0];
        loop {
            if let Some(handed) = desk.take() {
                return handed;
            }
            desk.arrived.notified().await;
        }
    }

    /// Nothing more is handed to a worker; what waits for it is given back.
    pub(super) fn shut(&self, worker: WorkerId) -> Vec<Handed> {
        let desk = &self.desks[worker.0];
        desk.shut.store(true, Relaxed);
        std::iter::from_fn(|| desk.take()).collect()
    }

    /// The worker takes connections again.
    pub(super) fn open(&self, worker: WorkerId) {
        self.desks[worker.0].shut.store(false, Relaxed);
    }

    /// Nothing more is handed to a worker that is stuck or dead; what waits for it goes to the others. Their connections
    /// are closed when no other takes any.
    pub(super) fn pass_over(&self, worker: WorkerId) {
        for mut handed in self.shut(worker) {
            let mut others: Vec<usize> = (0..self.desks.len()).filter(|other| *other != worker.0).collect();
            others.sort_by_key(|other| self.load(*other));
            for other in others {
                match self.hand(WorkerId(other), handed) {
                    Ok(()) => break,
                    Err(back) => handed = back,
                }
            }
        }
    }
}

impl Desk {
    fn take(&self) -> Option<Handed> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let handed = inbox.pop_front();
        self.waiting.store(inbox.len(), Relaxed);
        handed
    }
}

/// Whether a worker with `own` connections, the one just accepted not among them, should give that one to a worker with
/// `least`. Handing over costs a wake-up and two system calls: a difference of a sixteenth is let be.
fn has_too_many(own: usize, least: usize) -> bool {
    own > least + least / 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_connections_are_spread_one_by_one_and_many_to_a_sixteenth() {
        assert!(!has_too_many(0, 0) && has_too_many(1, 0) && !has_too_many(1, 1) && has_too_many(6, 5));
        assert!(!has_too_many(1700, 1600) && has_too_many(1701, 1600));
        assert!(!has_too_many(3, 1000));
    }

    #[test]
    fn who_has_more_than_another_gives_to_the_one_with_fewest_that_takes_any() {
        let stats = ListenerStats::new(3);
        let balance = Balance::new(3, stats.clone());
        assert_eq!(balance.better_than(WorkerId(0)), None, "all have none");
        for (worker, open) in [(0, 9), (1, 4), (2, 2)] {
            (0..open).for_each(|_| stats.cells.of(WorkerId(worker)).accepted.increment());
        }
        assert_eq!(balance.better_than(WorkerId(0)), Some(WorkerId(2)));
        assert_eq!(balance.better_than(WorkerId(2)), None);
        assert!(balance.shut(WorkerId(2)).is_empty());
        assert_eq!(balance.better_than(WorkerId(0)), Some(WorkerId(1)));
        balance.open(WorkerId(2));
        (0..3).for_each(|_| stats.cells.of(WorkerId(1)).closed.increment());
        assert_eq!(balance.better_than(WorkerId(0)), Some(WorkerId(1)), "what was closed counts no more");
    }
}
