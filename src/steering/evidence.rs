//! The verdict of live traffic: failures against attempts within a span.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::EvidencePolicy;
use crate::model::Moment;

/// What live traffic has said of a backend so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvidenceState {
    /// Counts by slice of the span, oldest first; at most [`SLICES`] and one.
    slices: VecDeque<(Moment, Tally)>,
    standing: Option<Standing>,
}

/// Failed attempts against attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Attempts that failed by the backend's fault, or that it refused.
    pub failures: u64,
    /// Attempts, failed or not.
    pub attempts: u64,
}

/// A verdict that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    /// Until then nothing lifts it.
    until: Moment,
    /// Good probes in a row since then.
    good: u32,
    /// What it was made from.
    from: Tally,
}

/// A span is counted in so many slices, so that what it holds is bounded however much traffic there is.
const SLICES: u32 = 16;
/// The last part of the span, judged by itself: one in so many.
const RECENT: u32 = 4;

impl EvidenceState {
    /// Whether the verdict against the backend stands.
    pub fn stands(&self) -> bool {
        self.standing.is_some()
    }

    /// What was counted within the span that ends now.
    pub fn tally(&self, policy: &EvidencePolicy, now: Moment) -> Tally {
        self.tally_over(policy.within, now)
    }

    fn tally_over(&self, span: Duration, now: Moment) -> Tally {
        let recent = self.slices.iter().filter(|(at, _)| now.since(*at) <= span);
        recent.fold(Tally::default(), |sum, (_, slice)| Tally {
            failures: sum.failures.saturating_add(slice.failures),
            attempts: sum.attempts.saturating_add(slice.attempts),
        })
    }

    /// Takes counts in: what happened since the last time. A verdict that stands is prolonged when it is reached again.
    pub fn record(&mut self, counted: Tally, policy: &EvidencePolicy, now: Moment) {
        let Some(failures) = policy.failures else { return };
        self.add(counted, policy, now);
        let least = u64::from(failures.max(1));
        let bad = |tally: Tally, least: u64| {
            tally.failures >= least && tally.failures as f64 >= policy.share * tally.attempts as f64
        };
        // A backend that just turned bad has good attempts behind it, which would speak for it for half the span: what
        // it does now counts by itself, where there is twice as much of it.
        let (whole, lately) = (self.tally(policy, now), self.tally_over(policy.within / RECENT, now));
        let from = if bad(whole, least) { whole } else { lately };
        if counted.failures > 0 && (bad(whole, least) || bad(lately, 2 * least)) {
            self.standing = Some(Standing { until: now + policy.recover, good: 0, from });
        }
    }

    fn add(&mut self, counted: Tally, policy: &EvidencePolicy, now: Moment) {
        while self.slices.front().is_some_and(|(at, _)| now.since(*at) > policy.within) {
            self.slices.pop_front();
        }
        // An attempt may have begun before the counts that its failure came with.
        let counted = Tally { failures: counted.failures, attempts: counted.attempts.max(counted.failures) };
        match self.slices.back_mut() {
            Some((at, slice)) if now.since(*at) < policy.within / SLICES => {
                slice.failures = slice.failures.saturating_add(counted.failures);
                slice.attempts = slice.attempts.saturating_add(counted.attempts);
            }
            _ => self.slices.push_back((now, counted)),
        }
    }

    /// Takes a probe in: `rise` good ones in a row, counted after `recover`, lift the verdict.
    pub fn probed(&mut self, good: bool, rise: u32, now: Moment) {
        let Some(standing) = &mut self.standing else { return };
        if now < standing.until {
            return;
        }
        standing.good = if good { standing.good.saturating_add(1) } else { 0 };
        if standing.good >= rise {
            self.lift();
        }
    }

    /// What the verdict that stands was made from.
    pub fn convicted(&self) -> Option<Tally> {
        self.standing.map(|standing| standing.from)
    }

    /// When the verdict may be lifted at the earliest.
    pub fn until(&self) -> Option<Moment> {
        self.standing.map(|standing| standing.until)
    }

    /// Lifts the verdict and forgets what it was made from: it must not fall again from the same failures.
    pub fn lift(&mut self) {
        self.standing = None;
        self.slices.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const POLICY: EvidencePolicy = EvidencePolicy {
        failures: Some(5),
        within: Duration::from_secs(10),
        share: 0.5,
        recover: Duration::from_secs(30),
    };

    fn at(seconds: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(seconds))
    }

    fn counts(failures: u64, attempts: u64) -> Tally {
        Tally { failures, attempts }
    }

    #[test]
    fn a_backend_that_turns_bad_is_found_out_before_its_good_past_is_out_of_the_span() {
        let mut state = EvidenceState::default();
        for second in 0..8 {
            state.record(counts(0, 100), &POLICY, at(second));
        }
        state.record(counts(60, 100), &POLICY, at(12));
        assert!(state.stands(), "60 of 800 within the span, but 60 of the last 100");
        let mut state = EvidenceState::default();
        state.record(counts(0, 100), &POLICY, at(8));
        state.record(counts(9, 9), &POLICY, at(12));
        assert!(!state.stands(), "a few in a row are no trend");
    }

    #[test]
    fn enough_failures_that_are_a_large_enough_share_are_a_verdict() {
        let mut state = EvidenceState::default();
        state.record(counts(4, 4), &POLICY, at(1));
        assert!(!state.stands());
        state.record(counts(1, 1), &POLICY, at(2));
        assert!(state.stands());
    }

    #[test]
    fn few_failures_among_many_attempts_are_none() {
        let mut state = EvidenceState::default();
        state.record(counts(0, 100), &POLICY, at(1));
        state.record(counts(49, 0), &POLICY, at(2));
        assert!(!state.stands(), "49 of 149");
        state.record(counts(51, 51), &POLICY, at(3));
        assert!(state.stands(), "100 of 200");
    }

    #[test]
    fn failures_leave_the_span() {
        let mut state = EvidenceState::default();
        state.record(counts(4, 4), &POLICY, at(1));
        state.record(counts(4, 4), &POLICY, at(12));
        assert!(!state.stands());
        assert_eq!(state.tally(&POLICY, at(12)), counts(4, 4));
    }

    #[test]
    fn counts_are_bounded_however_many_come() {
        let mut state = EvidenceState::default();
        for ms in 0..100_000 {
            state.record(counts(0, 1), &POLICY, Moment::from_origin(Duration::from_millis(ms)));
        }
        assert!(state.slices.len() <= SLICES as usize + 1, "{} slices", state.slices.len());
    }

    #[test]
    fn good_probes_lift_a_verdict_only_after_recover_and_rise_in_a_row() {
        let mut state = EvidenceState::default();
        state.record(counts(5, 5), &POLICY, at(0));
        for second in 1..30 {
            state.probed(true, 2, at(second));
        }
        assert!(state.stands(), "recover is not over");
        for good in [true, false, true] {
            state.probed(good, 2, at(31));
            assert!(state.stands());
        }
        state.probed(true, 2, at(32));
        assert!(!state.stands());
        state.record(counts(1, 1), &POLICY, at(33));
        assert!(!state.stands(), "old failures are forgotten");
    }

    #[test]
    fn without_a_number_of_failures_there_is_never_a_verdict() {
        let policy = EvidencePolicy { failures: None, ..POLICY };
        let mut state = EvidenceState::default();
        state.record(counts(1000, 1000), &policy, at(0));
        assert!(!state.stands());
    }
}
