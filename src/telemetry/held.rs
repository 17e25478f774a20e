//! The budget of bytes that requests may have held in memory, for the whole process.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What all workers take from. A worker keeps a little of what it took (see [`HeldBytes::spare`]), so that small bodies do
/// not write a line that others write; so much may be counted as held without being so.
#[derive(Debug)]
pub struct HeldBytes {
    taken: AtomicU64,
    limit: AtomicU64,
}

impl Default for HeldBytes {
    fn default() -> Self {
        Self { taken: AtomicU64::new(0), limit: AtomicU64::new(u64::MAX) }
    }
}

impl HeldBytes {
    /// Sets the budget, in bytes. What was taken before stays so, though it be more.
    pub fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Relaxed);
    }

    /// Takes so many bytes, or none.
    pub fn take(&self, bytes: u64) -> bool {
        let limit = self.limit.load(Relaxed);
        let more = |taken: u64| taken.checked_add(bytes).filter(|taken| *taken <= limit);
        self.taken.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// Gives so many back.
    pub fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Relaxed);
    }

    /// How much a worker may keep: a 256th of the budget, 64 KiB at most.
    pub fn spare(&self) -> u64 {
        (self.limit.load(Relaxed) / 256).min(64 << 10)
    }

    /// Bytes that are taken now.
    pub fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_the_budget_has() {
        let held = HeldBytes::default();
        held.set_limit(100);
        assert!(held.take(60) && !held.take(41) && held.take(40));
        held.give_back(60);
        assert_eq!(held.taken(), 40);
        held.set_limit(10);
        assert!(!held.take(1), "a budget that has shrunk waits for what is over it");
    }
}
