//! What the workers have counted for a pool at one moment, and the service level between two of them.

use crate::model::ServiceLevel;
use crate::telemetry::{BackendStats, LATENCY_BOUNDS, PoolStats};

/// Buckets of the latency histogram.
pub(super) const BUCKETS: usize = LATENCY_BOUNDS.len() + 1;

/// The counters of one backend, read off the request path. Each grows, and wraps like the counters themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BackendReading {
    pub(super) started: u64,
    pub(super) ended: u64,
    /// By class: 1xx and 2xx, 3xx, 4xx, 5xx.
    pub(super) responses: [u64; 4],
    pub(super) failed: u64,
    pub(super) dialed: u64,
    pub(super) hung_up: u64,
    pub(super) latency: [u64; BUCKETS],
}

impl BackendReading {
    /// The counters now.
    pub(super) fn of(stats: &BackendStats) -> Self {
        let cells = &stats.cells;
        // What ended is read before what started, so that the difference is never negative.
        let ended = cells.sum(|cell| &cell.ended);
        Self {
            ended,
            started: cells.sum(|cell| &cell.started),
            responses: std::array::from_fn(|class| cells.sum(|cell| &cell.responses[class])),
            failed: cells.sum(|cell| &cell.failed),
            dialed: cells.sum(|cell| &cell.dialed),
            hung_up: cells.sum(|cell| &cell.hung_up),
            latency: std::array::from_fn(|bucket| cells.sum(|cell| &cell.latency[bucket])),
        }
    }

    /// What was counted since `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let less = u64::wrapping_sub;
        Self {
            started: less(self.started, earlier.started),
            ended: less(self.ended, earlier.ended),
            responses: std::array::from_fn(|class| less(self.responses[class], earlier.responses[class])),
            failed: less(self.failed, earlier.failed),
            dialed: less(self.dialed, earlier.dialed),
            hung_up: less(self.hung_up, earlier.hung_up),
            latency: std::array::from_fn(|bucket| less(self.latency[bucket], earlier.latency[bucket])),
        }
    }

    /// Attempts under way.
    pub(super) fn in_flight(&self) -> u64 {
        self.started.wrapping_sub(self.ended)
    }
}

/// What a pool's requests came to, over all its backends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// By class: 1xx and 2xx, 3xx, 4xx, 5xx.
    pub(super) responses: [u64; 4],
    /// Ended with an error of botgate's own after an attempt.
    pub(super) failed: u64,
    /// Ended without any: no backend could be tried.
    pub(super) unserved: u64,
    pub(super) retried: u64,
    pub(super) rescued: u64,
    pub(super) latency: [u64; BUCKETS],
}

impl Reading {
    /// The counters of a pool alone; its backends' are to be added.
    pub(super) fn of(stats: &PoolStats) -> Self {
        let cells = &stats.cells;
        Self {
            unserved: cells.sum(|cell| &cell.no_backend),
            retried: cells.sum(|cell| &cell.retries),
            rescued: cells.sum(|cell| &cell.rescued),
            ..Self::default()
        }
    }

    /// Adds what one backend counted.
    pub(super) fn add(&mut self, backend: &BackendReading) {
        let add = |to: &mut [u64], more: &[u64]| {
            to.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.wrapping_add(*more));
        };
        add(&mut self.responses, &backend.responses);
        add(&mut self.latency, &backend.latency);
        self.failed = self.failed.wrapping_add(backend.failed);
    }

    /// What was counted since `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let less = u64::wrapping_sub;
        Self {
            responses: std::array::from_fn(|class| less(self.responses[class], earlier.responses[class])),
            failed: less(self.failed, earlier.failed),
            unserved: less(self.unserved, earlier.unserved),
            retried: less(self.retried, earlier.retried),
            rescued: less(self.rescued, earlier.rescued),
            latency: std::array::from_fn(|bucket| less(self.latency[bucket], earlier.latency[bucket])),
        }
    }

    /// Requests that ended.
    pub(super) fn requests(&self) -> u64 {
        self.responses.iter().sum::<u64>() + self.failed + self.unserved
    }

    /// Requests that failed.
    pub(super) fn failures(&self) -> u64 {
        self.responses[3] + self.failed + self.unserved
    }

    /// As a service level; `self` is a difference of two readings.
    pub(super) fn level(&self) -> ServiceLevel {
        level(self.requests(), self.failures(), self.retried, self.rescued, self.latency.to_vec())
    }
}

