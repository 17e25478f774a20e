//! The verdict of probes: a counter of consecutive results.

use std::collections::VecDeque;

use super::ProbePolicy;
use crate::model::{Health, Moment};

/// Results that are kept, to be shown beside a decision.
const KEPT: usize = 8;

/// What the probes of a backend have said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeState {
    /// Their verdict.
    pub verdict: Health,
    /// How many in a row ended as the last one did; zero before the first.
    pub streak: u32,
    /// Why the last one failed; none when it was good, or before the first.
    pub error: Option<String>,
    /// The last results, oldest first: when each came, and why it was bad.
    pub recent: VecDeque<(Moment, Option<String>)>,
}

impl ProbeState {
    /// Takes one result in.
    ///
    /// The first good probe of a backend without a verdict is enough; a bad verdict always takes `fall` in a row.
    pub fn record(&mut self, result: Result<(), String>, policy: ProbePolicy, now: Moment) {
        let error = result.err();
        let same = self.streak > 0 && self.error.is_some() == error.is_some();
        self.streak = if same { self.streak.saturating_add(1) } else { 1 };
        let needed = match (self.verdict, error.is_some()) {
            (Health::Unknown, false) => 1,
            (_, false) => policy.rise,
            (_, true) => policy.fall,
        };
        if self.streak >= needed {
            self.verdict = if error.is_some() { Health::Unhealthy } else { Health::Healthy };
        }
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back((now, error.clone()));
        self.error = error;
    }

    /// Whether the last probe was good.
    pub fn last_was_good(&self) -> bool {
        self.streak > 0 && self.error.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: ProbePolicy = ProbePolicy { fall: 2, rise: 3 };

    fn after(results: &str) -> ProbeState {
        let mut state = ProbeState::default();
        for result in results.chars() {
            state.record(if result == '+' { Ok(()) } else { Err("refused".into()) }, POLICY, Moment::ZERO);
        }
        state
    }

    #[test]
    fn verdicts_follow_fall_and_rise() {
        for (results, verdict) in [
            ("", Health::Unknown),
            ("+", Health::Healthy),
            ("-", Health::Unknown),
            ("--", Health::Unhealthy),
            ("-+", Health::Healthy),
            ("+-", Health::Healthy),
            ("+-+-+-", Health::Healthy),
            ("+--", Health::Unhealthy),
            ("--+", Health::Unhealthy),
            ("--++", Health::Unhealthy),
            ("--++-++", Health::Unhealthy),
            ("--+++", Health::Healthy),
        ] {
            assert_eq!(after(results).verdict, verdict, "after {results:?}");
        }
    }

    #[test]
    fn the_streak_counts_equal_results_in_a_row() {
        assert_eq!(after("").streak, 0);
        assert_eq!(after("--+").streak, 1);
        assert_eq!(after("+---").streak, 3);
        assert!(after("-+").last_was_good());
        assert!(!after("").last_was_good());
    }
}
