//! The state of one backend: two verdicts kept apart, and the rule that combines them.

use super::{BackendParity, EvidenceState, Policy, ProbeState, Tally};
use crate::model::{Health, Moment, ParityVerdict};

/// What steering knows of one backend. It has the backend's identity, and survives a reload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackendState {
    /// What probes say.
    pub probes: ProbeState,
    /// What live traffic says.
    pub evidence: EvidenceState,
    /// What its parity checks say.
    pub parity: BackendParity,
    /// Whether an operator took it out.
    pub drained: bool,
    /// Since when it has been sound without interruption.
    pub(super) sound_since: Option<Moment>,
    /// The first sign of trouble that no good probe has answered yet.
    pub(super) suspect_since: Option<Moment>,
}

/// The policy over both verdicts: traffic convicts whatever probes say, since it is what the backend is for; it never
/// acquits, since no traffic is no proof.
fn combine(probes: Health, evidence_stands: bool) -> Health {
    if evidence_stands { Health::Unhealthy } else { probes }
}

impl BackendState {
    /// The health, from both verdicts.
    pub fn health(&self) -> Health {
        combine(self.probes.verdict, self.evidence.stands())
    }

    /// Whether requests may go to it: not drained, and not known to be bad.
    pub fn available(&self) -> bool {
        !self.drained && self.health() != Health::Unhealthy
    }

    /// Whether it could take over now: not drained, known to be good, and known to be in step where that is checked. Where
    /// probing is off nothing can be known to be good, and nothing bad known is enough.
    pub fn ready(&self, policy: &Policy) -> bool {
        let health = self.health();
        let sound = health == Health::Healthy || (policy.probes.is_none() && health == Health::Unknown);
        let in_step = matches!(self.parity.verdict, ParityVerdict::Unchecked | ParityVerdict::InStep);
        !self.drained && sound && in_step
    }

    /// Whether the gate is shut: out of step by a check that is required. Only an operator may move to it.
    pub fn barred(&self) -> bool {
        self.parity.required && self.parity.verdict == ParityVerdict::Drifted
    }

    /// Whether its parity checks are yet to be made for the first time.
    pub(super) fn parity_is_pending(&self) -> bool {
        self.parity.verdict == ParityVerdict::Unknown && self.parity.notes.is_empty()
    }

    /// What it lacks to be ready, in words; empty when it is.
    pub fn lacks(&self, policy: &Policy) -> Vec<String> {
        let mut lacks = Vec::new();
        if self.drained {
            lacks.push("it is drained".to_owned());
        }
        match self.health() {
            Health::Healthy => {}
            Health::Unknown if policy.probes.is_none() => {}
            Health::Unknown => lacks.push("no probe has found it good yet".to_owned()),
            Health::Unhealthy => lacks.push(match (&self.probes.verdict, &self.probes.error) {
                (Health::Unhealthy, Some(error)) => format!("it is unhealthy: {error}"),
                (Health::Unhealthy, None) => {
                    let rise = policy.probes.map_or(1, |probes| probes.rise);
                    format!("it is unhealthy: {} of {rise} good probes so far", self.probes.streak)
                }
                _ => match self.evidence.convicted() {
                    Some(Tally { failures, attempts }) => {
                        format!("it is unhealthy: {failures} of {attempts} attempts failed")
                    }
                    None => "it is unhealthy".to_owned(),
                },
            }),
        }
        match self.parity.verdict {
            ParityVerdict::Unchecked | ParityVerdict::InStep => {}
            ParityVerdict::Unknown if self.parity_is_pending() => {
                lacks.push("its parity is not checked yet".to_owned())
            }
            ParityVerdict::Unknown => lacks.push(format!("its parity is unknown: {}", self.parity.notes.join("; "))),
            ParityVerdict::Drifted => {
                let required = if self.parity.required { " (gate = \"require\")" } else { "" };
                let notes = self.parity.notes.join("; ");
                let notes = if notes.is_empty() { notes } else { format!(": {notes}") };
                lacks.push(format!("it is out of step{required}{notes}"));
            }
        }
        lacks
    }

    /// Notes a sign of trouble. Without probes none of them would ever be answered, so there an old one is forgotten.
    pub(super) fn suspect(&mut self, policy: &Policy, now: Moment) {
        let old = |since: &Moment| policy.probes.is_none() && now.since(*since) > policy.evidence.within;
        self.suspect_since = Some(self.suspect_since.filter(|since| !old(since)).unwrap_or(now));
    }

    /// Takes a probe's result in.
    pub(super) fn probed(&mut self, result: Result<(), String>, policy: &Policy, now: Moment) {
        let Some(rules) = policy.probes else { return };
        let good = result.is_ok();
        self.probes.record(result, rules, now);
        self.evidence.probed(good, rules.rise, now);
        if !good {
            self.suspect(policy, now);
        } else if self.health() != Health::Unhealthy {
            self.suspect_since = None;
        }
    }

    /// What time alone changes: without probes nothing else could lift a verdict of live traffic. Tells whether it did.
    pub(super) fn advance(&mut self, policy: &Policy, now: Moment) -> bool {
        let over = policy.probes.is_none() && self.evidence.until().is_some_and(|until| until <= now);
        if over {
            self.evidence.lift();
            self.suspect_since = None;
        }
        over
    }

    /// Follows how long the backend has been sound.
    pub(super) fn settle(&mut self, policy: &Policy, now: Moment) {
        if self.ready(policy) {
            self.sound_since.get_or_insert(now);
        } else {
            self.sound_since = None;
        }
    }

    /// Fits a kept backend to new rules. Nothing is marked up, with one exception: where probing was turned off, no probe
    /// could ever lift what probes once said, so their verdict is dropped.
    pub(super) fn reloaded(mut self, policy: &Policy) -> Self {
        if policy.probes.is_none() {
            self.probes = ProbeState::default();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_convicts_and_never_acquits() {
        use Health::{Healthy, Unhealthy, Unknown};
        for (probes, evidence, health) in [
            (Unknown, false, Unknown),
            (Healthy, false, Healthy),
            (Unhealthy, false, Unhealthy),
            (Unknown, true, Unhealthy),
            (Healthy, true, Unhealthy),
            (Unhealthy, true, Unhealthy),
        ] {
            assert_eq!(combine(probes, evidence), health);
        }
    }
}
