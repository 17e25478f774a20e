//! A worker's part of the budget of held bytes.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::telemetry::{HeldBytes, ListenerStats};

/// What a worker takes from, and gives back to: mostly its own spare bytes.
#[derive(Debug)]
pub(in crate::proxy) struct Purse {
    all: Arc<ListenerStats>,
    spare: Cell<u64>,
}

impl Purse {
    pub(in crate::proxy) fn new(all: &Arc<ListenerStats>) -> Rc<Self> {
        Rc::new(Self { all: all.clone(), spare: Cell::new(0) })
    }

    /// One that nobody shares, and that is never empty.
    #[cfg(test)]
    pub(in crate::proxy) fn alone() -> Rc<Self> {
        Self::new(&ListenerStats::new(1))
    }

    fn shared(&self) -> &HeldBytes {
        &self.all.held
    }

    fn take(&self, bytes: u64) -> bool {
        match self.spare.get().checked_sub(bytes) {
            Some(spare) => self.spare.set(spare),
            None => return self.shared().take(bytes),
        }
        true
    }

    fn give_back(&self, bytes: u64) {
        let (spare, most) = (self.spare.get() + bytes, self.shared().spare());
        self.spare.set(spare.min(most));
        if spare > most {
            self.shared().give_back(spare - most);
        }
    }
}

impl Drop for Purse {
    fn drop(&mut self) {
        self.shared().give_back(self.spare.get());
    }
}

/// Bytes that something holds, within the budget; given back when it is dropped.
#[derive(Debug)]
pub(in crate::proxy) struct Holding {
    purse: Rc<Purse>,
    bytes: usize,
}

impl Holding {
    /// Nothing yet.
    pub(in crate::proxy) fn of(purse: &Rc<Purse>) -> Self {
        Self { purse: purse.clone(), bytes: 0 }
    }

    /// How many.
    pub(in crate::proxy) fn bytes(&self) -> usize {
        self.bytes
    }

    /// So many more; false, and no more, when the budget has not that many.
    pub(in crate::proxy) fn grow(&mut self, bytes: usize) -> bool {
        let grown = self.purse.take(bytes as u64);
        if grown {
            self.bytes += bytes;
        }
        grown
    }

    /// None any more.
    pub(in crate::proxy) fn clear(&mut self) {
        self.purse.give_back(std::mem::take(&mut self.bytes) as u64);
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_on_all_workers_stays_within_the_budget_and_comes_back() {
        let stats = ListenerStats::new(2);
        stats.held.set_limit(256 * 100);
        let (one, two) = (Purse::new(&stats), Purse::new(&stats));
        let (mut first, mut second) = (Holding::of(&one), Holding::of(&two));
        assert!(first.grow(20_000) && second.grow(5_000) && !second.grow(5_000));
        assert_eq!((second.bytes(), stats.held.taken()), (5_000, 25_000));
        first.clear();
        assert_eq!(stats.held.taken(), 5_100, "a worker keeps a little");
        assert!(first.grow(100), "which it uses first");
        assert_eq!(stats.held.taken(), 5_100);
        drop((first, second, one, two));
        assert_eq!(stats.held.taken(), 0);
    }
}
