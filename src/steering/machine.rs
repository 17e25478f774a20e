//! The state machine of a pool.

use super::choice::Field;
use super::decision::{Decision, Observation, Step};
use super::failback::{Failback, assess};
use super::saved::Saved;
use super::{BackendState, Policy, Standing};
use crate::model::{BackendName, Cause, Direction, Health, Moment, Now, Phase, Utc, WhenUnavailable};

/// Which backend of a pool is active, and why.
///
/// The active backend changes only here, at most once per observation or order, and every change is a [`Decision`] that
/// raises the epoch by one.
#[derive(Clone, Debug, PartialEq)]
pub struct Steering {
    policy: Policy,
    backends: Vec<BackendState>,
    standing: Standing,
    /// For a pool that follows another: its backend in the region that the other is in.
    region: Option<usize>,
    active: Option<usize>,
    phase: Phase,
    since: Utc,
    epoch: u64,
    reason: String,
    /// Whether the phase is that of a former process, which no probe has confirmed or refuted yet.
    restored: bool,
}

/// What an observation or order asks for.
pub(super) struct Effect {
    /// What to name as the cause, if it leads to a decision.
    pub(super) cause: Cause,
    /// Why, in words.
    pub(super) note: Option<String>,
    /// Where to move at once, whatever the rules of the way back say.
    pub(super) goal: Option<usize>,
    /// Who ordered it: then it is a decision even if nothing moves.
    pub(super) actor: Option<String>,
}

