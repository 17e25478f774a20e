//! When the next round of a parity check is due.

use std::time::Duration;

use crate::model::Moment;

/// Share of the interval by which rounds are moved at random, so that checks do not ask in step.
const JITTER: f64 = 0.1;

/// After a round in which a question failed the next follows no later than this.
const RETRY: Duration = Duration::from_secs(30);

/// After a switch of the pool the next round follows this soon: what is compared with is another's now.
const SOON: Duration = Duration::from_secs(2);

/// A name that was never asked for is waited for in steps of this.
const NAMELESS: Duration = Duration::from_millis(100);

/// A round in which an answer is missing this long after its timeout has lost it: the next may begin.
const LOST: Duration = Duration::from_secs(30);

/// The schedule of one check: one round at a time, in which all backends are asked at once, so that the values are of one
/// moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    next: Moment,
    /// When the round under way is given up.
    until: Option<Moment>,
}

impl Schedule {
    /// The first round is due at once.
    pub(super) fn new(now: Moment) -> Self {
        Self { next: now, until: None }
    }

    /// Whether a round is to be started.
    pub(super) fn due(&self, now: Moment) -> bool {
        self.wakeup() <= now
    }

    /// When one will be; while one is under way, not before that one is given up.
    pub(super) fn wakeup(&self) -> Moment {
        self.until.map_or(self.next, |until| until.max(self.next))
    }

    /// The round that is due cannot begin yet: a name has had no answer.
    pub(super) fn nameless(&mut self, now: Moment) {
        self.next = now + NAMELESS;
    }

    /// A round was started; `random` is in 0..1.
    pub(super) fn started(&mut self, now: Moment, interval: Duration, timeout: Duration, random: f64) {
        self.next = now + crate::control::schedule::jittered(interval, JITTER, random);
        self.until = Some(now + timeout + LOST);
    }

    /// The round ended; `complete` tells whether every question had an answer.
    pub(super) fn ended(&mut self, now: Moment, complete: bool) {
        self.until = None;
        if !complete {
            self.next = self.next.min(now + RETRY);
        }
    }

    /// The pool was switched.
    pub(super) fn switched(&mut self, now: Moment) {
        self.next = self.next.min(now + SOON);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(300);
    const TIMEOUT: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(seconds))
    }

    fn started() -> Schedule {
        let mut schedule = Schedule::new(at(0));
        assert!(schedule.due(at(0)));
        schedule.started(at(0), INTERVAL, TIMEOUT, 0.5);
        schedule
    }

    #[test]
    fn rounds_follow_the_interval_one_at_a_time() {
        let mut schedule = started();
        assert!(!schedule.due(at(299)));
        schedule.ended(at(1), true);
        assert_eq!(schedule.wakeup(), at(300));
    }

    #[test]
    fn a_round_that_is_lost_does_not_end_the_check() {
        let schedule = started();
        assert_eq!(schedule.wakeup(), at(300));
        let mut quick = Schedule::new(at(0));
        quick.started(at(0), Duration::from_secs(1), TIMEOUT, 0.5);
        assert!(!quick.due(at(39)), "the round is still under way");
        assert!(quick.due(at(40)));
    }

    #[test]
    fn a_failed_question_is_asked_again_soon() {
        let mut schedule = started();
        schedule.ended(at(10), false);
        assert_eq!(schedule.wakeup(), at(40));
        let mut quick = Schedule::new(at(0));
        quick.started(at(0), Duration::from_secs(5), TIMEOUT, 0.5);
        quick.ended(at(1), false);
        assert_eq!(quick.wakeup(), at(5), "but never later than without failure");
    }

    #[test]
    fn a_switch_asks_anew() {
        let mut schedule = started();
        schedule.ended(at(1), true);
        schedule.switched(at(100));
        assert_eq!(schedule.wakeup(), at(102));
        let mut near = started();
        near.ended(at(1), true);
        near.switched(at(299));
        assert_eq!(near.wakeup(), at(300));
    }

    #[test]
    fn rounds_are_spread_by_a_tenth() {
        for (random, next) in [(0.0, 285), (1.0, 315)] {
            let mut schedule = Schedule::new(at(0));
            schedule.started(at(0), INTERVAL, TIMEOUT, random);
            schedule.ended(at(1), true);
            assert_eq!(schedule.wakeup(), at(next));
        }
    }
}
