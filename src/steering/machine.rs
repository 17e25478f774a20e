//! The state machine of a pool.

use super::decision::{BackendGrounds, Decision, Observation, Step};
use super::failback::{Failback, assess};
use super::{BackendState, Policy, choice};
use crate::model::{BackendName, Cause, Direction, FailbackMode, Health, Moment, Phase};

/// Which backend of a pool is active, and why.
///
/// The active backend changes only here, at most once per observation, and every change is a [`Decision`] that raises the
/// epoch by one.
#[derive(Clone, Debug, PartialEq)]
pub struct Steering {
    policy: Policy,
    backends: Vec<BackendState>,
    active: Option<usize>,
    phase: Phase,
    since: Moment,
    epoch: u64,
    reason: String,
}

/// Where the machine should stand.
struct Target {
    active: Option<usize>,
    phase: Phase,
    /// Whether the move is a failback that waited for its hold.
    held: bool,
}

impl Steering {
    /// A pool at its start: every backend unknown, the first priority active, epoch 1.
    pub fn start(policy: Policy, now: Moment) -> (Self, Decision) {
        let backends = vec![BackendState::default(); policy.backends.len()];
        let active = choice::active(&policy, &backends, None);
        let mut machine = Self {
            policy,
            backends,
            active,
            phase: Phase::Steady,
            since: now,
            epoch: 1,
            reason: "the pool was started".into(),
        };
        machine.settle(now);
        let decision = Decision {
            before: None,
            after: machine.name(active),
            phase_before: machine.phase,
            phase: machine.phase,
            epoch: machine.epoch,
            cause: Cause::Start,
            direction: None,
            reason: machine.reason.clone(),
            first_sign: None,
            grounds: machine.grounds(now),
        };
        (machine, decision)
    }

    /// Takes one observation in. An index that the policy does not have changes nothing.
    pub fn step(&mut self, observation: Observation, now: Moment) -> Step {
        let health: Vec<Health> = self.backends.iter().map(BackendState::health).collect();
        let before = self.name(self.active);
        let reload = matches!(observation, Observation::Reload { .. });
        let (cause, note) = self.take_in(observation, now);
        for backend in &mut self.backends {
            backend.advance(&self.policy, now);
        }
        self.settle(now);

        let changed = |(b, was): (usize, Health)| (self.backends.get(b)?.health() != was).then_some((b, was));
        // After a reload the indices mean other backends: who was kept kept its health, who was not has none.
        let health = if reload { Vec::new() } else { health.into_iter().enumerate().filter_map(changed).collect() };
        Step { decision: self.decide(before, cause, note, now), health }
    }

    /// When time alone will change something, at the earliest.
    pub fn next_wakeup(&self) -> Option<Moment> {
        let lift = |b: &BackendState| b.evidence.until().filter(|_| self.policy.probes.is_none());
        let lifted = self.backends.iter().filter_map(lift);
        // In the other modes a hold that is over waits for somebody, not for a time.
        let timed = matches!(self.policy.failback, FailbackMode::Auto | FailbackMode::Approve);
        let active = self.active.filter(|_| timed && self.phase == Phase::Holding);
        let candidate = active.and_then(|active| choice::better(&self.policy, &self.backends, active));
        let hold = candidate.and_then(|b| self.backends[b].sound_since).map(|since| since + self.policy.hold);
        lifted.chain(hold).min()
    }

    /// The order in which a request tries the backends: the active one first. Empty when none may be tried.
    pub fn order(&self) -> Vec<usize> {
        choice::order(&self.policy, &self.backends, self.active)
    }

    /// The rules.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The backends, as the policy numbers them.
    pub fn backends(&self) -> &[BackendState] {
        &self.backends
    }

    /// The active backend; none when all are drained, or down under `all_down = "reject"`.
    pub fn active(&self) -> Option<usize> {
        self.active
    }

    /// Where the machine stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Since when it stands there.
    pub fn since(&self) -> Moment {
        self.since
    }

    /// Grows by one at every change of the active backend; 1 at the start.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Why the pool is as it is, in words.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Applies an observation to the backends, and says what to name as cause if it leads to a decision.
    fn take_in(&mut self, observation: Observation, now: Moment) -> (Cause, Option<String>) {
        match observation {
            Observation::Probe { backend, result } => {
                let good = result.is_ok();
                if let Some(state) = self.backends.get_mut(backend) {
                    state.probed(result, &self.policy, now);
                }
                (if good { Cause::Recovered } else { Cause::Probes }, self.probe_note(backend))
            }
            Observation::Evidence { backend, counted } => {
                if let Some(state) = self.backends.get_mut(backend) {
                    if counted.failures > 0 {
                        state.suspect(&self.policy, now);
                    }
                    state.evidence.record(counted, &self.policy.evidence, now);
                }
                (Cause::Evidence, self.evidence_note(backend, now))
            }
            Observation::Suspect { backend } => {
                if let Some(state) = self.backends.get_mut(backend) {
                    state.suspect(&self.policy, now);
                }
                (Cause::Evidence, None)
            }
            Observation::Drain { backend, note } => {
                self.backends.get_mut(backend).into_iter().for_each(|state| state.drained = true);
                (Cause::Drained, Some(note))
            }
            Observation::Resume { backend, note } => {
                self.backends.get_mut(backend).into_iter().for_each(|state| state.drained = false);
                (Cause::Resumed, Some(note))
            }
            Observation::Tick => (Cause::Recovered, None),
            Observation::Reload { policy, kept } => {
                self.reload(policy, &kept);
                (Cause::Reload, Some("a new config was applied".into()))
            }
        }
    }

