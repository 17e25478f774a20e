//! When the keys of an issuer are fetched.

use std::time::Duration;

use crate::model::Moment;
use crate::steering::jittered;

/// From one good fetch to the next. The connector's documentation wants them fetched every 24 hours at least: with its
/// jitter this is 21 to 23.
const DAILY: Duration = Duration::from_secs(22 * 3600);
/// Share of it by which fetches are moved at random.
const JITTER: f64 = 0.1;
/// After a failure: this long, and twice as long after each further one, up to the latter.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// For a key that is not known, at most once in this long: anybody can make up a name.
const HOURLY: Duration = Duration::from_secs(3600);

/// The schedule of one issuer: one fetch at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    next: Moment,
    running: bool,
    failures: u32,
    /// The last fetch for a key that was not known.
    forced: Option<Moment>,
}

impl Schedule {
    /// The first fetch is due at once.
    pub(super) fn new(now: Moment) -> Self {
        Self { next: now, running: false, failures: 0, forced: None }
    }

    /// When the next fetch is due; `missed` is whether a key was asked for that is not known. None while one is under way.
    pub(super) fn wakeup(&self, missed: bool) -> Option<Moment> {
        if self.running {
            return None;
        }
        let forced = self.forced.map_or(Moment::ZERO, |forced| forced + HOURLY);
        // After a failure it is asked again soon anyway.
        let early = if missed && self.failures == 0 { forced } else { self.next };
        Some(self.next.min(early))
    }

    /// Whether a key is missed that the hour's one fetch did not bring.
    pub(super) const fn is_spent(&self, missed: bool) -> bool {
        missed && self.forced.is_some() && !self.running
    }

    /// The next fetch is due at once: an operator asks for it.
    pub(super) fn hurry(&mut self, now: Moment) {
        self.next = self.next.min(now);
    }

    /// Begins a fetch if one is due, and tells whether it did.
    pub(super) fn begin(&mut self, now: Moment, missed: bool) -> bool {
        if self.wakeup(missed).is_none_or(|at| at > now) {
            return false;
        }
        if self.next > now {
            self.forced = Some(now);
        }
        self.running = true;
        true
    }

    /// The fetch ended; `random` is in 0..1.
    pub(super) fn ended(&mut self, now: Moment, good: bool, random: f64) {
        self.running = false;
        self.failures = if good { 0 } else { self.failures.saturating_add(1) };
        let wait = match self.failures {
            0 => jittered(DAILY, JITTER, random),
            n => jittered((RETRY.0 * 2_u32.pow((n - 1).min(6))).min(RETRY.1), JITTER, random),
        };
        self.next = now + wait;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(seconds))
    }

    /// Fetched well at second 0.
    fn fetched() -> Schedule {
        let mut schedule = Schedule::new(at(0));
        assert!(schedule.begin(at(0), false));
        schedule.ended(at(0), true, 0.5);
        schedule
    }

    #[test]
    fn keys_are_fetched_within_a_day_and_one_fetch_at_a_time() {
        for random in [0.0, 1.0] {
            let mut schedule = Schedule::new(at(0));
            assert!(schedule.begin(at(0), false) && !schedule.begin(at(0), true));
            assert_eq!(schedule.wakeup(true), None);
            schedule.ended(at(0), true, random);
            let next = schedule.wakeup(false).unwrap();
            assert!(next >= at(20 * 3600) && next < at(24 * 3600), "{next:?}");
        }
    }

    #[test]
    fn a_failed_fetch_is_tried_again_after_a_second_then_more_and_more_slowly() {
        let mut schedule = Schedule::new(at(0));
        let mut waits = Vec::new();
        for _ in 0..9 {
            assert!(schedule.begin(at(0) + Duration::from_secs(1 << 20), false));
            schedule.ended(at(0), false, 0.5);
            waits.push(schedule.wakeup(true).unwrap().since(at(0)).as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60], "whatever key is missed meanwhile");
        assert!(schedule.begin(at(100), false));
        schedule.ended(at(100), true, 0.5);
        assert_eq!(schedule.wakeup(false), Some(at(100) + DAILY));
    }

    #[test]
    fn an_operator_need_not_wait_for_the_hour_to_pass() {
        let mut schedule = Schedule::new(at(0));
        assert!(schedule.begin(at(0), false));
        schedule.ended(at(1), true, 0.0);
        assert!(schedule.begin(at(60), true) && !schedule.is_spent(true));
        schedule.ended(at(61), true, 0.0);
        assert!(schedule.is_spent(true) && !schedule.is_spent(false));
        assert!(!schedule.begin(at(62), true));
        schedule.hurry(at(62));
        assert!(schedule.begin(at(62), true));
    }

    #[test]
    fn a_key_that_is_not_known_has_them_fetched_at_once_but_at_most_hourly() {
        let mut schedule = fetched();
        assert!(!schedule.begin(at(60), false));
        assert!(schedule.begin(at(60), true));
        schedule.ended(at(61), true, 0.5);
        assert!(!schedule.begin(at(62), true));
        assert_eq!(schedule.wakeup(true), Some(at(3660)), "what is missed is not forgotten");
        assert!(schedule.begin(at(3660), true));
    }
}
