//! The hour before: what a pool's requests came to, minute by minute.

use std::collections::VecDeque;
use std::time::Duration;

use super::reading::Reading;
use crate::model::{BackendId, Moment, ServiceLevel};

/// Between two readings that are kept.
pub(super) const STEP: Duration = Duration::from_secs(60);

/// How far back they reach.
const SPAN: Duration = Duration::from_secs(3600);

/// A pool's last hour, or as much of it as this process has seen with the same backends.
#[derive(Debug, Default)]
pub(super) struct History {
    backends: Vec<BackendId>,
    /// One for each [`STEP`], oldest first: 61 at most.
    readings: VecDeque<(Moment, Reading)>,
}

impl History {
    /// Keeps a reading if one is due. A reload that brings other backends begins a new history: their counters are others.
    pub(super) fn note(&mut self, now: Moment, backends: &[BackendId], reading: Reading) {
        if self.backends != backends {
            self.backends = backends.to_vec();
            self.readings.clear();
        }
        if self.readings.back().is_none_or(|(at, _)| now.since(*at) >= STEP) {
            self.readings.push_back((now, reading));
        }
        while self.readings.get(1).is_some_and(|(at, _)| now.since(*at) >= SPAN) {
            self.readings.pop_front();
        }
    }

    /// The service level from an hour ago, or from the oldest reading, to `now`.
    pub(super) fn level(&self, now: Reading) -> ServiceLevel {
        self.readings.front().map(|(_, oldest)| now.since(oldest).level()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn so_many(requests: u64) -> Reading {
        Reading { responses: [requests, 0, 0, 0], ..Reading::default() }
    }

    #[test]
    fn the_hour_before_is_an_hour_and_takes_bounded_room() {
        let mut history = History::default();
        for second in 0..10_000_u64 {
            let now = Moment::from_origin(Duration::from_secs(second));
            history.note(now, &[BackendId(1)], so_many(second * 10));
        }
        assert!(history.readings.len() <= 62, "{}", history.readings.len());
        let requests = history.level(so_many(100_000)).requests;
        assert!((36_000..=36_600).contains(&requests), "{requests}");
    }

    #[test]
    fn other_backends_begin_a_new_history() {
        let mut history = History::default();
        history.note(Moment::ZERO, &[BackendId(1)], so_many(500));
        history.note(Moment::ZERO + STEP, &[BackendId(2)], so_many(3));
        assert_eq!(history.level(so_many(4)).requests, 1);
    }
}
