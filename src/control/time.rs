//! The clock of the loop: the process's moments, on the timer's time.

use tokio::time::Instant;

use crate::model::{Clock, Moment, Now, Utc};

/// Moments from the runtime's clock. It is the same monotonic clock as the process's own, except in a test that pauses it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    base: Moment,
    at: Instant,
}

impl Time {
    /// Ties the process's clock to the runtime's.
    pub(super) fn tied_to(clock: &Clock) -> Self {
        Self { base: clock.now(), at: Instant::now() }
    }

    /// The moment it is.
    pub(super) fn now(&self) -> Moment {
        self.base + self.at.elapsed()
    }

    /// The moment it is, on both clocks.
    pub(super) fn both(&self) -> Now {
        Now { at: self.now(), utc: Utc::now() }
    }

    /// The runtime's instant of a moment.
    pub(super) fn instant(&self, moment: Moment) -> Instant {
        self.at + moment.since(self.base)
    }
}
