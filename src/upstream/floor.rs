//! When the next connection to a standby is opened: pure, so that minutes of it are tested in no time.

use std::time::Duration;

use crate::model::Moment;

/// A connection that is closed earlier than this by its backend was not worth its handshake: the next one waits. A pool
/// whose `keep_alive` is shorter keeps no floor.
const SETTLED: Duration = Duration::from_secs(3);

/// This long before its expected end a connection is replaced, but not before half of its life is over.
const LEAD: Duration = Duration::from_secs(2);

/// Pauses after failures: the first, doubled with each that follows, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What one worker knows about keeping connections to one standby open: how long they last, and when to try again.
#[derive(Debug, Default)]
pub struct Floor {
    /// How long an unused connection lasts before its backend closes it; none: longer than was ever needed.
    lasts: Option<Duration>,
    /// Dials that failed and connections that did not last, in a row.
    failures: u32,
    failed_at: Moment,
    not_before: Moment,
}

/// The unused connections that stand open to one backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// For how long each of them has been unused.
    pub idle: Vec<Duration>,
    /// Whether they are shared (HTTP/2): then one carries as many requests as a floor ever holds.
    pub shared: bool,
    /// For how long the one that lasted longest had been unused when last seen open, among those that the backend was found
    /// to have closed this time.
    pub ended: Option<Duration>,
}

/// What a pool asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Connections to every standby.
    pub warm: usize,
    /// How long an unused connection is kept.
    pub keep_alive: Duration,
}

impl Wanted {
    fn enough(self, standing: &Standing) -> usize {
        if standing.shared { self.warm.min(1) } else { self.warm }
    }
}

impl Floor {
    /// Learns from what was found standing now, and from what was found closed.
    pub fn observe(&mut self, standing: &Standing, now: Moment) {
        if let Some(life) = standing.ended {
            self.lasts = Some(life);
            if life < SETTLED {
                self.failed(now);
            }
        }
        let oldest = standing.idle.iter().max().copied().unwrap_or_default();
        // One that outlives what was expected tells that the ones before ended for another reason: a restart, say.
        self.lasts = self.lasts.map(|lasts| lasts.max(oldest));
        // Only what was opened since tells that it goes well again.
        if standing.idle.iter().any(|idle| *idle >= SETTLED && *idle < now.since(self.failed_at)) {
            self.forgive();
        }
    }

    /// A dial failed.
    pub fn failed(&mut self, now: Moment) {
        let doubled = PAUSE.0.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.failed_at = now;
        self.not_before = now + doubled.min(PAUSE.1);
    }

    /// The standby may have changed altogether: nothing that went wrong before counts any more.
    pub fn forgive(&mut self) {
        self.failures = 0;
        self.not_before = Moment::ZERO;
    }

    /// Whether to open one more connection now.
    pub fn lacks(&self, standing: &Standing, wanted: Wanted, now: Moment) -> bool {
        let fresh = self.fresh(standing, wanted);
        // While it goes badly, one is enough to see whether it still does.
        let enough = if self.failures > 0 { 1 } else { wanted.enough(standing) };
        wanted.keep_alive >= SETTLED && now >= self.not_before && fresh < enough.min(wanted.warm)
    }

    /// Whether enough stands open for the next while without what is about to end.
    pub fn is_full(&self, standing: &Standing, wanted: Wanted) -> bool {
        self.fresh(standing, wanted) >= wanted.enough(standing)
    }

    fn fresh(&self, standing: &Standing, wanted: Wanted) -> usize {
        let fresh_for = self.fresh_for(wanted.keep_alive);
        standing.idle.iter().filter(|idle| **idle < fresh_for).count()
    }

