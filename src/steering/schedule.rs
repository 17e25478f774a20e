//! When the next probe of a backend is due: for control, and for a simulation of it.

use std::time::Duration;

use crate::model::Moment;

/// Evidence brings a probe forward at most this often, so that a backend that fails one request in a hundred is not
/// probed a hundred times a second.
const EXTRA: Duration = Duration::from_millis(100);

/// Where requests are only slow, evidence brings at most so many probes within one interval: what hangs is slow at first too,
/// and with fewer a bot that always is would be given up seconds later than another.
const SLOW_LOOKS: u32 = 6;

/// Longest pause between two probes of a suspect.
const SUSPECT_PAUSE: Duration = Duration::from_millis(50);

/// Attempts are counted this often, so that failures are weighed against the attempts of their own time.
pub const SAMPLE: Duration = Duration::from_secs(1);

/// The probe schedule of one backend: one probe at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    next: Moment,
    running_since: Option<Moment>,
    /// The last evidence that no good probe has answered yet.
    suspect: Option<Moment>,
    extra: Option<Moment>,
    /// When the last probe was started, out of turn or not.
    began: Option<Moment>,
    /// Good probes in a row that answered evidence.
    calmed: u32,
    /// Whether the last probe of a suspect was bad and left it without a verdict.
    doubted: bool,
    rounds: u64,
}

impl Schedule {
    /// The first probe is due at once.
    pub fn new(now: Moment) -> Self {
        let (running_since, suspect, extra, began) = (None, None, None, None);
        Self { next: now, running_since, suspect, extra, began, calmed: 0, doubted: false, rounds: 0 }
    }

    /// Whether a probe is to be started.
    pub fn due(&self, now: Moment) -> bool {
        self.running_since.is_none() && self.next <= now
    }

    /// When one will be; none while one runs.
    pub fn wakeup(&self) -> Option<Moment> {
        self.running_since.is_none().then_some(self.next)
    }

    /// How long the probe that is due may take, of a `timeout` that is configured. The second one of a suspect and those
    /// after it have half: live requests and a probe of full length have spoken against it, and requests wait for the verdict.
    pub fn patience(&self, timeout: Duration) -> Duration {
        if self.doubted { timeout / 2 } else { timeout }
    }

    /// Whether there is evidence that no good probe has answered yet.
    pub fn is_suspect(&self) -> bool {
        self.suspect.is_some()
    }

    /// Whether a probe has ended yet.
    pub fn probed_once(&self) -> bool {
        self.rounds > 0
    }

    /// A probe was started; the next regular one follows after `interval`.
    pub fn started(&mut self, now: Moment, interval: Duration) {
        (self.running_since, self.began) = (Some(now), Some(now));
        self.next = now + interval;
    }

    /// Evidence came in: look at once, or as soon as the last look out of turn is long enough ago. Where probe after probe
    /// finds that requests are only `slow` – some bots always are – looks become rarer, down to six within the interval.
    pub fn suspected(&mut self, now: Moment, slow: bool, interval: Duration) {
        self.suspect = Some(now);
        let calmed = if slow { self.calmed.min(16) } else { 0 };
        let pause = EXTRA.saturating_mul(1 << calmed).min((interval / SLOW_LOOKS).max(EXTRA));
        // A look that is only planned, for what is slow, holds up none for what fails.
        let last = match self.extra {
            Some(planned) if planned > now => self.began,
            _ if calmed > 0 => self.began,
            extra => extra,
        };
        let at = last.map_or(now, |last| now.max(last + pause));
        if at < self.next {
            (self.next, self.extra) = (at, Some(at));
        }
    }

    /// The probe ended. While a suspect's probes are bad and no verdict is reached, the next follows after a short pause:
    /// a killed backend is given up within milliseconds, one that hangs within one timeout and `fall` - 1 halves. Without evidence
    /// the regular interval stays, so that a hiccup that hurt nobody does not move a pool.
    pub fn ended(&mut self, now: Moment, good: bool, given_up: bool, interval: Duration) {
        let started = self.running_since.take();
        self.rounds += 1;
        self.calmed = if good && self.suspect.is_some() { self.calmed.saturating_add(1) } else { 0 };
        self.doubted = !good && self.suspect.is_some() && !given_up;
        if good {
            self.suspect = self.suspect.filter(|&at| started.is_some_and(|started| at > started));
        } else if self.doubted {
            self.next = self.next.min(now + SUSPECT_PAUSE.min(interval / 10));
        }
    }

    /// Fits the schedule to an interval that may have become shorter.
    pub fn fit(&mut self, now: Moment, interval: Duration) {
        self.next = self.next.min(now + interval);
    }
}

