//! Words: what happened and what it was decided from, for people.

use std::time::Duration;

use super::decision::{BackendGrounds, ProbeSample};
use super::{BackendPolicy, BackendState, Steering};
use crate::model::{BackendName, Cause, Moment, Phase};

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

    pub(super) fn explain(&self, cause: Cause, note: Option<String>, latches: bool) -> String {
        let rules = &self.policy().failback;
        let hold = span(rules.hold);
        let active = self.active().and_then(|active| self.name(active));
        let active = active.as_ref().map_or("none", BackendName::as_str);
        let mut text = match cause {
            Cause::HoldOver => format!("{active} was ready for the hold of {hold}"),
            _ => note.unwrap_or_else(|| match self.phase() {
                Phase::AwaitingApproval => format!("the hold of {hold} is over"),
                _ => format!("{active} is available again"),
            }),
        };
        if latches {
            let flap = &self.policy().flap;
            let within = span(flap.within);
            text.push_str(&format!(
                "; more than {} failovers within {within}: it stays here until released",
                flap.failovers
            ));
        }
        let back = self.active().and_then(|active| self.field().better(active)).and_then(|back| self.name(back));
        match (self.phase(), back) {
            (Phase::AllDown, _) if self.active().is_none() => text.push_str("; no backend may be tried"),
            (Phase::AllDown, _) => text.push_str("; no backend is available, all are tried"),
            (Phase::Holding, Some(back)) => text.push_str(&format!("; back to {back} after {hold} of readiness")),
            (Phase::AwaitingApproval, _) => text.push_str("; only an operator moves it back"),
            _ => {}
        }
        text
    }

    pub(super) fn grounds(&self, now: Moment) -> Vec<BackendGrounds> {
        let both = self.policy().backends.iter().zip(self.backends()).enumerate();
        let one = |(index, (policy, state)): (usize, (&BackendPolicy, &BackendState))| BackendGrounds {
            name: policy.name.clone(),
            health: state.health(),
            drained: state.drained,
            ready: state.ready(self.policy()),
            probes: state.probes.streak,
            probe_error: state.probes.error.clone(),
            samples: state.probes.recent.iter().map(|(at, error)| sample(now, *at, error)).collect(),
            evidence: state.evidence.tally(&self.policy().evidence, now),
            parity: state.parity.notes.clone(),
            rejected: self.rejected(index, state),
        };
        both.map(one).collect()
    }

    /// Why a backend is not the active one.
    fn rejected(&self, backend: usize, state: &BackendState) -> Option<String> {
        let active = self.active()?;
        if active == backend {
            return None;
        }
        let lacks = state.lacks(self.policy());
        if !lacks.is_empty() {
            return Some(lacks.join("; "));
        }
        let name = self.name(active)?;
        Some(match (self.phase(), self.field().rank(backend) > self.field().rank(active)) {
            (_, true) => format!("{name} comes before it"),
            (Phase::Holding, _) => format!("it must stay ready for the hold of {}", span(self.policy().failback.hold)),
            (phase, _) => format!("the pool is {phase}"),
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
