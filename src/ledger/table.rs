//! The ledger of one pool: sharded, so that workers seldom meet, and bounded.
//!
//! A lock is held for some dozens of nanoseconds and never across an await. Two numbers are shared by all workers: how many
//! entries there are, and how many bytes their answers take.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::{Answer, Need};
use super::key::Key;
use super::shard::{Done, Freed, Shard, Slot};
use super::ticket::{Ticket, Waiting};
use crate::config::LedgerConfig;
use crate::model::Moment;

/// Far more than there are workers.
const SHARDS: usize = 64;
/// Old outcomes that each entry takes away with it, so that a shard in use stays tidy between two upkeeps.
const LAZILY: usize = 4;
/// Old outcomes that upkeep takes away under one lock.
const AT_ONCE: usize = 64;

/// The activities of one pool that are in flight, and the outcomes of those that are done.
pub struct Ledger {
    shards: Box<[Padded]>,
    entries: AtomicUsize,
    bytes: AtomicUsize,
}

#[derive(Default)]
#[repr(align(128))]
struct Padded(Mutex<Shard>);

/// What is known of an activity that comes in.
#[derive(Debug)]
pub enum Entry {
    /// Nothing: whoever holds the ticket delivers it.
    First(Ticket),
    /// It is being delivered.
    InFlight(Waiting),
    /// It was delivered, and this came of it.
    Done(Arc<Answer>),
    /// Nothing, and there is no room to note it.
    Full,
}

/// How full a ledger is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Activities that are being delivered.
    pub in_flight: usize,
    /// Outcomes that are kept.
    pub done: usize,
    /// Bytes of headers and bodies of these.
    pub bytes: usize,
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Padded::default()).collect();
        Arc::new(Self { shards, entries: AtomicUsize::new(0), bytes: AtomicUsize::new(0) })
    }

    /// Notes that an activity has come.
    pub fn enter(self: &Arc<Self>, key: Key, now: Moment, limits: &LedgerConfig) -> Entry {
        let mut shard = self.shard(&key);
        self.free(shard.expire(now, limits.age, LAZILY));
        match shard.get_mut(&key) {
            Some(Slot::InFlight(waiting)) => {
                let teller = waiting.get_or_insert_with(|| tokio::sync::watch::Sender::new(None));
                Entry::InFlight(Waiting::new(teller.subscribe()))
            }
            Some(Slot::Done(done)) if now.since(done.at) < limits.age => Entry::Done(done.answer.clone()),
            Some(Slot::Done(done)) => {
                self.bytes.fetch_sub(done.size, Relaxed);
                shard.begin_anew(&key);
                Entry::First(Ticket::new(self.clone(), key, *limits))
            }
            None if self.entries.fetch_add(1, Relaxed) < limits.entries => {
                shard.begin(key);
                Entry::First(Ticket::new(self.clone(), key, *limits))
            }
            None => {
                self.entries.fetch_sub(1, Relaxed);
                Entry::Full
            }
        }
    }

    /// Forgets every outcome that is too old. A worker's upkeep: off the request path.
    pub fn upkeep(&self, now: Moment, limits: &LedgerConfig) {
        if self.entries.load(Relaxed) == 0 {
            return;
        }
        for shard in &self.shards {
            loop {
                let freed = lock(&shard.0).expire(now, limits.age, AT_ONCE);
                self.free(freed);
                if freed.entries < AT_ONCE {
                    break;
                }
            }
        }
    }

    /// How full it is.
    pub fn levels(&self) -> Levels {
        let mut levels = Levels { bytes: self.bytes.load(Relaxed), ..Levels::default() };
        for shard in &self.shards {
            let (in_flight, done) = lock(&shard.0).counts();
            levels.in_flight += in_flight;
            levels.done += done;
        }
        levels
    }

    /// The outcome of a delivery. What there is no room for is left out: of an answer whose status is enough, all but that;
    /// any other is forgotten.
    pub(super) fn done(&self, key: &Key, mut answer: Answer, need: Need, now: Moment, limits: &LedgerConfig) {
        let mut size = answer.size();
        if self.bytes.fetch_add(size, Relaxed).saturating_add(size) > limits.bytes {
            self.bytes.fetch_sub(size, Relaxed);
            (answer, size) = (Answer::bare(answer.status), 0);
        }
        if !answer.serves(need) {
            self.bytes.fetch_sub(size, Relaxed);
            return self.forget(key);
        }
        let answer = Arc::new(answer);
        let waiting = self.shard(key).done(key, Done { answer: answer.clone(), at: now, size });
        if let Some(waiting) = waiting {
            waiting.send_replace(Some(answer));
        }
    }

    /// A delivery of which nothing is to be remembered.
    pub(super) fn forget(&self, key: &Key) {
        // Bound, so that those who wait are woken after the lock was given back.
        let forgotten = self.shard(key).forget(key);
        if forgotten.is_some() {
            self.entries.fetch_sub(1, Relaxed);
        }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        // A byte of a digest: evenly spread.
        lock(&self.shards[usize::from(key.0[0]) % SHARDS].0)
    }

    fn free(&self, freed: Freed) {
        if freed.entries > 0 {
            self.entries.fetch_sub(freed.entries, Relaxed);
            self.bytes.fetch_sub(freed.bytes, Relaxed);
        }
    }
}

/// A panic under a lock of these leaves nothing half done.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({:?})", self.levels())
    }
}
