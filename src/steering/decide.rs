//! From what is known to where the machine should stand, and the decision that says so.

use super::decision::Decision;
use super::failback::{Failback, assess};
use super::{Steering, choice::Field};
use crate::model::{BackendName, Cause, Direction, FailbackMode, Health, Moment, Now, Phase};

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
    pub(super) fn seen(cause: Cause, note: Option<String>) -> Self {
        Self { cause, note, goal: None, actor: None }
    }

    /// Something came to its end at the same moment. An order is told as what it was, and what it brought to its end after
    /// it; anything else gives way to what ended.
    pub(super) fn and(self, over: Self) -> Self {
        if self.actor.is_none() {
            return over;
        }
        let note = [self.note, over.note].into_iter().flatten().collect::<Vec<_>>().join("; ");
        Self { note: Some(note), goal: self.goal.or(over.goal), ..self }
    }

    /// Whether this is a decision of its own, beside which no hold is said to be over.
    fn is_another_matter(&self) -> bool {
        let ends = matches!(self.cause, Cause::Restart | Cause::PinOver | Cause::DrillOver | Cause::DrillAborted);
        ends || self.goal.is_some() || self.actor.is_some()
    }
}

/// Where the machine should stand.
struct Target {
    active: Option<usize>,
    phase: Phase,
    /// The backend whose hold is over, where that is why.
    held: Option<usize>,
}

impl Steering {
    /// Where the machine should stand, as the backends are now.
    fn target(&self, effect: &Effect, now: Now) -> Target {
        let field = self.field();
        let at = |active, phase| Target { active: Some(active), phase, held: None };
        if let Some(pin) = &self.standing.pin {
            return at(pin.backend, Phase::Pinned);
        }
        // What was forced is this backend, and no other that the pool moves to from it.
        let forced = |b: usize| self.standing.forced && (effect.goal == Some(b) || self.active == Some(b));
        let may = |b: &usize| field.available(*b) || forced(*b);
        let goal = effect.goal.filter(may);
        let active = goal.or(field.active(self.active, self.standing.forced));
        let Some(active) = active.filter(may) else {
            return Target { active, phase: Phase::AllDown, held: None };
        };
        if !(0..self.backends.len()).any(|b| field.available(b)) {
            return at(active, Phase::AllDown);
        }
        if self.standing.drill.is_some() {
            return at(active, Phase::Drill);
        }
        if self.standing.latched {
            return at(active, Phase::Latched);
        }
        let unmoved = self.active == Some(active) && goal.is_none();
        if self.restored && unmoved && self.awaits(&field) {
            return at(active, self.phase);
        }
        match assess(&field, &self.standing, active, now) {
            Failback::Home => at(active, Phase::Steady),
            Failback::NoneBetter => at(active, Phase::FailedOver),
            Failback::Stay(phase) => at(active, phase),
            // Who waits for approval goes on waiting for it, whatever begins to hold meanwhile.
            Failback::Hold | Failback::Ask(_) if unmoved && self.awaits_approval() => at(active, self.phase),
            Failback::Hold => at(active, Phase::Holding),
            // Who was moved here or released at this moment is not moved on in the same breath.
            Failback::Go(_) | Failback::Ask(_) if effect.is_another_matter() => at(active, Phase::Holding),
            Failback::Ask(back) => Target { held: Some(back), ..at(active, Phase::AwaitingApproval) },
            Failback::Go(back) => {
                let phase = if field.home() == Some(back) { Phase::Steady } else { Phase::FailedOver };
                Target { held: Some(back), ..at(back, phase) }
            }
        }
    }

    /// Whether the pool was on its way back when the former process ended, and nothing is known yet of where to.
    fn awaits(&self, field: &Field<'_>) -> bool {
        let unknown = self.active.is_some_and(|active| field.better(active).is_none()) && self.active != field.home();
        unknown && matches!(self.phase, Phase::Holding | Phase::AwaitingApproval)
    }

    fn awaits_approval(&self) -> bool {
        self.phase == Phase::AwaitingApproval && self.policy.failback.mode == FailbackMode::Approve
    }

