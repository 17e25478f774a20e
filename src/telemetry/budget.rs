//! The retry budget of a pool.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::model::Moment;

/// Retries against live requests, over a sliding span of ten seconds, for all workers together.
///
/// Touched only when a request is tried again, so that sharing it costs the first attempt nothing, and about once a second
/// by each worker's upkeep ([`RetryBudget::observe`]), without which the first retry after a quiet time would find no
/// live requests to have a share of. Two halves of five seconds: the older one leaves whole. Races between
/// workers at the border of a half may let a retry or two pass: the budget guards against storms, not against one request.
#[derive(Debug, Default)]
pub struct RetryBudget {
    /// Which half this is, counted from the origin.
    half: AtomicU64,
    retries: [AtomicU64; 2],
    requests_before: [AtomicU64; 2],
}

const HALF: Duration = Duration::from_secs(5);

/// Which half a moment lies in, counted from 1.
fn half_of(now: Moment) -> u64 {
    (now.since_origin().as_millis() / HALF.as_millis()) as u64 + 1
}

impl RetryBudget {
    /// Takes one retry from the budget, if it holds one.
    ///
    /// `requests` is the pool's running total of live requests; `share` (0.2 is 20 %) of those within the span and
    /// `floor` per second may be retried.
    pub fn take(&self, now: Moment, requests: u64, share: f64, floor: u32) -> bool {
        let half = half_of(now);
        self.roll(half, requests);
        let live = requests.saturating_sub(self.requests_before[((half + 1) % 2) as usize].load(Relaxed));
        let allowed = live as f64 * share + f64::from(floor) * 2.0 * HALF.as_secs_f64();
        let taken = self.retries[0].load(Relaxed) + self.retries[1].load(Relaxed);
        if taken as f64 >= allowed {
            return false;
        }
        self.retries[(half % 2) as usize].fetch_add(1, Relaxed);
        true
    }

    /// Notes the pool's running total of live requests, so that those before a first retry count.
    pub fn observe(&self, now: Moment, requests: u64) {
        self.roll(half_of(now), requests);
    }

    fn roll(&self, half: u64, requests: u64) {
        let seen = self.half.load(Relaxed);
        if seen >= half || self.half.compare_exchange(seen, half, Relaxed, Relaxed).is_err() {
            return;
        }
        let (this, other) = ((half % 2) as usize, ((half + 1) % 2) as usize);
        if half - seen > 1 {
            // Nothing was retried in the half before: what it held is too old to count.
            self.retries[other].store(0, Relaxed);
            self.requests_before[other].store(requests, Relaxed);
        }
        self.retries[this].store(0, Relaxed);
        self.requests_before[this].store(requests, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(seconds))
    }

    fn take_all(budget: &RetryBudget, now: Moment, requests: u64) -> u64 {
        (0..100_000).take_while(|_| budget.take(now, requests, 0.2, 10)).count() as u64
    }

    #[test]
    fn an_idle_pool_has_the_floor() {
        assert_eq!(take_all(&RetryBudget::default(), at(1000), 0), 100);
    }

    #[test]
    fn live_requests_add_their_share() {
        let budget = RetryBudget::default();
        assert!(budget.take(at(1000), 5_000, 0.2, 10));
        assert_eq!(take_all(&budget, at(1004), 6_000), 100 + 200 - 1);
    }

    #[test]
    fn the_first_retry_finds_the_requests_that_came_before_it() {
        let budget = RetryBudget::default();
        for second in 0..=1004 {
            budget.observe(at(second), second * 500);
        }
        assert_eq!(take_all(&budget, at(1005), 1005 * 500), 100 + 500, "20 % of the 2,500 of the last 5 s, at least");
        let young = RetryBudget::default();
        young.observe(at(1), 500);
        assert_eq!(take_all(&young, at(2), 1000), 100 + 200, "a process that just started counts from its start");
    }

    #[test]
    fn what_was_spent_comes_back_after_the_span() {
        let budget = RetryBudget::default();
        take_all(&budget, at(1000), 0);
        assert!(!budget.take(at(1004), 0, 0.2, 10));
        assert!(!budget.take(at(1009), 0, 0.2, 10));
        assert_eq!(take_all(&budget, at(1010), 0), 100);
    }
}