fn level(requests: u64, failed: u64, retried: u64, rescued: u64, latency: Vec<u64>) -> ServiceLevel {
    let error_rate = if requests == 0 { 0.0 } else { failed as f64 / requests as f64 };
    let (p50_ms, p99_ms) = (percentile(&latency, 0.5), percentile(&latency, 0.99));
    ServiceLevel { requests, failed, retried, rescued, error_rate, p50_ms, p99_ms, latency }
}

/// Two spans, one after the other, as one.
pub(super) fn together(one: &ServiceLevel, two: &ServiceLevel) -> ServiceLevel {
    let at = |level: &ServiceLevel, bucket: usize| level.latency.get(bucket).copied().unwrap_or(0);
    let latency = (0..BUCKETS).map(|bucket| at(one, bucket) + at(two, bucket)).collect();
    let (requests, failed) = (one.requests + two.requests, one.failed + two.failed);
    level(requests, failed, one.retried + two.retried, one.rescued + two.rescued, latency)
}

/// The latency in milliseconds below which this share of what the buckets hold lies: interpolated within its bucket, as if
/// what fell into one lay evenly between its bounds. What is slower than the last bound counts as that bound. None when
/// they hold nothing.
pub(super) fn percentile(buckets: &[u64], share: f64) -> Option<f64> {
    let all: u64 = buckets.iter().sum();
    let rank = share * all as f64;
    let (mut below, mut from) = (0.0, 0.0);
    for (count, bound) in buckets.iter().zip(LATENCY_BOUNDS) {
        let count = *count as f64;
        if count > 0.0 && below + count >= rank {
            return Some((from + (bound - from) * ((rank - below) / count)) * 1000.0);
        }
        (below, from) = (below + count, bound);
    }
    (all > 0).then_some(from * 1000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::WorkerId;

    #[test]
    fn the_level_between_two_readings_is_what_was_counted_between_them() {
        let (pool, backend) = (PoolStats::new(2), BackendStats::new(2));
        let read = || {
            let mut reading = Reading::of(&pool);
            reading.add(&BackendReading::of(&backend));
            reading
        };
        let answer = |worker, class: usize| {
            let cell = backend.cells.of(WorkerId(worker));
            cell.responses[class].increment();
            cell.observe_latency(Duration::from_millis(4));
        };
        (0..50).for_each(|_| answer(0, 3));
        let before = read();
        (0..90).for_each(|n| answer(n % 2, 0));
        (0..4).for_each(|_| answer(1, 2));
        (0..3).for_each(|_| answer(1, 3));
        (0..2).for_each(|_| backend.cells.of(WorkerId(0)).failed.increment());
        pool.cells.of(WorkerId(1)).no_backend.increment();
        pool.cells.of(WorkerId(0)).retries.add(7);
        let level = read().since(&before).level();
        assert_eq!((level.requests, level.failed, level.retried, level.rescued), (100, 6, 7, 0));
        assert!((level.error_rate - 0.06).abs() < 1e-9, "a 4xx is the client's: {level:?}");
        assert!(level.p99_ms.is_some_and(|p99| (2.5..=5.0).contains(&p99)), "{level:?}");
    }

    #[test]
    fn percentiles_are_interpolated_within_their_bucket() {
        let mut buckets = [0; BUCKETS];
        assert_eq!(percentile(&buckets, 0.99), None);
        buckets[4] = 100;
        assert_eq!(percentile(&buckets, 0.5), Some(7.5), "half way between 5 and 10 ms");
        buckets[10] = 1;
        assert!(percentile(&buckets, 0.99).is_some_and(|p99| p99 <= 10.0), "one of 101 is not the 99th of 100");
        buckets[10] = 3;
        assert!(percentile(&buckets, 0.99).is_some_and(|p99| p99 > 500.0 && p99 <= 1000.0));
        buckets[BUCKETS - 1] = 1000;
        assert_eq!(percentile(&buckets, 0.99), Some(30_000.0), "slower than the last bound");
    }

    #[test]
    fn two_spans_make_one() {
        let mut one = Reading { responses: [10, 0, 0, 0], ..Reading::default() };
        one.latency[3] = 10;
        let two = Reading { responses: [8, 0, 0, 0], failed: 2, ..one };
        let both = together(&one.level(), &two.level());
        assert_eq!((both.requests, both.failed, both.latency[3]), (20, 2, 20));
        assert!((both.error_rate - 0.1).abs() < 1e-9);
    }
}