/// `interval`, moved at random by up to half of `jitter` of it either way; `random` is in 0..1.
pub fn jittered(interval: Duration, jitter: f64, random: f64) -> Duration {
    interval.mul_f64((1.0 + jitter.clamp(0.0, 1.0) * (random - 0.5)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(2);

    fn at(ms: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(ms))
    }

    fn probed(ms: u64, good: bool) -> Schedule {
        let mut schedule = Schedule::new(at(ms));
        assert!(schedule.due(at(ms)));
        schedule.started(at(ms), INTERVAL);
        schedule.ended(at(ms), good, false, INTERVAL);
        schedule
    }

    #[test]
    fn probes_follow_the_interval_from_start_to_start() {
        let mut schedule = Schedule::new(at(0));
        schedule.started(at(0), INTERVAL);
        assert!(!schedule.due(at(5000)), "one at a time");
        assert_eq!(schedule.wakeup(), None);
        schedule.ended(at(1500), true, false, INTERVAL);
        assert_eq!(schedule.wakeup(), Some(at(2000)));
    }

    #[test]
    fn evidence_makes_a_probe_due_at_once_but_not_more_often_than_every_100_ms() {
        let mut schedule = probed(0, true);
        schedule.suspected(at(500), false, INTERVAL);
        assert!(schedule.due(at(500)));
        schedule.started(at(500), INTERVAL);
        schedule.ended(at(501), true, false, INTERVAL);
        for ms in 501..590 {
            schedule.suspected(at(ms), false, INTERVAL);
        }
        assert_eq!(schedule.wakeup(), Some(at(600)));
    }

    #[test]
    fn a_suspect_is_probed_again_soon_while_its_probes_are_bad_until_it_is_given_up() {
        let mut schedule = probed(0, true);
        schedule.suspected(at(500), false, INTERVAL);
        schedule.started(at(500), INTERVAL);
        schedule.ended(at(501), false, false, INTERVAL);
        assert_eq!(schedule.wakeup(), Some(at(551)));
        schedule.started(at(551), INTERVAL);
        schedule.ended(at(552), false, true, INTERVAL);
        assert_eq!(schedule.wakeup(), Some(at(2551)));
    }

    #[test]
    fn the_probe_that_confirms_what_live_requests_and_a_whole_timeout_said_takes_half_of_one() {
        let second = Duration::from_secs(1);
        let mut schedule = probed(0, true);
        schedule.suspected(at(500), true, INTERVAL);
        assert_eq!(schedule.patience(second), second);
        schedule.started(at(500), INTERVAL);
        schedule.ended(at(1500), false, false, INTERVAL);
        assert_eq!((schedule.wakeup(), schedule.patience(second)), (Some(at(1550)), second / 2));
        schedule.started(at(1550), INTERVAL);
        schedule.ended(at(1600), true, false, INTERVAL);
        assert_eq!(schedule.patience(second), second, "it was well after all");
    }

    #[test]
    fn a_bad_probe_without_evidence_keeps_the_interval() {
        assert_eq!(probed(0, false).wakeup(), Some(at(2000)));
        assert_eq!(probed(0, false).patience(INTERVAL), INTERVAL);
    }

    #[test]
    fn evidence_during_a_probe_that_ends_well_is_still_looked_into() {
        let mut schedule = probed(0, true);
        schedule.started(at(2000), INTERVAL);
        schedule.suspected(at(2010), false, INTERVAL);
        schedule.ended(at(2020), true, false, INTERVAL);
        assert!(schedule.due(at(2020)));
        schedule.started(at(2020), INTERVAL);
        schedule.ended(at(2021), false, false, INTERVAL);
        assert_eq!(schedule.wakeup(), Some(at(2071)));
    }

    #[test]
    fn a_backend_that_is_always_slow_and_always_well_is_looked_at_more_rarely_but_not_too_rarely() {
        let mut schedule = Schedule::new(at(0));
        let mut probes = Vec::new();
        for ms in 0..60_000 {
            if schedule.due(at(ms)) {
                probes.push(ms);
                schedule.started(at(ms), INTERVAL);
                schedule.suspected(at(ms), true, INTERVAL);
                schedule.ended(at(ms), true, false, INTERVAL);
            }
            schedule.suspected(at(ms), true, INTERVAL);
        }
        assert!((150..190).contains(&probes.len()), "{} probes in a minute: {probes:?}", probes.len());
        // What fails is looked at as soon as ever.
        schedule.suspected(at(60_000), false, INTERVAL);
        assert!(schedule.wakeup().is_some_and(|next| next <= at(60_100)));
        // And so is what is slow again after a quiet time.
        for ms in [62_000, 64_000] {
            schedule.started(at(ms), INTERVAL);
            schedule.ended(at(ms + 1), true, false, INTERVAL);
        }
        schedule.suspected(at(64_500), true, INTERVAL);
        assert!(schedule.due(at(64_500)));
    }

    #[test]
    fn jitter_keeps_the_mean() {
        assert_eq!(jittered(INTERVAL, 0.5, 0.0), Duration::from_millis(1500));
        assert_eq!(jittered(INTERVAL, 0.5, 0.5), INTERVAL);
        assert_eq!(jittered(INTERVAL, 0.0, 0.9), INTERVAL);
    }
}
