//! One live request of a simulation.

use std::time::Duration;

use super::faults::Clients;
use crate::model::Moment;
use crate::steering::Rounds;

/// A request, from its arrival to its response.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) arrived: Moment,
    pub(super) deadline: Moment,
    /// Backends that it was sent to in this round.
    pub(super) tried: Vec<usize>,
    /// Whether it was sent to more than one.
    pub(super) elsewhere: bool,
    pub(super) rounds: Rounds,
    /// The first fault that it met.
    pub(super) met: Option<usize>,
}

/// An attempt that waits for its response head.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    pub(super) request: Request,
    pub(super) backend: usize,
    /// Since when.
    pub(super) since: Moment,
    /// Whether the backend answers nothing; else its answer is under way.
    pub(super) silent: bool,
}

impl Request {
    pub(super) fn new(now: Moment, deadline: Duration, rounds: u32) -> Self {
        let rounds = Rounds::new(rounds);
        Self { arrived: now, deadline: now + deadline, tried: Vec::new(), elsewhere: false, rounds, met: None }
    }
}

impl Clients {
    pub(super) fn count(&mut self, took: Duration, failed: bool, elsewhere: bool) {
        self.met += 1;
        self.failed += u64::from(failed);
        self.elsewhere += u64::from(elsewhere && !failed);
        self.slowest = self.slowest.max(took);
    }
}
