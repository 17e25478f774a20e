//! What holds a pool where it is, whatever the backends do: pins, drills, latches, and an operator's failover.

use std::collections::VecDeque;
use std::time::Duration;

use super::FlapPolicy;
use crate::model::{Moment, Now, Utc};

/// An operator holds a backend active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Which.
    pub backend: usize,
    /// Until then; none: until released.
    pub until: Option<Deadline>,
    /// Whether it gives way when its backend becomes unavailable and another is not.
    pub yield_when_down: bool,
    /// Who, and why.
    pub note: String,
}

/// A rehearsed failover under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which drill.
    pub id: String,
    /// The backend that takes over.
    pub target: usize,
    /// The backend that it took over from, and gives back to.
    pub origin: usize,
    /// When it ends.
    pub until: Deadline,
    /// Who, and why.
    pub note: String,
}

impl Run {
    /// Whether a backend is one of its two.
    pub(super) fn involves(&self, backend: usize) -> bool {
        self.target == backend || self.origin == backend
    }
}

/// An end, on both clocks: the one holds in this process even when the other jumps, the other across restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// On the monotonic clock.
    pub at: Moment,
    /// On the wall clock.
    pub utc: Utc,
}

impl Deadline {
    /// The deadline that the wall clock will show as `utc`.
    pub fn at_utc(utc: Utc, now: Now) -> Self {
        Self { at: now.moment_of(utc), utc }
    }
}

/// A failover that counts against the flap budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failover {
    /// When, or when this process began if it was before that …
    pub at: Moment,
    /// … and then so much earlier.
    pub earlier: Duration,
    /// When, on the wall clock.
    pub utc: Utc,
}

impl Failover {
    fn age(&self, now: Moment) -> Duration {
        now.since(self.at).saturating_add(self.earlier)
    }
}

/// All that holds one pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// The pin.
    pub pin: Option<Pin>,
    /// The drill.
    pub drill: Option<Run>,
    /// Whether the flap budget was spent and nobody released the pool since.
    pub latched: bool,
    /// Whether an operator moved the pool away from its first priority: then only an operator moves it back.
    pub away: bool,
    /// Whether the active backend was moved to by force: it stays although it is not available, until it is found good or
    /// the pool moves.
    pub forced: bool,
    /// Failovers of steering's own, within the span of the flap budget, oldest first.
    pub failovers: VecDeque<Failover>,
    /// A hold counts from here at the earliest: what was released does not move in the same instant.
    pub hold_from: Option<Moment>,
}

impl Standing {
    /// Counts a failover, and tells whether the budget is spent by it.
    pub(super) fn failed_over(&mut self, policy: FlapPolicy, now: Now) -> bool {
        self.forget(policy, now);
        self.failovers.push_back(Failover { at: now.at, earlier: Duration::ZERO, utc: now.utc });
        let spent = self.failovers.len() > policy.failovers as usize;
        if self.failovers.len() > policy.failovers as usize + 1 {
            self.failovers.pop_front();
        }
        spent
    }

    /// How many failovers the budget has counted within its span.
    pub fn spent(&self, policy: FlapPolicy, now: Moment) -> usize {
        self.failovers.iter().filter(|past| past.age(now) <= policy.within).count()
    }

    fn forget(&mut self, policy: FlapPolicy, now: Now) {
        self.failovers.retain(|past| past.age(now.at) <= policy.within);
    }

    /// Releases the latch, with a new budget.
    pub(super) fn unlatch(&mut self) {
        self.latched = false;
        self.failovers.clear();
    }

    /// Follows the backends through a reload that numbers them anew; what names one that is gone ends.
    pub(super) fn renumber(&mut self, new: impl Fn(usize) -> Option<usize>) {
        self.pin = self.pin.take().and_then(|pin| Some(Pin { backend: new(pin.backend)?, ..pin }));
        self.drill =
            self.drill.take().and_then(|run| Some(Run { target: new(run.target)?, origin: new(run.origin)?, ..run }));
    }
}