    /// Stands where it should, and tells of it: of every switch, every change of the phase, and every order; and of the end
    /// of what was forced, which a restart would else bring back.
    pub(super) fn decide(&mut self, before: Option<BackendName>, mut effect: Effect, now: Now) -> Option<Decision> {
        let mut target = self.target(&effect, now);
        // Compared by name, not by index: a reload renumbers. A backend of the same name at a new URL is another one.
        let gone = self.active.is_none() && before.is_some();
        let switch = gone || target.active != self.active;
        let unforced = self.standing.forced && !switch && self.is_sound();
        if !switch && target.phase == self.phase && effect.actor.is_none() && !unforced {
            return None;
        }
        if target.held.is_some() {
            effect.cause = Cause::HoldOver;
        }
        let first_sign = self.first_sign(before.as_ref());
        let direction = switch.then(|| self.direction(before.is_some(), target.active, effect.cause));
        let failover = direction == Some(Direction::Failover) && target.active.is_some();
        // Moves that somebody ordered, or that another pool made first, are no flapping.
        let own = matches!(effect.cause, Cause::Probes | Cause::Evidence | Cause::Recovered);
        let latches = failover && own && self.standing.failed_over(self.policy.flap, now) && !self.standing.latched;
        if latches {
            self.standing.latched = true;
            target.phase = if target.phase == Phase::AllDown { target.phase } else { Phase::Latched };
        }
        let phase_before = std::mem::replace(&mut self.phase, target.phase);
        if phase_before != target.phase {
            self.since = now.utc;
        }
        if switch {
            // What was moved at once starts the hold of its way back anew.
            self.standing.hold_from = effect.goal.map(|_| now.at);
            self.standing.forced &= effect.goal.is_some();
        }
        self.active = target.active;
        self.epoch += u64::from(switch);
        self.reason = self.explain(&effect, target.held, latches, unforced);
        Some(self.decision(before, phase_before, effect, direction, first_sign, now))
    }

    fn decision(
        &self,
        before: Option<BackendName>,
        phase_before: Phase,
        effect: Effect,
        direction: Option<Direction>,
        first_sign: Option<Moment>,
        now: Now,
    ) -> Decision {
        Decision {
            before,
            after: self.active.and_then(|active| self.name(active)),
            phase_before,
            phase: self.phase,
            epoch: self.epoch,
            cause: effect.cause,
            actor: effect.actor,
            direction,
            reason: self.reason.clone(),
            first_sign,
            grounds: self.grounds(now),
        }
    }

    /// The decision of a start that moves nothing.
    pub(super) fn first_decision(&self, before: Option<BackendName>, cause: Cause, now: Now) -> Decision {
        self.decision(before, self.phase, Effect::seen(cause, None), None, None, now)
    }

    /// Something that somebody did and that moved nothing, as the journal shows it: where the pool stands, who and why.
    pub fn note(&self, cause: Cause, by: String, reason: String, now: Now) -> Decision {
        let active = self.active.and_then(|active| self.name(active));
        let decision = self.decision(active, self.phase, Effect::seen(cause, None), None, None, now);
        Decision { actor: Some(by), reason, ..decision }
    }

    fn direction(&self, from_any: bool, to: Option<usize>, cause: Cause) -> Direction {
        // Who follows a failover fails over: what comes first in the new region comes first only because of it.
        let region = self.region.filter(|_| cause != Cause::Followed);
        let field = Field { region, ..self.field() };
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

    /// What the former process saw of the way back is confirmed or refuted by the first verdicts about it.
    pub(super) fn still_restored(&self) -> bool {
        let undecided = |b: usize| {
            let state = &self.backends[b];
            let unprobed = state.health() == Health::Unknown && self.policy.probes.is_some();
            !state.drained && state.health() != Health::Unhealthy && (unprobed || state.parity_is_pending())
        };
        self.restored && self.active.is_some_and(|active| self.field().ahead(active).any(undecided))
    }
}
