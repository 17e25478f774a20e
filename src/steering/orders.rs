//! What operators order, and what speaks against it.

use std::time::Duration;

use super::machine::Effect;
use super::standing::{Deadline, Pin, Run};
use super::{Steering, Step};
use crate::model::{BackendName, Cause, Now};

/// An operator's order. Backends are meant by their index in the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// What is to be done.
    pub what: What,
    /// Who says so, and through which interface.
    pub by: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Whether it is to be done although something speaks against it.
    pub force: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Move away from the active backend, to this one or to the best.
    Failover {
        /// Where to.
        to: Option<usize>,
    },
    /// Move back to the first priority; releases a latch, ends a drill.
    Failback,
    /// Hold a backend active.
    Pin {
        /// Which.
        backend: usize,
        /// For so long; none: until released.
        lasts: Option<Duration>,
        /// Whether it gives way when its backend becomes unavailable.
        yield_when_down: bool,
    },
    /// Release a pin, or else a latch.
    Unpin,
    /// Take a backend out.
    Drain {
        /// Which.
        backend: usize,
    },
    /// Put a backend back.
    Resume {
        /// Which.
        backend: usize,
    },
    /// Begin a drill.
    Drill {
        /// Its name in the journal.
        id: String,
        /// Where to; none: the best.
        to: Option<usize>,
        /// For so long.
        lasts: Duration,
    },
    /// End the drill.
    EndDrill,
}

/// Why an order is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .reasons.join("; "))]
pub struct Refused {
    /// What speaks against it, one sentence each.
    pub reasons: Vec<String>,
    /// Whether `--force` would do it all the same.
    pub forcible: bool,
}

fn never(why: String) -> Refused {
    Refused { reasons: vec![why], forcible: false }
}

