//! When a drill hurts: its errors and its latency against its limits. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::reading::Reading;
use crate::model::{DrillLimits, Moment, ServiceLevel};

/// Between two looks.
pub(super) const STEP: Duration = Duration::from_millis(250);

/// Errors are weighed over the whole drill, and over this much of it, so that one that turns bad late is found as soon as
/// one that was bad from its start.
const RECENT: Duration = Duration::from_secs(5);

/// Fewer failures are bad luck.
pub(super) const FEWEST_FAILURES: u64 = 3;

/// Few requests are weighed as if they were so many: one failure out of three is no share.
const FLOOR: u64 = 20;

/// A p99 of fewer requests says nothing, neither of the drill nor of the hour before.
pub(super) const ENOUGH: u64 = 100;

/// Latency is weighed over the shortest latest span of at least this long that holds enough requests …
const SHORTEST: Duration = Duration::from_secs(1);

/// … looking back this far at most …
const LONGEST: Duration = Duration::from_secs(60);

/// … and not before connections had this long to open.
const SETTLE: Duration = Duration::from_secs(1);

/// A p99 below this is never too slow: it is the distance to another region, not trouble there.
const IMPERCEPTIBLE_MS: f64 = 50.0;

/// Nothing that comes back for so long, while requests are sent, is as bad as slow responses.
const SILENCE: Duration = Duration::from_secs(2);

/// So many must have been sent meanwhile: a tunnel or a long response alone keeps silent in good health.
const UNANSWERED: u64 = 10;

/// Watches one drill.
#[derive(Debug)]
pub(super) struct Watch {
    limits: DrillLimits,
    /// The p99 of the hour before in milliseconds, if enough requests tell it.
    usual_ms: Option<f64>,
    began: Moment,
    first: Reading,
    recent: VecDeque<(Moment, Reading)>,
    /// Attempts that the target had ended and begun, when it ended one last, and when that was.
    ended: u64,
    started: u64,
    silent_since: Moment,
}

impl Watch {
    /// Watches a drill that began now.
    pub(super) fn begin(limits: DrillLimits, before: &ServiceLevel, now: Moment, reading: Reading) -> Self {
        let usual_ms = before.p99_ms.filter(|_| before.latency.iter().sum::<u64>() >= ENOUGH);
        let recent = VecDeque::from([(now, reading)]);
        Self { limits, usual_ms, began: now, first: reading, recent, ended: 0, started: 0, silent_since: now }
    }

    /// Takes a reading, and the attempts that the target has begun and ended; says how the drill hurts, if it does.
    pub(super) fn look(&mut self, now: Moment, reading: Reading, started: u64, ended: u64) -> Option<String> {
        self.recent.push_back((now, reading));
        while self.recent.get(1).is_some_and(|(at, _)| now.since(*at) >= LONGEST) {
            self.recent.pop_front();
        }
        if ended != self.ended || started == self.started {
            (self.ended, self.started, self.silent_since) = (ended, started, now);
        }
        self.errors(now, reading).or_else(|| self.slowness(now, reading)).or_else(|| self.silence(now, started))
    }

    fn errors(&self, now: Moment, reading: Reading) -> Option<String> {
        let lately = self.recent.iter().rev().find(|(at, _)| now.since(*at) >= RECENT);
        let whole = reading.since(&self.first);
        let too_many = |part: &Reading| {
            let most = self.limits.max_error_rate * part.requests().max(FLOOR) as f64;
            part.failures() >= FEWEST_FAILURES && part.failures() as f64 > most
        };
        let said = |part: &Reading, when: &str| {
            let rate = part.failures() as f64 / part.requests().max(1) as f64 * 100.0;
            format!(
                "{} of {} requests failed {when} ({rate:.1} %; at most {} % may)",
                part.failures(),
                part.requests(),
                self.limits.max_error_rate * 100.0
            )
        };
        if too_many(&whole) {
            return Some(said(&whole, "since it began"));
        }
        let lately = reading.since(&lately?.1);
        too_many(&lately).then(|| said(&lately, &format!("within {} s", RECENT.as_secs())))
    }

    fn slowness(&self, now: Moment, reading: Reading) -> Option<String> {
        let most = (self.usual_ms? * self.limits.max_slowdown).max(IMPERCEPTIBLE_MS);
        let settled = self.recent.iter().filter(|(at, _)| at.since(self.began) >= SETTLE);
        let spans = settled.rev().filter(|(at, _)| now.since(*at) >= SHORTEST).map(|(_, then)| reading.since(then));
        let latest = spans.map(|span| span.level()).find(|level| level.latency.iter().sum::<u64>() >= ENOUGH)?;
        let p99 = latest.p99_ms.filter(|p99| *p99 > most)?;
        Some(format!(
            "too slow: the p99 is {p99:.0} ms, and was {:.0} ms in the hour before (at most {} times as much)",
            self.usual_ms?, self.limits.max_slowdown
        ))
    }

