//! One part of the table.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::answer::Answer;
use super::key::Key;
use crate::model::Moment;

/// Tells those who wait: the answer, or nothing and then the end, when there will be none.
pub(super) type Teller = watch::Sender<Option<Arc<Answer>>>;

/// What is known of an activity.
pub(super) enum Slot {
    /// It is being delivered; whom to tell, once somebody waits.
    InFlight(Option<Teller>),
    /// It was delivered.
    Done(Done),
}

/// An outcome.
pub(super) struct Done {
    pub(super) answer: Arc<Answer>,
    pub(super) at: Moment,
    /// Bytes that it counts for.
    pub(super) size: usize,
}

/// What [`Shard::expire`] let go of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Freed {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

/// One part of the table, under one lock.
#[derive(Default)]
pub(super) struct Shard {
    slots: HashMap<Key, Slot>,
    /// What is done, the oldest first. A place whose entry was replaced since is passed over when its time comes.
    ages: VecDeque<(Moment, Key)>,
    done: usize,
}

impl Shard {
    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Slot> {
        self.slots.get_mut(key)
    }

    /// Notes a delivery under way, of an activity that is not there.
    pub(super) fn begin(&mut self, key: Key) {
        self.slots.insert(key, Slot::InFlight(None));
    }

    /// Begins anew an activity whose outcome is too old.
    pub(super) fn begin_anew(&mut self, key: &Key) {
        if let Some(slot) = self.slots.get_mut(key)
            && matches!(slot, Slot::Done(_))
        {
            *slot = Slot::InFlight(None);
            self.done -= 1;
        }
    }

    /// Notes the outcome of a delivery under way; whom to tell.
    pub(super) fn done(&mut self, key: &Key, done: Done) -> Option<Teller> {
        let at = done.at;
        let waiting = match self.slots.insert(*key, Slot::Done(done)) {
            Some(Slot::InFlight(waiting)) => waiting,
            // Whoever delivers has the only ticket: it is in flight.
            Some(Slot::Done(_)) | None => return None,
        };
        self.done += 1;
        self.ages.push_back((at, *key));
        waiting
    }

    /// Forgets a delivery under way. Those who wait learn it when what is returned is dropped.
    pub(super) fn forget(&mut self, key: &Key) -> Option<Slot> {
        self.slots.remove(key)
    }

    /// Forgets at most `most` outcomes that are older than `age`.
    pub(super) fn expire(&mut self, now: Moment, age: Duration, most: usize) -> Freed {
        let mut freed = Freed::default();
        for _ in 0..most {
            let Some((at, key)) = self.ages.front().copied() else { break };
            if now.since(at) < age {
                break;
            }
            self.ages.pop_front();
            if let Some(Slot::Done(done)) = self.slots.get(&key)
                && done.at == at
            {
                freed.entries += 1;
                freed.bytes += done.size;
                self.done -= 1;
                self.slots.remove(&key);
            }
        }
        freed
    }

    /// In flight, and done.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.slots.len() - self.done, self.done)
    }
}
