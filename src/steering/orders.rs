//! What operators order, and what speaks against it.

use std::time::Duration;

use super::{Steering, Step};
use crate::model::Now;

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
    /// Move back to the first priority, or where that is not ready to the best backend of better priority that is; releases
    /// a latch, ends a drill.
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
        let plan = self.weigh(order)?;
        if !plan.against.is_empty() && !order.force {
            return Err(Refused { reasons: plan.against, forcible: true });
        }
        let health = self.health();
        let before = self.active().and_then(|active| self.name(active));
        let effect = self.execute(order, plan, now);
        Ok(self.settle_and_decide(health, before, effect, now))
    }

    fn weigh(&self, order: &Order) -> Result<Plan, Refused> {
        let mut against = Vec::new();
        let goal = match &order.what {
            What::Failover { to } => {
                self.pinned(&mut against);
                self.drilled(&mut against);
                let goal = to.map_or_else(|| self.best_other(order.force), Ok)?;
                self.elsewhere(goal)?;
                self.fit(goal, &mut against)?;
                Some(goal)
            }
            What::Failback => {
                self.pinned(&mut against);
                self.weigh_failback(order.force, &mut against)?
            }
            What::Pin { backend, .. } => {
                self.drilled(&mut against);
                if self.standing().pin.as_ref().is_some_and(|pin| pin.backend != *backend) {
                    self.pinned(&mut against);
                }
                // To hold what is active already is no move.
                if self.active() != Some(*backend) || !self.field().available(*backend) {
                    self.fit(*backend, &mut against)?;
                }
                Some(*backend)
            }
            What::Unpin if self.standing().pin.is_none() && !self.standing().latched => {
                return Err(never("the pool is neither pinned nor latched".into()));
            }
            What::Drain { backend } => {
                self.known(*backend)?;
                self.may_drain(*backend, &mut against)?;
                None
            }
            What::Drill { to, .. } => Some(self.weigh_drill(*to)?),
            What::EndDrill if self.standing().drill.is_none() => {
                return Err(never("there is no drill under way".into()));
            }
            What::EndDrill => self.way_back_from_drill(),
            What::Resume { backend } => {
                self.known(*backend)?;
                None
            }
            What::Unpin => None,
        };
        Ok(Plan { goal, against })
    }

    fn pinned(&self, against: &mut Vec<String>) {
        if let Some(pin) = &self.standing().pin {
            against.push(format!("the pool is pinned ({}): unpin it first", pin.note));
        }
    }

    fn drilled(&self, against: &mut Vec<String>) {
        if let Some(run) = &self.standing().drill {
            against.push(format!("a drill is under way ({}): end it first", run.note));
        }
    }

    fn known(&self, backend: usize) -> Result<(), Refused> {
        let known = backend < self.backends().len();
        known.then_some(()).ok_or_else(|| never("there is no such backend".into()))
    }

    fn elsewhere(&self, goal: usize) -> Result<(), Refused> {
        match self.active() == Some(goal) {
            true => Err(never(format!("{} is active already", self.called(goal)))),
            false => Ok(()),
        }
    }

    /// Home; or, where that is not ready and nobody insists, the best of better priority that is.
    fn weigh_failback(&self, force: bool, against: &mut Vec<String>) -> Result<Option<usize>, Refused> {
        let (field, standing) = (self.field(), self.standing());
        let home = field.home().ok_or_else(|| never("the pool has no backend".into()))?;
        if self.active() == Some(home) {
            // By force it stays there even if what it was released from was all that held it on a dead backend.
            return match standing.latched || standing.drill.is_some() {
                true => Ok(force.then_some(home)),
                false => Err(never(format!("{} is the first priority and active already", self.called(home)))),
            };
        }
        let better = self.active().and_then(|active| field.better(active));
        if let Some(better) = better.filter(|better| *better == home || !force) {
            return Ok(Some(better));
        }
        self.fit(home, against)?;
        Ok(Some(home))
    }

    /// A drill begins only where nothing holds the pool, and never by force: a rehearsal that begins on a backend which is
    /// not ready is an outage by appointment.
    fn weigh_drill(&self, to: Option<usize>) -> Result<usize, Refused> {
        let mut against = Vec::new();
        self.pinned(&mut against);
        self.drilled(&mut against);
        let (field, standing) = (self.field(), self.standing());
        let home = self.active().is_some_and(|active| field.home() == Some(active) && field.available(active));
        if !home || standing.latched {
            let phase = self.phase();
            against.push(format!("a drill begins on the first priority, where nothing holds the pool: it is {phase}"));
        }
        if !against.is_empty() {
            return Err(Refused { reasons: against, forcible: false });
        }
        let inevitable = |refused: Refused| Refused { forcible: false, ..refused };
        let goal = to.map_or_else(|| self.best_other(false), Ok).map_err(inevitable)?;
        self.elsewhere(goal)?;
        self.fit(goal, &mut against)?;
        if against.is_empty() { Ok(goal) } else { Err(Refused { reasons: against, forcible: false }) }
    }

    /// Whether a backend may be moved to: never a drained one; one that is not ready only by force.
    fn fit(&self, backend: usize, against: &mut Vec<String>) -> Result<(), Refused> {
        self.known(backend)?;
        let (state, name) = (&self.backends()[backend], self.called(backend));
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
        if others().all(|other| field.drained(other)) {
            return Err(never(format!("{name} is the last backend that is not drained: resume another one first")));
        }
        if field.available(backend) && !field.choices().iter().any(|other| *other != backend) {
            let lacks = others().map(|other| format!("{}: {}", self.called(other), self.lacks(other)));
            let lacks = lacks.collect::<Vec<_>>().join(", ");
            against.push(format!("{name} is the only backend that is available ({lacks})"));
        }
        if self.standing().pin.as_ref().is_some_and(|pin| pin.backend == backend) {
            against.push(format!("the pool is pinned to {name}: unpin it first"));
        }
        if self.standing().drill.as_ref().is_some_and(|run| run.involves(backend)) {
            against.push(format!("{name} takes part in a drill: end it first"));
        }
        Ok(())
    }

    /// The best backend but the active one.
    fn best_other(&self, force: bool) -> Result<usize, Refused> {
        let field = self.field();
        let other = |b: &usize| Some(*b) != self.active();
        let choices: Vec<usize> = field.choices().into_iter().filter(other).collect();
        if let Some(ready) = choices.iter().find(|b| field.ready(**b)) {
            return Ok(*ready);
        }
        let others: Vec<usize> = field.ranking().into_iter().filter(other).collect();
        let undrained = others.iter().find(|b| !field.drained(**b));
        if let Some(best) = choices.first().or(undrained).filter(|_| force) {
            return Ok(*best);
        }
        if others.is_empty() {
            return Err(never("the pool has no other backend".into()));
        }
        let lacks = others.iter().map(|b| format!("{}: {}", self.called(*b), self.lacks(*b)));
        let why = format!("no other backend is ready ({})", lacks.collect::<Vec<_>>().join(", "));
        Err(Refused { reasons: vec![why], forcible: undrained.is_some() })
    }
}

/// What an order comes to.
pub(super) struct Plan {
    /// Where it moves the pool.
    pub(super) goal: Option<usize>,
    /// What only `--force` gets past.
    pub(super) against: Vec<String>,
}
