//! The state of one backend: two verdicts kept apart, and the rule that combines them.

use super::{EvidenceState, Policy, ProbeState};
use crate::model::{Health, Moment};

/// What steering knows of one backend. It has the backend's identity, and survives a reload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackendState {
    /// What probes say.
    pub probes: ProbeState,
    /// What live traffic says.
    pub evidence: EvidenceState,
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

    /// Whether it could take over now: not drained, and known to be good. Where probing is off nothing can be known to be
    /// good, and nothing bad known is enough.
    pub fn ready(&self, policy: &Policy) -> bool {
        let health = self.health();
        !self.drained && (health == Health::Healthy || (policy.probes.is_none() && health == Health::Unknown))
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
        self.probes.record(result, rules);
        self.evidence.probed(good, rules.rise, now);
        if !good {
            self.suspect(policy, now);
        } else if self.health() != Health::Unhealthy {
            self.suspect_since = None;
        }
    }

    /// What time alone changes: without probes nothing else could lift a verdict of live traffic.
    pub(super) fn advance(&mut self, policy: &Policy, now: Moment) {
        if policy.probes.is_none() && self.evidence.until().is_some_and(|until| until <= now) {
            self.evidence.lift();
            self.suspect_since = None;
        }
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
