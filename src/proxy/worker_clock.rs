//! The clock of one worker. While a request is polled it is read once at most: what happens in one poll happens in
//! microseconds, and each reading costs as much as a dozen look-ups.

use std::cell::Cell;
use std::rc::Rc;

use crate::model::{Clock, Moment};

/// A clone is another handle on it.
#[derive(Clone, Debug)]
pub(super) struct WorkerClock(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    /// Whether a request is being polled.
    held: Cell<bool>,
    /// When it was read in this poll.
    read: Cell<Option<Moment>>,
}

impl From<Clock> for WorkerClock {
    fn from(clock: Clock) -> Self {
        Self(Rc::new(Inner { clock, held: Cell::new(false), read: Cell::new(None) }))
    }
}

impl WorkerClock {
    /// The moment it is; in a poll that holds the clock, when it was first asked.
    pub(super) fn now(&self) -> Moment {
        let Inner { clock, held, read } = &*self.0;
        if !held.get() {
            return clock.now();
        }
        if let Some(moment) = read.get() {
            return moment;
        }
        let now = clock.now();
        read.set(Some(now));
        now
    }

    /// Holds the clock for as long as what is returned lives: no longer than one poll.
    pub(super) fn hold(&self) -> Held<'_> {
        self.0.held.set(true);
        self.0.read.set(None);
        Held(&self.0)
    }
}

/// A clock that is held. Dropped, also by a panic, it runs on.
pub(super) struct Held<'a>(&'a Inner);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.set(false);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_held_clock_stands_until_it_is_let_go() {
        let clock = WorkerClock::from(Clock::start());
        let passes = |since: Moment| {
            let begun = std::time::Instant::now();
            while begun.elapsed() < Duration::from_micros(50) {}
            clock.now().since(since) > Duration::ZERO
        };
        assert!(passes(clock.now()));
        let held = clock.hold();
        let first = clock.now();
        assert!(!passes(first), "it is read once");
        drop(held);
        assert!(passes(first), "and runs on after that");
        let _held = clock.hold();
        assert!(clock.now() > first, "what was read in one poll is not what the next one reads");
    }
}
