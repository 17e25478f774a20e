//! The state machine of a pool.

use super::choice::Field;
use super::decide::Effect;
use super::decision::{Decision, Observation, Step};
use super::saved::Saved;
use super::words::span;
use super::{BackendState, Policy, Standing};
use crate::model::{BackendName, Cause, FailbackMode, Health, Moment, Now, Phase, Utc};

/// Which backend of a pool is active, and why.
///
/// The active backend changes only here, at most once per observation or order, and every change is a [`Decision`] that
/// raises the epoch by one.
#[derive(Clone, Debug, PartialEq)]
pub struct Steering {
    pub(super) policy: Policy,
    pub(super) backends: Vec<BackendState>,
    pub(super) standing: Standing,
    /// For a pool that follows another: its backend in the region that the other is in.
    pub(super) region: Option<usize>,
    pub(super) active: Option<usize>,
    pub(super) phase: Phase,
    pub(super) since: Utc,
    pub(super) epoch: u64,
    pub(super) reason: String,
    /// Whether the phase is that of a former process, which no probe has confirmed or refuted yet.
    pub(super) restored: bool,
}

impl Steering {
    /// A pool at its start: every backend unknown, the first priority active, epoch 1.
    pub fn start(policy: Policy, now: Now) -> (Self, Decision) {
        let backends = vec![BackendState::default(); policy.backends.len()];
        let mut machine = Self {
            policy,
            backends,
            standing: Standing::default(),
            region: None,
            active: None,
            phase: Phase::Steady,
            since: now.utc,
            epoch: 1,
            reason: "the pool was started".into(),
            restored: false,
        };
        machine.active = machine.field().active(None, false);
        machine.settle(now.at);
        let decision = machine.first_decision(None, Cause::Start, now);
        (machine, decision)
    }

    /// A pool that goes on where a former process left it: same phase, same active backend, same epoch, and whatever held
    /// it. It moves only if its active backend is no longer in the config, or none was active. Health is not restored:
    /// probes will say.
    pub fn restore(policy: Policy, saved: &Saved, now: Now) -> (Self, Decision) {
        let find = |name: &BackendName| policy.backends.iter().position(|b| b.name == *name);
        let drained = |b: &super::BackendPolicy| saved.drained.contains(&b.name);
        let state = |b| BackendState { drained: drained(b), ..BackendState::default() };
        let standing = saved.standing(&find, now);
        let (active, region) = (saved.active.as_ref().and_then(find), saved.region.as_ref().and_then(find));
        let region = region.filter(|_| policy.follow.is_some());
        let backends = policy.backends.iter().map(state).collect();
        let (phase, since, epoch) = (saved.phase, saved.since, saved.epoch);
        let reason = saved.reason.clone();
        let mut machine =
            Self { policy, backends, standing, region, active, phase, since, epoch, reason, restored: true };
        let note = match &saved.active {
            Some(gone) if active.is_none() => format!("botgate was started again, without {gone}, which was active"),
            _ => format!("botgate was started again; before, the pool was {phase}: {}", saved.reason),
        };
        machine.settle(now.at);
        let before = saved.active.clone();
        let decision = machine.decide(before.clone(), Effect::seen(Cause::Restart, Some(note)), now);
        machine.relax();
        let decision = decision.unwrap_or_else(|| Decision {
            reason: format!("botgate was started again and goes on where it was: {}", saved.reason),
            ..machine.first_decision(before, Cause::Restart, now)
        });
        (machine, decision)
    }

    /// Takes one observation in. An index that the policy does not have changes nothing.
    pub fn step(&mut self, observation: Observation, now: Now) -> Step {
        let health = self.health();
        let before = self.active.and_then(|active| self.name(active));
        // After a reload the indices mean other backends: who was kept kept its health, who was not has none.
        let health = if matches!(observation, Observation::Reload { .. }) { Vec::new() } else { health };
        let effect = self.take_in(observation, now);
        self.settle_and_decide(health, before, effect, now)
    }