    /// How long an unused connection counts; an older one is about to end, and only waits for its replacement.
    pub fn fresh_for(&self, keep_alive: Duration) -> Duration {
        let lasts = self.lasts.map_or(keep_alive, |lasts| lasts.min(keep_alive));
        // Never zero: what was opened this moment would not count, and the next would be opened at once, for ever.
        lasts.saturating_sub(LEAD).max(lasts / 2).max(PAUSE.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Wanted = Wanted { warm: 1, keep_alive: Duration::from_secs(60) };

    /// Plays a backend that closes unused connections after `lasts`, looked at each second: the moments, in seconds, at which
    /// a connection was opened, and the seconds that ended without one.
    fn play(floor: &mut Floor, wanted: Wanted, lasts: impl Fn(u64) -> f64, seconds: u64) -> (Vec<u64>, Vec<u64>) {
        let (mut dials, mut bare) = (Vec::new(), Vec::new());
        // Opened at, and how long it lasts.
        let mut open: Vec<(u64, f64)> = Vec::new();
        for second in 0..seconds {
            let now = Moment::from_origin(Duration::from_secs(second));
            let idle = |from: u64| Duration::from_secs(second - from);
            let over = |from: u64, lasts: f64| (second - from) as f64 > lasts;
            let ended = open.iter().filter(|(from, lasts)| over(*from, *lasts));
            let ended = ended.map(|(from, _)| idle(*from).saturating_sub(Duration::from_secs(1))).max();
            if open.iter().all(|(from, lasts)| over(*from, *lasts)) && !open.is_empty() {
                bare.push(second);
            }
            open.retain(|(from, lasts)| !over(*from, *lasts) && idle(*from) < wanted.keep_alive);
            let mut standing =
                Standing { idle: open.iter().map(|(from, _)| idle(*from)).collect(), shared: false, ended };
            floor.observe(&standing, now);
            while floor.lacks(&standing, wanted, now) {
                dials.push(second);
                open.push((second, lasts(second)));
                standing.idle.push(Duration::ZERO);
            }
            // The oldest stays until its end: it shows how long that takes.
            let fresh_for = floor.fresh_for(wanted.keep_alive);
            let oldest = open.iter().map(|(from, _)| *from).min();
            if floor.is_full(&standing, wanted) {
                open.retain(|(from, _)| idle(*from) < fresh_for || Some(*from) == oldest);
            }
        }
        (dials, bare)
    }

    #[test]
    fn a_floor_is_filled_at_once_and_replaced_before_keep_alive_ends_it() {
        let wanted = Wanted { warm: 3, ..ONE };
        let (dials, bare) = play(&mut Floor::default(), wanted, |_| f64::INFINITY, 130);
        assert_eq!(dials, [0, 0, 0, 58, 58, 58, 116, 116, 116]);
        assert!(bare.is_empty(), "{bare:?}");
    }

    #[test]
    fn what_a_backend_closes_early_is_replaced_just_before_from_the_second_time_on() {
        // Node's habit: five seconds.
        let (dials, bare) = play(&mut Floor::default(), ONE, |_| 5.0, 120);
        assert_eq!(bare, [6], "only the first end comes as a surprise");
        assert!(dials.len() <= 2 + 114 / 3, "{dials:?}");
    }

    #[test]
    fn a_backend_that_closes_at_once_is_not_dialed_each_second() {
        let wanted = Wanted { warm: 8, ..ONE };
        let (dials, _) = play(&mut Floor::default(), wanted, |_| 0.5, 300);
        // The whole floor once, then one at a time.
        let pauses: Vec<u64> = dials[7..].windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses[..7], [2, 3, 5, 9, 17, 31, 31], "{dials:?}");
    }

    #[test]
    fn a_restart_of_the_backend_is_no_habit_of_it() {
        // All that stands in second 100 ends then, and afterwards connections last for ever.
        let lasts = |second: u64| if second < 100 { (100 - second) as f64 } else { f64::INFINITY };
        let (dials, _) = play(&mut Floor::default(), ONE, lasts, 600);
        let late = dials.iter().filter(|second| **second > 200).count();
        assert!(late <= 400 / 50, "{dials:?}");
    }

    #[test]
    fn a_dead_standby_is_dialed_after_one_second_two_four_and_at_last_thirty() {
        let (mut floor, mut dials) = (Floor::default(), Vec::new());
        for second in 0..130 {
            let now = Moment::from_origin(Duration::from_secs(second));
            if floor.lacks(&Standing::default(), ONE, now) {
                dials.push(second);
                floor.failed(now);
            }
        }
        assert_eq!(dials, [0, 1, 3, 7, 15, 31, 61, 91, 121]);
        floor.forgive();
        assert!(floor.lacks(&Standing::default(), ONE, Moment::from_origin(Duration::from_secs(130))));
    }

    #[test]
    fn a_shared_connection_is_a_whole_floor() {
        let wanted = Wanted { warm: 8, ..ONE };
        let standing = |shared| Standing { idle: vec![Duration::ZERO], shared, ended: None };
        assert!(Floor::default().lacks(&standing(false), wanted, Moment::ZERO));
        assert!(!Floor::default().lacks(&standing(true), wanted, Moment::ZERO));
    }

    #[test]
    fn none_is_kept_where_none_is_wanted_or_none_would_last() {
        for wanted in [Wanted { warm: 0, ..ONE }, Wanted { keep_alive: Duration::from_secs(1), ..ONE }] {
            assert!(!Floor::default().lacks(&Standing::default(), wanted, Moment::ZERO), "{wanted:?}");
        }
    }
}
