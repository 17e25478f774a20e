//! What an observation changes, before anything is decided from it.

use super::decide::Effect;
use super::decision::Observation;
use super::{BackendState, Policy, Steering};
use crate::model::{Cause, Now, WhenUnavailable};

impl Steering {
    /// Applies an observation to the backends, and says what to name as cause if it leads to a decision.
    pub(super) fn take_in(&mut self, observation: Observation, now: Now) -> Effect {
        match observation {
            Observation::Probe { backend, result } => {
                let cause = if result.is_ok() { Cause::Recovered } else { Cause::Probes };
                if let Some(state) = self.backends.get_mut(backend) {
                    state.probed(result, &self.policy, now.at);
                }
                Effect::seen(cause, self.probe_note(backend))
            }
            Observation::Evidence { backend, counted } => {
                if let Some(state) = self.backends.get_mut(backend) {
                    if counted.failures > 0 {
                        state.suspect(&self.policy, now.at);
                    }
                    state.evidence.record(counted, &self.policy.evidence, now.at);
                }
                Effect::seen(Cause::Evidence, self.evidence_note(backend, now.at))
            }
            Observation::Suspect { backend } => {
                if let Some(state) = self.backends.get_mut(backend) {
                    state.suspect(&self.policy, now.at);
                }
                Effect::seen(Cause::Evidence, None)
            }
            Observation::Parity { backend, parity } => {
                if let Some(state) = self.backends.get_mut(backend) {
                    state.parity = parity;
                }
                Effect::seen(Cause::Parity, self.parity_note(backend))
            }
            Observation::Followed { region, note } => self.follow(region, note, now),
            Observation::DrillHurts { why } => match self.standing.drill.take() {
                None => Effect::seen(Cause::Recovered, None),
                Some(run) => Effect {
                    goal: self.flee_to(run.origin),
                    ..Effect::seen(Cause::DrillAborted, Some(format!("the drill was given up: {why}")))
                },
            },
            Observation::Tick => Effect::seen(Cause::Recovered, None),
            Observation::Reload { policy, kept } => self.reload(policy, &kept),
        }
    }

    /// A pool that follows goes along at once, where it can and nothing else holds it. Where it cannot, its way to the
    /// region is a way back like any other, and its hold begins now.
    fn follow(&mut self, region: Option<usize>, note: String, now: Now) -> Effect {
        let region = region.filter(|region| *region < self.backends.len() && self.policy.follow.is_some());
        let mut effect = Effect::seen(Cause::Followed, Some(note));
        if std::mem::replace(&mut self.region, region) == region {
            return effect;
        }
        self.standing.hold_from = Some(now.at);
        let held = self.standing.pin.is_some() || self.standing.drill.is_some();
        let held = held || self.standing.latched || self.standing.away;
        let Some(region) = region.filter(|_| !held) else { return effect };
        let field = self.field();
        effect.goal = match self.policy.follow {
            _ if field.ready(region) => Some(region),
            Some(WhenUnavailable::Priority) => field.ranking().into_iter().find(|b| *b != region && field.ready(*b)),
            _ => None,
        };
        effect
    }

    fn reload(&mut self, policy: Policy, kept: &[Option<usize>]) -> Effect {
        let old = |b: usize| kept.get(b).copied().flatten().filter(|&old| old < self.backends.len());
        let all = 0..policy.backends.len();
        // A drain is an order about a name: a new URL behind it does not bring the backend back in.
        let drained = |b: usize| {
            let named = self.policy.backends.iter().position(|was| was.name == policy.backends[b].name);
            named.is_some_and(|was| self.backends[was].drained)
        };
        let newcomer = |b: usize| BackendState { drained: drained(b), ..BackendState::default() };
        let kept_state = |old: usize| self.backends[old].clone().reloaded(&policy);
        let backends = all.clone().map(|b| old(b).map_or_else(|| newcomer(b), kept_state)).collect();
        let new = |was: usize| all.clone().find(|&b| old(b) == Some(was));
        let mut note = "a new config was applied".to_owned();
        if let Some(pin) = self.standing.pin.as_ref().filter(|pin| new(pin.backend).is_none()) {
            note.push_str(&format!("; the pin went with its backend {}", self.called(pin.backend)));
        }
        let gone = |b: &usize| new(*b).is_none();
        if let Some(b) = self.standing.drill.as_ref().and_then(|run| [run.target, run.origin].into_iter().find(gone)) {
            note.push_str(&format!("; the drill ended with its backend {}", self.called(b)));
        }
        let (active, region) = (self.active.and_then(new), self.region.and_then(new));
        let region = region.filter(|_| policy.follow.is_some());
        self.standing.renumber(new);
        (self.policy, self.backends, self.active, self.region) = (policy, backends, active, region);
        Effect::seen(Cause::Reload, Some(note))
    }
}