    /// What follows from what was taken in.
    pub(super) fn settle_and_decide(
        &mut self,
        health: Vec<Health>,
        before: Option<BackendName>,
        mut effect: Effect,
        now: Now,
    ) -> Step {
        if let Some(lifted) = self.advance(&health, now.at)
            && effect.actor.is_none()
            && effect.goal.is_none()
        {
            effect = lifted;
        }
        self.settle(now.at);
        if let Some(over) = self.lapse(now) {
            effect = effect.and(over);
        }
        let changed = |(b, was): (usize, Health)| (self.backends.get(b)?.health() != was).then_some((b, was));
        let health = health.into_iter().enumerate().filter_map(changed).collect();
        let decision = self.decide(before, effect, now);
        self.relax();
        Step { decision, health }
    }

    /// When time alone will change something, at the earliest.
    pub fn next_wakeup(&self, now: Now) -> Option<Moment> {
        let lift = |b: &BackendState| b.evidence.until().filter(|_| self.policy.probes.is_none());
        let lifted = self.backends.iter().filter_map(lift);
        let pin = self.standing.pin.as_ref().and_then(|pin| Some(pin.until?.at));
        let judged = |run: &&super::Run| !self.unjudged(run.origin);
        let drill = self.standing.drill.as_ref().filter(judged).map(|run| run.until.at);
        // In mode `never` a hold that is over changes nothing; in mode `approve` it ends in another phase, else in a move.
        let hold = match self.policy.failback.mode {
            FailbackMode::Approve => self.hold_over_at(),
            _ => self.failback_at(now),
        };
        lifted.chain(pin).chain(drill).chain(hold).min()
    }

    /// The order in which a request tries the backends: the active one first. Empty when none may be tried.
    pub fn order_of_attempts(&self) -> Vec<usize> {
        self.field().order(self.active)
    }

    /// All backends by priority, as the pool sees it now.
    pub fn ranking(&self) -> Vec<usize> {
        self.field().ranking()
    }

    /// The rules.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The backends, as the policy numbers them.
    pub fn backends(&self) -> &[BackendState] {
        &self.backends
    }

    /// What holds the pool.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The backend in the region of the pool that this one follows.
    pub fn region(&self) -> Option<usize> {
        self.region
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
    pub fn since(&self) -> Utc {
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

    pub(super) fn field(&self) -> Field<'_> {
        Field { policy: &self.policy, backends: &self.backends, region: self.region }
    }

    pub(super) fn health(&self) -> Vec<Health> {
        self.backends.iter().map(BackendState::health).collect()
    }

    pub(super) fn name(&self, backend: usize) -> Option<BackendName> {
        self.policy.backends.get(backend).map(|b| b.name.clone())
    }

    /// Its name, for a text.
    pub(super) fn called(&self, backend: usize) -> BackendName {
        self.name(backend).unwrap_or_else(|| "?".into())
    }

    /// What it lacks to be ready, for a text.
    pub(super) fn lacks(&self, backend: usize) -> String {
        self.backends.get(backend).map(|state| state.lacks(&self.policy).join("; ")).unwrap_or_default()
    }

    /// Lifts what only time lifts, and says so unless something got worse at the same moment: that explains more.
    fn advance(&mut self, before: &[Health], now: Moment) -> Option<Effect> {
        let mut lifted = Vec::new();
        for (index, backend) in self.backends.iter_mut().enumerate() {
            if backend.advance(&self.policy, now) {
                lifted.push(index);
            }
        }
        let bad = |(b, was): (&BackendState, &Health)| b.health() == Health::Unhealthy && *was != Health::Unhealthy;
        if lifted.is_empty() || self.backends.iter().zip(before).any(bad) {
            return None;
        }
        let after = span(self.policy.evidence.recover);
        let note = |b: usize| format!("{}: tried again, {after} after its requests failed", self.called(b));
        let note = lifted.into_iter().map(note).collect::<Vec<_>>().join("; ");
        Some(Effect::seen(Cause::Recovered, Some(note)))
    }

    fn settle(&mut self, now: Moment) {
        for backend in &mut self.backends {
            backend.settle(&self.policy, now);
        }
        self.restored = self.still_restored();
    }
}