    fn silence(&self, now: Moment, started: u64) -> Option<String> {
        let slowest = Duration::try_from_secs_f64(self.usual_ms? * self.limits.max_slowdown / 1000.0).ok()?;
        let silent = now.since(self.silent_since);
        let unanswered = started.saturating_sub(self.started);
        (unanswered >= UNANSWERED && silent >= SILENCE.max(slowest)).then(|| {
            let silent = silent.as_secs_f64();
            format!("nothing comes back: {unanswered} requests were sent within {silent:.1} s, and none was answered")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DrillLimits = DrillLimits { max_error_rate: 0.01, max_slowdown: 3.0 };

    /// A drill at so many requests a second, one look every [`STEP`].
    struct Course {
        watch: Watch,
        now: Moment,
        reading: Reading,
        started: u64,
        ended: u64,
    }

    impl Course {
        fn after(hour: u64) -> Self {
            let mut before = Reading { responses: [hour, 0, 0, 0], ..Reading::default() };
            before.latency[7] = hour;
            let now = Moment::from_origin(Duration::from_secs(5000));
            let watch = Watch::begin(LIMITS, &before.level(), now, before);
            Self { watch, now, reading: before, started: 0, ended: 0 }
        }

        /// Goes on for `steps`; each brings so many good and failed requests in this bucket. How long until it hurt.
        fn go(&mut self, steps: u32, good: u64, failed: u64, bucket: usize) -> Option<(u32, String)> {
            (1..=steps).find_map(|step| {
                self.now = self.now + STEP;
                self.reading.responses[0] += good;
                self.reading.responses[3] += failed;
                self.reading.latency[bucket] += good + failed;
                self.ended += good + failed;
                self.started += good + failed;
                Some((step, self.watch.look(self.now, self.reading, self.started, self.ended)?))
            })
        }
    }

    #[test]
    fn a_drill_within_its_limits_goes_on() {
        let mut course = Course::after(10_000);
        assert_eq!(course.go(2000, 100, 0, 7), None);
        assert_eq!(course.go(100, 399, 1, 7), None, "0.25 % of them fail");
    }

    #[test]
    fn one_failure_out_of_three_is_no_share_and_three_are() {
        let mut course = Course::after(0);
        assert_eq!(course.go(1, 2, 1, 7), None);
        assert_eq!(course.go(1, 2, 1, 7), None);
        let (_, why) = course.go(1, 2, 1, 7).unwrap();
        assert!(why.starts_with("3 of 9 requests failed since it began (33.3 %"), "{why}");
    }

    #[test]
    fn a_drill_that_turns_bad_late_is_found_within_a_second() {
        let mut course = Course::after(10_000);
        assert_eq!(course.go(2000, 100, 0, 7), None);
        let (steps, why) = course.go(100, 50, 50, 7).unwrap();
        assert!(steps <= 4 && why.contains("within 5 s"), "{steps}: {why}");
    }

    #[test]
    fn a_standby_that_turns_slow_is_found_by_its_latest_requests() {
        let mut course = Course::after(10_000);
        assert_eq!(course.go(40, 100, 0, 7), None);
        // 100 ms to 250 ms: within three times the usual 100 ms.
        assert_eq!(course.go(40, 100, 0, 8), None);
        let (steps, why) = course.go(40, 100, 0, 9).unwrap();
        assert!(steps <= 4 && why.starts_with("too slow"), "{steps}: {why}");
    }

    #[test]
    fn few_requests_say_nothing_about_latency() {
        assert_eq!(Course::after(99).go(400, 100, 0, 12), None, "too few in the hour before");
        assert_eq!(Course::after(10_000).go(99, 1, 0, 12), None, "too few in the drill");
        assert!(Course::after(10_000).go(400, 1, 0, 12).is_some());
    }

    #[test]
    fn handshakes_of_the_first_second_are_not_held_against_a_standby() {
        let mut course = Course::after(10_000);
        assert_eq!(course.go(3, 40, 0, 11), None);
        assert_eq!(course.go(100, 100, 0, 7), None);
    }

    #[test]
    fn a_standby_from_which_nothing_comes_back_is_given_up() {
        let mut course = Course::after(10_000);
        assert_eq!(course.go(40, 100, 0, 7), None);
        let found = (1..100).find_map(|step| {
            course.started += 20;
            Some((step, course.go(1, 0, 0, 7)?.1))
        });
        let (steps, why) = found.unwrap();
        assert!((8..=9).contains(&steps) && why.starts_with("nothing comes back"), "{steps}: {why}");
    }

    #[test]
    fn a_tunnel_that_stays_open_is_no_silence() {
        let mut course = Course::after(10_000);
        assert_eq!(course.go(40, 100, 0, 7), None);
        course.started += 3;
        assert_eq!(course.go(400, 0, 0, 7), None);
    }
}
