//! When the responder of a certificate is asked.

use std::time::Duration;

use crate::model::Moment;
use crate::steering::jittered;

/// The next question comes no sooner and no later than this after an answer.
const BOUNDS: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(24 * 3600));
/// Share by which questions are moved at random.
const JITTER: f64 = 0.1;
/// After a failure: this long, and twice as long after each further one, up to the latter.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3600));

/// The schedule of one certificate: one question at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    next: Moment,
    running: bool,
    failures: u32,
}

impl Schedule {
    /// The first question is due at once.
    pub(super) const fn new(now: Moment) -> Self {
        Self { next: now, running: false, failures: 0 }
    }

    /// When the next question is due. None while one is under way.
    pub(super) fn wakeup(&self) -> Option<Moment> {
        (!self.running).then_some(self.next)
    }

    /// Begins a question if one is due, and tells whether it did.
    pub(super) fn begin(&mut self, now: Moment) -> bool {
        let due = self.wakeup().is_some_and(|at| at <= now);
        self.running |= due;
        due
    }

    /// It was answered well; the answer holds for so long yet. `random` is in 0..1.
    pub(super) fn answered(&mut self, now: Moment, holds: Duration, random: f64) {
        (self.running, self.failures) = (false, 0);
        self.next = now + jittered((holds / 2).clamp(BOUNDS.0, BOUNDS.1), JITTER, random);
    }

    /// It was not.
    pub(super) fn failed(&mut self, now: Moment, random: f64) {
        self.running = false;
        let wait = (RETRY.0 * 2_u32.pow(self.failures.min(10))).min(RETRY.1);
        self.failures = self.failures.saturating_add(1);
        self.next = now + jittered(wait, JITTER, random);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn the_next_question_comes_halfway_to_the_end_of_the_answer() {
        for (holds, next) in [(60, 300), (7200, 3600), (7 * 86_400, 86_400)] {
            let mut schedule = Schedule::new(at(0));
            assert!(schedule.begin(at(0)) && !schedule.begin(at(9)) && schedule.wakeup().is_none());
            schedule.answered(at(0), Duration::from_secs(holds), 0.5);
            assert_eq!(schedule.wakeup(), Some(at(next)), "an answer that holds for {holds} s");
        }
    }

    #[test]
    fn a_failure_is_made_up_for_soon_then_more_and_more_slowly() {
        let mut schedule = Schedule::new(at(0));
        let mut waits = Vec::new();
        for _ in 0..12 {
            schedule.failed(at(0), 0.5);
            waits.push(schedule.wakeup().unwrap().since(at(0)).as_secs());
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
    }
}