impl Steering {
    /// Carries an order out, or says what speaks against it and changes nothing.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn order(&mut self, order: &Order, now: Now) -> Result<Step, Refused> {
        let plan = self.weigh(order, now)?;
        if !plan.against.is_empty() && !order.force {
            return Err(Refused { reasons: plan.against, forcible: true });
        }
        let health = self.health();
        let before = self.active().and_then(|active| self.name(active));
        let note = note(&self.words(&order.what, plan.goal), order, plan.against);
        let effect = self.execute(order, plan.goal, note, now);
        Ok(self.settle_and_decide(health, before, effect, now))
    }

    fn weigh(&self, order: &Order, now: Now) -> Result<Plan, Refused> {
        let mut against = Vec::new();
        let held = |against: &mut Vec<String>| {
            if let Some(pin) = &self.standing().pin {
                against.push(format!("the pool is pinned ({}): unpin it first", pin.note));
            }
            if let Some(run) = &self.standing().drill {
                against.push(format!("a drill is under way ({}): end it first", run.note));
            }
        };
        let goal = match &order.what {
            What::Failover { to } => {
                held(&mut against);
                let goal = match to {
                    Some(to) => *to,
                    None => self.best_other(order.force).map_err(never)?,
                };
                if self.active() == Some(goal) {
                    return Err(never(format!("{} is active already", self.called(goal))));
                }
                self.fit(goal, &mut against)?;
                Some(goal)
            }
            What::Failback => {
                if let Some(pin) = &self.standing().pin {
                    against.push(format!("the pool is pinned ({}): unpin it first", pin.note));
                }
                let home = self.field().home().ok_or_else(|| never("the pool has no backend".into()))?;
                if self.active() == Some(home) && !self.standing().latched && self.standing().drill.is_none() {
                    return Err(never(format!("{} is the first priority and active already", self.called(home))));
                }
                if self.active() != Some(home) {
                    self.fit(home, &mut against)?;
                }
                Some(home)
            }
            What::Pin { backend, .. } => {
                if let Some(run) = &self.standing().drill {
                    against.push(format!("a drill is under way ({}): end it first", run.note));
                }
                self.fit(*backend, &mut against)?;
                Some(*backend)
            }
            What::Unpin if self.standing().pin.is_none() && !self.standing().latched => {
                return Err(never("the pool is neither pinned nor latched".into()));
            }
            What::Drain { backend } => {
                self.may_drain(*backend, &mut against)?;
                None
            }
            What::Drill { to, .. } => {
                held(&mut against);
                let standing = self.standing();
                let home = self.active().is_some_and(|active| self.field().home() == Some(active));
                let calm =
                    home && !standing.latched && self.active().is_some_and(|active| self.field().available(active));
                if !calm || standing.pin.is_some() || standing.drill.is_some() {
                    let why = format!("a drill begins only where nothing holds the pool: it is {}", self.phase());
                    against.push(why);
                    return Err(Refused { reasons: against, forcible: false });
                }
                let goal = match to {
                    Some(to) => *to,
                    None => self.best_other(false).map_err(never)?,
                };
                if self.active() == Some(goal) {
                    return Err(never(format!("{} is active already", self.called(goal))));
                }
                self.fit(goal, &mut against)?;
                // A rehearsal that begins on a backend which is not ready is an outage by appointment.
                if !against.is_empty() {
                    return Err(Refused { reasons: against, forcible: false });
                }
                Some(goal)
            }
            What::EndDrill if self.standing().drill.is_none() => {
                return Err(never("there is no drill under way".into()));
            }
            What::EndDrill => self.way_back_from_drill(),
            What::Unpin | What::Resume { .. } => None,
        };
        let _ = now;
        Ok(Plan { goal, against })
    }

    /// Whether a backend may be moved to: never a drained one; one that is not ready only by force.
    fn fit(&self, backend: usize, against: &mut Vec<String>) -> Result<(), Refused> {
        let Some(state) = self.backends().get(backend) else { return Err(never("there is no such backend".into())) };
        let name = self.called(backend);
        if state.drained {
            return Err(never(format!("{name} is drained: resume it first")));
        }
        against.extend(state.lacks(self.policy()).into_iter().map(|lack| format!("{name} is not ready: {lack}")));
        Ok(())
    }

    fn may_drain(&self, backend: usize, against: &mut Vec<String>) -> Result<(), Refused> {
        let name = self.called(backend);
        let field = self.field();
        let others = || (0..self.backends().len()).filter(|other| *other != backend);
        if others().all(|other| self.backends()[other].drained) {
            return Err(never(format!("{name} is the last backend that is not drained: resume another one first")));
        }
        if field.available(backend) && !others().any(|other| field.available(other)) {
            against.push(format!("{name} is the only backend that is available: the others are unhealthy or drained"));
        }
        if self.standing().pin.as_ref().is_some_and(|pin| pin.backend == backend) {
            against.push(format!("the pool is pinned to {name}: unpin it first"));
        }
        if self.standing().drill.as_ref().is_some_and(|run| run.target == backend || run.origin == backend) {
            against.push(format!("{name} takes part in a drill: end it first"));
        }
        Ok(())
    }

    /// The best backend but the active one.
    fn best_other(&self, force: bool) -> Result<usize, String> {
        let field = self.field();
        let other = |b: &usize| Some(*b) != self.active();
        let mut choices = field.choices().into_iter().filter(other);
        if let Some(ready) = choices.find(|b| field.ready(*b)) {
            return Ok(ready);
        }
        let undrained = |b: &usize| other(b) && !self.backends()[*b].drained;
        if force {
            let best = field.choices().into_iter().find(other);
            if let Some(best) = best.or_else(|| field.ranking().into_iter().find(undrained)) {
                return Ok(best);
            }
        }
        let lacks = field
            .ranking()
            .into_iter()
            .filter(other)
            .map(|b| format!("{}: {}", self.called(b), self.backends()[b].lacks(self.policy()).join(", ")));
        let lacks: Vec<String> = lacks.collect();
        match lacks.is_empty() {
            true => Err("the pool has no other backend".into()),
            false => Err(format!("no other backend is ready: {}", lacks.join("; "))),
        }
    }

    fn called(&self, backend: usize) -> BackendName {
        self.name(backend).unwrap_or_else(|| "?".into())
    }

    fn words(&self, what: &What, goal: Option<usize>) -> String {
        let goal = goal.map(|goal| self.called(goal).to_string()).unwrap_or_default();
        match what {
            What::Failover { .. } => format!("moved to {goal}"),
            What::Failback => format!("moved back to {goal}"),
            What::Pin { lasts: Some(lasts), .. } => format!("pinned to {goal} for {}", super::words::span(*lasts)),
            What::Pin { .. } => format!("pinned to {goal}"),
            What::Unpin if self.standing().pin.is_some() => "unpinned".into(),
            What::Unpin => "released from its latch".into(),
            What::Drain { backend } => format!("{} drained", self.called(*backend)),
            What::Resume { backend } => format!("{} resumed", self.called(*backend)),
            What::Drill { lasts, .. } => format!("drill on {goal} for {} started", super::words::span(*lasts)),
            What::EndDrill => "drill ended".into(),
        }
    }

    fn execute(&mut self, order: &Order, goal: Option<usize>, note: String, now: Now) -> Effect {
        let forced = order.force && goal.is_some_and(|goal| !self.field().available(goal));
        let mut effect =
            Effect { cause: Cause::Failover, note: Some(note.clone()), goal: None, actor: Some(order.by.clone()) };
        let home = self.field().home();
        let active = self.active();
        let standing = self.standing_mut();
        // Who gives an order that moves the pool ends what else held it.
        let ends = matches!(order.what, What::Failover { .. } | What::Failback | What::Pin { .. });
        if ends {
            (standing.pin, standing.drill, standing.forced) = (None, None, forced);
            effect.goal = goal;
        }
        match &order.what {
            What::Failover { .. } => standing.away = goal != home,
            What::Failback => {
                standing.away = false;
                standing.unlatch();
                effect.cause = Cause::Failback;
            }
            What::Pin { lasts, yield_when_down, .. } => {
                standing.away = false;
                let until = lasts.map(|lasts| Deadline { at: now.at + lasts, utc: now.utc + lasts });
                let pinned = |backend| Pin { backend, until, yield_when_down: *yield_when_down, note };
                standing.pin = goal.map(pinned);
                effect.cause = Cause::Pinned;
            }
            What::Unpin => {
                if standing.pin.take().is_none() {
                    standing.unlatch();
                }
                standing.hold_from = Some(now.at);
                effect.cause = Cause::Unpinned;
            }
            What::Drain { backend } => {
                if standing.pin.as_ref().is_some_and(|pin| pin.backend == *backend) {
                    standing.pin = None;
                }
                if standing.drill.as_ref().is_some_and(|run| run.target == *backend || run.origin == *backend) {
                    standing.drill = None;
                }
                self.set_drained(*backend, true);
                effect.cause = Cause::Drained;
            }
            What::Resume { backend } => {
                self.set_drained(*backend, false);
                effect.cause = Cause::Resumed;
            }
            What::Drill { id, lasts, .. } => {
                let until = Deadline { at: now.at + *lasts, utc: now.utc + *lasts };
                if let (Some(target), Some(origin)) = (goal, active) {
                    standing.drill = Some(Run { id: id.clone(), target, origin, until, note });
                }
                effect.goal = goal;
                effect.cause = Cause::Drill;
            }
            What::EndDrill => {
                standing.drill = None;
                effect.goal = goal;
                effect.cause = Cause::DrillOver;
            }
        }
        effect
    }
}

struct Plan {
    /// Where the order moves the pool.
    goal: Option<usize>,
    /// What only `--force` gets past.
    against: Vec<String>,
}

/// Who did what and why, and what it was done in spite of.
fn note(words: &str, order: &Order, against: Vec<String>) -> String {
    let reason = order.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let spite =
        if against.is_empty() { String::new() } else { format!(" (by force, although {})", against.join("; ")) };
    format!("{words} by {}{reason}{spite}", order.by)
}
