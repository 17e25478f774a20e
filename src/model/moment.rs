//! Time as a value.

use std::ops::Add;
use std::time::{Duration, Instant};

/// A point on the monotonic clock, as time since an origin that the process chose at its start.
///
/// Pure code takes and returns moments and never reads a clock, so a test or `botgate simulate` can run it in virtual
/// time. It says nothing about wall-clock time: a clock that jumps does not move it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The origin.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The moment this long after the origin.
    pub const fn from_origin(since: Duration) -> Self {
        Self(since)
    }

    /// Time since the origin.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// Time from `earlier` to this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

/// The process's monotonic clock: the one place where a [`Moment`] comes from.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose origin is now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// A clock whose origin is so long ago, as far back as this machine has a time.
    #[cfg(test)]
    pub(crate) fn start_ago(by: Duration) -> Self {
        Self { origin: Instant::now().checked_sub(by).unwrap_or_else(Instant::now) }
    }

    /// The moment it is.
    pub fn now(&self) -> Moment {
        Moment(self.origin.elapsed())
    }
}