impl Effect {
    fn seen(cause: Cause, note: Option<String>) -> Self {
        Self { cause, note, goal: None, actor: None }
    }
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
        let decision = machine.first_decision(Cause::Start, now);
        (machine, decision)
    }

    /// A pool that goes on where a former process left it: same phase, same active backend, same epoch, and whatever held
    /// it. It moves only if its active backend is no longer in the config. Health is not restored: probes will say.
    pub fn restore(policy: Policy, saved: &Saved, now: Now) -> (Self, Decision) {
        let find = |name: &BackendName| policy.backends.iter().position(|b| b.name == *name);
        let drained = |b: &super::BackendPolicy| saved.drained.contains(&b.name);
        let state = |b| BackendState { drained: drained(b), ..BackendState::default() };
        let standing = saved.standing(&find, now);
        let (active, region) = (saved.active.as_ref().and_then(find), saved.region.as_ref().and_then(find));
        let backends = policy.backends.iter().map(state).collect();
        let (phase, since, epoch) = (saved.phase, saved.since, saved.epoch);
        let reason = saved.reason.clone();
        let mut machine =
            Self { policy, backends, standing, region, active, phase, since, epoch, reason, restored: true };
        let gone = saved.active.is_some() && active.is_none();
        let note = match gone {
            true => "botgate was started again, without the backend that was active".to_owned(),
            false => format!("botgate was started again and goes on where it was: {}", saved.reason),
        };
        machine.settle(now.at);
        let before = saved.active.clone();
        let decision = machine.decide(before, Effect::seen(Cause::Restart, Some(note)), now);
        let decision = decision.unwrap_or_else(|| Decision {
            before: saved.active.clone(),
            ..machine.first_decision(Cause::Restart, now)
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
        for backend in &mut self.backends {
            backend.advance(&self.policy, now.at);
        }
        self.settle(now.at);
        if let Some(over) = self.lapse(now) {
            // An order is told as what it was; what it brought to its end follows from it.
            effect = if effect.actor.is_some() { effect } else { over };
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
        // In mode `never` a hold that is over changes nothing; else it ends in a move or in another phase, or it is over
        // and waits for a window.
        let hold = self.hold_over_at().filter(|at| *at > now.at).or_else(|| self.failback_at(now));
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

    pub(super) fn standing_mut(&mut self) -> &mut Standing {
        &mut self.standing
    }

    pub(super) fn set_drained(&mut self, backend: usize, drained: bool) {
        self.backends.get_mut(backend).into_iter().for_each(|state| state.drained = drained);
    }

    pub(super) fn health(&self) -> Vec<Health> {
        self.backends.iter().map(BackendState::health).collect()
    }

    pub(super) fn name(&self, backend: usize) -> Option<BackendName> {
        self.policy.backends.get(backend).map(|b| b.name.clone())
    }

    /// Applies an observation to the backends, and says what to name as cause if it leads to a decision.
    fn take_in(&mut self, observation: Observation, now: Now) -> Effect {
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
                let note = self.name(backend).map(|name| format!("{name}: {}", parity.notes.join("; ")));
                if let Some(state) = self.backends.get_mut(backend) {
                    state.parity = parity;
                }
                Effect::seen(Cause::Parity, note)
            }
            Observation::Followed { region, note } => self.follow(region, note),
            Observation::DrillHurts { why } => match self.standing.drill.take() {
                None => Effect::seen(Cause::Recovered, None),
                Some(run) => Effect {
                    goal: self.back_to(run.origin),
                    ..Effect::seen(Cause::DrillAborted, Some(format!("drill given up: {why}")))
                },
            },
            Observation::Tick => Effect::seen(Cause::Recovered, None),
            Observation::Reload { policy, kept } => {
                self.reload(policy, &kept);
                Effect::seen(Cause::Reload, Some("a new config was applied".into()))
            }
        }
    }

    /// A pool that follows goes along at once, where it can and nothing else holds it.
    fn follow(&mut self, region: Option<usize>, note: String) -> Effect {
        let moved = std::mem::replace(&mut self.region, region) != region;
        let held = self.standing.pin.is_some() || self.standing.drill.is_some();
        let held = held || self.standing.latched || self.standing.away;
        let mut effect = Effect::seen(Cause::Followed, Some(note));
        let Some(region) = region.filter(|_| moved && !held) else { return effect };
        let field = self.field();
        effect.goal = match self.policy.follow {
            _ if field.ready(region) => Some(region),
            Some(WhenUnavailable::Priority) => field.ranking().into_iter().find(|b| *b != region && field.ready(*b)),
            _ => None,
        };
        effect
    }

    fn reload(&mut self, policy: Policy, kept: &[Option<usize>]) {
        let old = |b: usize| kept.get(b).copied().flatten().filter(|&old| old < self.backends.len());
        let all = 0..policy.backends.len();
        let state = |b| old(b).map(|old| self.backends[old].clone().reloaded(&policy)).unwrap_or_default();
        let backends = all.clone().map(state).collect();
        let new = |was: usize| all.clone().find(|&b| old(b) == Some(was));
        self.standing.renumber(new);
        let (active, region) = (self.active.and_then(new), self.region.and_then(new));
        (self.policy, self.backends, self.active, self.region) = (policy, backends, active, region);
    }

    fn settle(&mut self, now: Moment) {
        for backend in &mut self.backends {
            backend.settle(&self.policy, now);
        }
        let field = self.field();
        // What the former process saw of the way back is confirmed or refuted by the first verdict about it.
        self.restored = self.restored && field.home().is_some_and(|home| self.unjudged(home));
    }

    /// Whether probes have yet to say how a backend is.
    fn unjudged(&self, backend: usize) -> bool {
        self.policy.probes.is_some() && self.backends[backend].health() == Health::Unknown
    }

    /// What held the pool where it was does so no longer once it is elsewhere, or once there is no need.
    fn relax(&mut self) {
        let field = self.field();
        let home = self.active.is_some() && self.active == field.home();
        let available = self.active.is_some_and(|active| field.available(active));
        self.standing.away &= !home;
        self.standing.forced &= !available;
    }

    /// Ends pins and drills that are over.
    fn lapse(&mut self, now: Now) -> Option<Effect> {
        let field = self.field();
        if let Some(pin) = &self.standing.pin {
            let name = self.name(pin.backend);
            let name = name.as_ref().map_or("?", BackendName::as_str);
            let other = field.choices().iter().any(|b| *b != pin.backend);
            let note = if pin.until.is_some_and(|until| until.at <= now.at) {
                format!("the pin to {name} is over")
            } else if pin.yield_when_down && !field.available(pin.backend) && other {
                format!("the pin to {name} gave way: {}", self.backends[pin.backend].lacks(&self.policy).join(", "))
            } else {
                return None;
            };
            self.standing.pin = None;
            self.standing.hold_from = Some(now.at);
            return Some(Effect::seen(Cause::PinOver, Some(note)));
        }
        let run = self.standing.drill.as_ref()?;
        let down = |b: usize| (!field.available(b)).then(|| self.backends[b].lacks(&self.policy).join(", "));
        let name = |b: usize| self.name(b).map(|name| name.to_string()).unwrap_or_default();
        let (cause, note) = match (down(run.target), down(run.origin)) {
            (Some(why), _) => (Cause::DrillAborted, format!("drill given up: {}: {why}", name(run.target))),
            (None, Some(why)) => (Cause::DrillAborted, format!("drill given up: {}: {why}", name(run.origin))),
            // After a restart: who may not give back yet because it was not probed yet would be left behind.
            (None, None) if run.until.at <= now.at && self.unjudged(run.origin) => return None,
            (None, None) if run.until.at <= now.at => (Cause::DrillOver, "the drill is over".to_owned()),
            (None, None) => return None,
        };
        let goal = self.back_to(run.origin);
        self.standing.drill = None;
        Some(Effect { goal, ..Effect::seen(cause, Some(note)) })
    }

    /// Where a drill that ends now gives back to; none when that one cannot take it.
    pub(super) fn way_back_from_drill(&self) -> Option<usize> {
        self.standing.drill.as_ref().and_then(|run| self.back_to(run.origin))
    }

    fn back_to(&self, origin: usize) -> Option<usize> {
        Some(origin).filter(|origin| self.field().ready(*origin))
    }

    /// Where the machine should stand, as the backends are now.
    fn target(&self, goal: Option<usize>, now: Now) -> Target {
        let field = self.field();
        let at = |active, phase, held| Target { active: Some(active), phase, held };
        if let Some(pin) = &self.standing.pin {
            return at(pin.backend, Phase::Pinned, false);
        }
        let active = goal.or(field.active(self.active, self.standing.forced));
        let Some(active) = active.filter(|&b| field.available(b) || self.standing.forced) else {
            return Target { active, phase: Phase::AllDown, held: false };
        };
        if !(0..self.backends.len()).any(|b| field.available(b)) {
            return at(active, Phase::AllDown, false);
        }
        if self.standing.drill.is_some() {
            return at(active, Phase::Drill, false);
        }
        if self.standing.latched {
            return at(active, Phase::Latched, false);
        }
        let unmoved = self.active == Some(active) && goal.is_none();
        if self.restored && unmoved && matches!(self.phase, Phase::Holding | Phase::AwaitingApproval) {
            return at(active, self.phase, false);
        }
        match assess(&field, &self.standing, active, now) {
            Failback::Home => at(active, Phase::Steady, false),
            Failback::NoneBetter => at(active, Phase::FailedOver, false),
            Failback::Hold(_) if unmoved && self.phase == Phase::AwaitingApproval => at(active, self.phase, false),
            Failback::Hold(_) => at(active, Phase::Holding, false),
            Failback::Stay(phase) => at(active, phase, false),
            // Who was moved here at once is not moved on in the same breath.
            Failback::Go(_) if goal.is_some() => at(active, Phase::Holding, false),
            Failback::Go(back) => {
                let phase = if field.home() == Some(back) { Phase::Steady } else { Phase::FailedOver };
                at(back, phase, true)
            }
        }
    }

    fn decide(&mut self, before: Option<BackendName>, effect: Effect, now: Now) -> Option<Decision> {
        let mut target = self.target(effect.goal, now);
        // Compared by name, not by index: a reload renumbers. A backend of the same name at a new URL is another one.
        let gone = self.active.is_none() && before.is_some();
        let switch = gone || target.active != self.active;
        if !switch && target.phase == self.phase && effect.actor.is_none() {
            return None;
        }
        let first_sign = self.first_sign(before.as_ref());
        let cause = if target.held { Cause::HoldOver } else { effect.cause };
        let direction = switch.then(|| self.direction(before.is_some(), target.active));
        let failover = direction == Some(Direction::Failover) && target.active.is_some();
        // Moves that somebody ordered, or that another pool made first, are no flapping.
        let own = matches!(cause, Cause::Probes | Cause::Evidence | Cause::Recovered);
        let latches = failover && own && self.standing.failed_over(self.policy.flap, now);
        if latches && target.phase != Phase::AllDown {
            (self.standing.latched, target.phase) = (true, Phase::Latched);
        }
        let phase_before = std::mem::replace(&mut self.phase, target.phase);
        if phase_before != target.phase {
            self.since = now.utc;
        }
        if switch {
            self.standing.hold_from = None;
            self.standing.forced &= effect.goal.is_some();
        }
        self.active = target.active;
        self.epoch += u64::from(switch);
        self.reason = self.explain(cause, effect.note, latches);
        Some(Decision {
            before,
            after: self.active.and_then(|active| self.name(active)),
            phase_before,
            phase: self.phase,
            epoch: self.epoch,
            cause,
            actor: effect.actor,
            direction,
            reason: self.reason.clone(),
            first_sign,
            grounds: self.grounds(now.at),
        })
    }

    fn first_decision(&self, cause: Cause, now: Now) -> Decision {
        Decision {
            before: None,
            after: self.active.and_then(|active| self.name(active)),
            phase_before: self.phase,
            phase: self.phase,
            epoch: self.epoch,
            cause,
            actor: None,
            direction: None,
            reason: self.reason.clone(),
            first_sign: None,
            grounds: self.grounds(now.at),
        }
    }

    fn direction(&self, from_any: bool, to: Option<usize>) -> Direction {
        let field = self.field();
        match (self.active, to) {
            (Some(before), Some(after)) if field.rank(after) < field.rank(before) => Direction::Failback,
            // Out of nothing, except where a reload took the active backend away.
            (None, Some(_)) if !from_any => Direction::Failback,
            _ => Direction::Failover,
        }
    }

    fn first_sign(&self, name: Option<&BackendName>) -> Option<Moment> {
        let backend = self.policy.backends.iter().position(|b| Some(&b.name) == name)?;
        self.backends[backend].suspect_since
    }
}