    fn reload(&mut self, policy: Policy, kept: &[Option<usize>]) {
        let old = |b: usize| kept.get(b).copied().flatten().filter(|&old| old < self.backends.len());
        let all = 0..policy.backends.len();
        let state = |b| old(b).map(|old| self.backends[old].clone().reloaded(&policy)).unwrap_or_default();
        let backends = all.clone().map(state).collect();
        let active = self.active.and_then(|active| all.clone().find(|&b| old(b) == Some(active)));
        (self.policy, self.backends, self.active) = (policy, backends, active);
    }

    fn settle(&mut self, now: Moment) {
        for backend in &mut self.backends {
            backend.settle(&self.policy, now);
        }
    }

    /// Where the machine should stand, as the backends are now.
    fn target(&self, now: Moment) -> Target {
        let active = choice::active(&self.policy, &self.backends, self.active);
        let Some(active) = active.filter(|&b| self.backends[b].available()) else {
            return Target { active, phase: Phase::AllDown, held: false };
        };
        let at = |active, phase, held| Target { active: Some(active), phase, held };
        match assess(&self.policy, &self.backends, active, now) {
            Failback::Home => at(active, Phase::Steady, false),
            Failback::NoneBetter => at(active, Phase::FailedOver, false),
            Failback::Hold(_) => at(active, Phase::Holding, false),
            Failback::Stay(phase) => at(active, phase, false),
            Failback::Go(back) => {
                let phase =
                    if self.policy.ranking().first() == Some(&back) { Phase::Steady } else { Phase::FailedOver };
                at(back, phase, true)
            }
        }
    }

    fn decide(
        &mut self,
        before: Option<BackendName>,
        cause: Cause,
        note: Option<String>,
        now: Moment,
    ) -> Option<Decision> {
        let target = self.target(now);
        // Compared by name, not by index: a reload renumbers. A backend of the same name at a new URL is another one.
        let gone = self.active.is_none() && before.is_some();
        let switch = gone || target.active != self.active;
        if !switch && target.phase == self.phase {
            return None;
        }
        let first_sign = self.first_sign(before.as_ref());
        let cause = if target.held { Cause::HoldOver } else { cause };
        let direction = switch.then(|| self.direction(before.is_some(), target.active));
        let phase_before = std::mem::replace(&mut self.phase, target.phase);
        if phase_before != target.phase {
            self.since = now;
        }
        self.active = target.active;
        self.epoch += u64::from(switch);
        self.reason = self.explain(cause, note);
        Some(Decision {
            before,
            after: self.name(self.active),
            phase_before,
            phase: self.phase,
            epoch: self.epoch,
            cause,
            direction,
            reason: self.reason.clone(),
            first_sign,
            grounds: self.grounds(now),
        })
    }

    fn direction(&self, from_any: bool, to: Option<usize>) -> Direction {
        match (self.active, to) {
            (Some(before), Some(after)) if self.policy.rank(after) < self.policy.rank(before) => Direction::Failback,
            // Out of nothing, except where a reload took the active backend away.
            (None, Some(_)) if !from_any => Direction::Failback,
            _ => Direction::Failover,
        }
    }

    fn first_sign(&self, name: Option<&BackendName>) -> Option<Moment> {
        let backend = self.policy.backends.iter().position(|b| Some(&b.name) == name)?;
        self.backends[backend].suspect_since
    }

    fn name(&self, backend: Option<usize>) -> Option<BackendName> {
        self.policy.backends.get(backend?).map(|b| b.name.clone())
    }

    fn grounds(&self, now: Moment) -> Vec<BackendGrounds> {
        let both = self.policy.backends.iter().zip(&self.backends);
        let one = |(policy, state): (&super::BackendPolicy, &BackendState)| BackendGrounds {
            name: policy.name.clone(),
            health: state.health(),
            drained: state.drained,
            probes: state.probes.streak,
            probe_error: state.probes.error.clone(),
            evidence: state.evidence.tally(&self.policy.evidence, now),
        };
        both.map(one).collect()
    }
}

/// Words: why, for people.
impl Steering {
    fn probe_note(&self, backend: usize) -> Option<String> {
        let probes = &self.backends.get(backend)?.probes;
        let name = &self.policy.backends.get(backend)?.name;
        let many = if probes.streak == 1 { "probe" } else { "probes in a row" };
        Some(match &probes.error {
            Some(error) => format!("{name}: {} {many} failed: {error}", probes.streak),
            None => format!("{name}: {} {many} good", probes.streak),
        })
    }

    fn evidence_note(&self, backend: usize, now: Moment) -> Option<String> {
        let name = &self.policy.backends.get(backend)?.name;
        let tally = self.backends.get(backend)?.evidence.tally(&self.policy.evidence, now);
        let within = self.policy.evidence.within.as_secs_f64();
        Some(format!("{name}: {} of {} attempts failed within {within} s", tally.failures, tally.attempts))
    }

    fn explain(&self, cause: Cause, note: Option<String>) -> String {
        let hold = self.policy.hold.as_secs_f64();
        let active = self.name(self.active);
        let active = active.as_ref().map_or("none", BackendName::as_str);
        let mut text = match cause {
            Cause::HoldOver => format!("{active} was healthy for the hold of {hold} s"),
            _ => note.unwrap_or_else(|| format!("{active} is available again")),
        };
        match self.phase {
            Phase::AllDown if self.active.is_none() => text.push_str("; no backend may be tried"),
            Phase::AllDown => text.push_str("; no backend is available, all are tried"),
            Phase::Holding => {
                let back = self.active.and_then(|active| choice::better(&self.policy, &self.backends, active));
                if let Some(back) = self.name(back) {
                    text.push_str(&format!("; back to {back} after {hold} s of health"));
                }
            }
            _ => {}
        }
        text
    }
}
