//! Words: what happened and what it was decided from, for people.

use std::time::Duration;

use super::decide::Effect;
use super::decision::{BackendGrounds, ProbeSample};
use super::{BackendPolicy, BackendState, Steering};
use crate::model::{BackendName, Cause, FailbackMode, Moment, Now, ParityVerdict, Phase};

/// A span as people write it: `90 s`, `2 min`, `1 h 30 min`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds < 120 || span.subsec_nanos() > 0 {
        return format!("{} s", (span.as_secs_f64() * 1000.0).round() / 1000.0);
    }
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}"));
    parts.collect::<Vec<_>>().join(" ")
}

impl Steering {
    pub(super) fn probe_note(&self, backend: usize) -> Option<String> {
        let probes = &self.backends().get(backend)?.probes;
        let name = self.name(backend)?;
        let many = if probes.streak == 1 { "probe" } else { "probes in a row" };
        Some(match &probes.error {
            Some(error) => format!("{name}: {} {many} failed: {error}", probes.streak),
            None => format!("{name}: {} {many} good", probes.streak),
        })
    }

    pub(super) fn evidence_note(&self, backend: usize, now: Moment) -> Option<String> {
        let name = self.name(backend)?;
        let rules = &self.policy().evidence;
        let tally = self.backends().get(backend)?.evidence.tally(rules, now);
        let within = span(rules.within);
        Some(format!("{name}: {} of {} attempts failed within {within}", tally.failures, tally.attempts))
    }

    pub(super) fn parity_note(&self, backend: usize) -> Option<String> {
        let (name, parity) = (self.name(backend)?, &self.backends().get(backend)?.parity);
        let verdict = match parity.verdict {
            ParityVerdict::Unchecked => "parity is not checked",
            ParityVerdict::Unknown => "its parity is unknown",
            ParityVerdict::InStep => "in step",
            ParityVerdict::Drifted => "out of step",
        };
        let notes = if parity.notes.is_empty() { String::new() } else { format!(" ({})", parity.notes.join("; ")) };
        Some(format!("{name}: {verdict}{notes}"))
    }

    /// Why the pool is as it is: what happened, and what follows from it.
    pub(super) fn explain(&self, effect: &Effect, held: Option<usize>, latches: bool, unforced: bool) -> String {
        let hold = span(self.policy().failback.hold);
        let active = self.active().map_or_else(|| "none".into(), |active| self.called(active));
        let mut text = match (effect.cause, held, &effect.note) {
            (Cause::HoldOver, Some(held), _) => format!("{} was ready for the hold of {hold}", self.called(held)),
            (_, _, Some(note)) => note.clone(),
            _ => format!("{active} is available"),
        };
        if unforced {
            text.push_str(&format!("; {active}, moved to by force, is found good"));
        }
        if latches {
            let within = span(self.policy().flap.within);
            let budget = self.policy().flap.failovers;
            text.push_str(&format!("; more than {budget} failovers within {within}: it stays here until released"));
        }
        if let Some(more) = self.outlook(&active) {
            text.push_str(&format!("; {more}"));
        }
        text
    }

    fn is_available(&self) -> bool {
        self.active().is_some_and(|active| self.field().available(active))
    }

    /// What a phase means for what comes next.
    fn outlook(&self, active: &BackendName) -> Option<String> {
        let hold = span(self.policy().failback.hold);
        let back = self.active().and_then(|active| self.field().better(active)).map(|back| self.called(back));
        let shut = (0..self.backends().len()).find(|b| self.field().available(*b) && self.backends()[*b].barred());
        Some(match (self.phase(), back) {
            (Phase::AllDown, _) => match (shut, self.active()) {
                (Some(shut), _) => format!(
                    "no other backend is available but {}, which is out of step: only an operator moves there, by force",
                    self.called(shut)
                ),
                (None, None) => "no backend is available, and none may be tried".into(),
                (None, Some(_)) => "no backend is available, all are tried".into(),
            },
            _ if self.standing().forced && !self.is_available() => {
                format!("{active} stays although it is not available")
            }
            (Phase::Holding, Some(back)) => match self.policy().failback.mode {
                FailbackMode::Window => {
                    format!("back to {back} after {hold} of readiness, in a window of failback.windows")
                }
                FailbackMode::Approve => format!("{back} may be moved back to after {hold} of readiness"),
                _ => format!("back to {back} after {hold} of readiness"),
            },
            (Phase::AwaitingApproval, _) => "only an operator moves it back".into(),
            _ => return None,
        })
    }

    pub(super) fn grounds(&self, now: Now) -> Vec<BackendGrounds> {
        let both = self.policy().backends.iter().zip(self.backends()).enumerate();
        let one = |(index, (policy, state)): (usize, (&BackendPolicy, &BackendState))| BackendGrounds {
            name: policy.name.clone(),
            health: state.health(),
            drained: state.drained,
            ready: state.ready(self.policy()),
            probes: state.probes.streak,
            probe_error: state.probes.error.clone(),
            samples: state.probes.recent.iter().map(|(at, error)| sample(now.at, *at, error)).collect(),
            evidence: state.evidence.tally(&self.policy().evidence, now.at),
            parity: state.parity.notes.clone(),
            rejected: self.rejected(index, state),
        };
        both.map(one).collect()
    }

    /// Why a backend is not the active one.
    fn rejected(&self, backend: usize, state: &BackendState) -> Option<String> {
        if self.active() == Some(backend) {
            return None;
        }
        let lacks = state.lacks(self.policy());
        if !lacks.is_empty() {
            return Some(lacks.join("; "));
        }
        let Some(active) = self.active() else { return Some("no backend may be tried".into()) };
        let name = self.called(active);
        let standing = self.standing();
        let waits = |hold: &str| format!("it must stay ready for the hold of {hold}");
        Some(match self.phase() {
            Phase::Pinned => format!("the pool is pinned to {name}"),
            Phase::Drill => format!("a drill is under way on {name}"),
            _ if standing.forced && !self.is_available() => format!("an operator moved the pool to {name} by force"),
            Phase::Latched => format!("the pool is latched on {name}"),
            _ if self.field().rank(backend) > self.field().rank(active) => format!("{name} comes before it"),
            Phase::AwaitingApproval => "only an operator moves the pool back".into(),
            Phase::Holding => waits(&span(self.policy().failback.hold)),
            _ if self.policy().failback.mode == FailbackMode::Never => {
                "failback.mode is \"never\": only an operator moves the pool back".into()
            }
            _ if self.region().is_some() => "the pool that this one follows is elsewhere".into(),
            phase => format!("the pool is {phase}"),
        })
    }
}

fn sample(now: Moment, at: Moment, error: &Option<String>) -> ProbeSample {
    let ago_ms = now.since(at).as_millis().try_into().unwrap_or(u64::MAX);
    ProbeSample { ago_ms, error: error.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_people_say_them() {
        for (seconds, text) in
            [(0.25, "0.25 s"), (60.0, "60 s"), (600.0, "10 min"), (5400.0, "1 h 30 min"), (86_400.0, "1 d")]
        {
            assert_eq!(span(Duration::from_secs_f64(seconds)), text);
        }
    }
}
