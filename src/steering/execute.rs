//! Carries out the orders that were weighed.

use super::decide::Effect;
use super::orders::Plan;
use super::standing::{Deadline, Pin, Run};
use super::words::span;
use super::{Order, Steering, What};
use crate::model::{Cause, Now};

impl Steering {
    /// Changes what the order changes of the standing and of the backends, and says what is to be decided.
    pub(super) fn execute(&mut self, order: &Order, plan: Plan, now: Now) -> Effect {
        let goal = plan.goal;
        let bad = goal.is_some_and(|goal| !self.field().available(goal));
        let note = note(&self.told(&order.what, goal), order, &plan.against);
        let cause = cause(&order.what);
        let effect = Effect { cause, note: Some(note.clone()), goal, actor: Some(order.by.clone()) };
        let (home, active) = (self.field().home(), self.active());
        let standing = &mut self.standing;
        // Who gives an order that moves the pool ends what else held it.
        if matches!(order.what, What::Failover { .. } | What::Failback | What::Pin { .. }) {
            (standing.pin, standing.drill) = (None, None);
        }
        match &order.what {
            What::Failover { .. } => {
                standing.forced = bad;
                standing.away = goal != home;
            }
            What::Failback => {
                // Without a goal it is home already, and stays there as it did.
                standing.forced = if goal.is_some() { bad } else { standing.forced };
                standing.away = false;
                standing.unlatch();
            }
            What::Pin { lasts, yield_when_down, .. } => {
                (standing.away, standing.forced) = (false, false);
                let until = lasts.map(|lasts| Deadline { at: now.at + lasts, utc: now.utc + lasts });
                // What was pinned although it is down would give way in the same instant.
                let yield_when_down = *yield_when_down && !bad;
                standing.pin = goal.map(|backend| Pin { backend, until, yield_when_down, note });
            }
            What::Unpin => {
                if standing.pin.take().is_none() {
                    standing.unlatch();
                }
                standing.hold_from = Some(now.at);
            }
            What::Drain { backend } => {
                standing.pin.take_if(|pin| pin.backend == *backend);
                standing.drill.take_if(|run| run.involves(*backend));
                self.set_drained(*backend, true);
            }
            What::Resume { backend } => self.set_drained(*backend, false),
            What::Drill { id, lasts, .. } => {
                let until = Deadline { at: now.at + *lasts, utc: now.utc + *lasts };
                if let (Some(target), Some(origin)) = (goal, active) {
                    standing.drill = Some(Run { id: id.clone(), target, origin, until, note });
                }
            }
            What::EndDrill => standing.drill = None,
        }
        effect
    }

    fn set_drained(&mut self, backend: usize, drained: bool) {
        self.backends.get_mut(backend).into_iter().for_each(|state| state.drained = drained);
    }

    /// What was done, in words.
    fn told(&self, what: &What, goal: Option<usize>) -> String {
        let to = goal.map(|goal| self.called(goal).to_string()).unwrap_or_default();
        let drained = |backend: usize| self.field().drained(backend);
        match what {
            What::Failover { .. } => format!("moved to {to}"),
            What::Failback if goal.is_some() => format!("moved back to {to}"),
            What::Failback if self.standing().latched => "released from its latch".into(),
            What::Failback => "drill ended".into(),
            What::Pin { lasts: Some(lasts), .. } => format!("pinned to {to} for {}", span(*lasts)),
            What::Pin { .. } => format!("pinned to {to}"),
            What::Unpin if self.standing().pin.is_some() => "unpinned".into(),
            What::Unpin => "released from its latch".into(),
            What::Drain { backend } if drained(*backend) => {
                format!("{}, drained already, drained", self.called(*backend))
            }
            What::Drain { backend } => format!("{} drained", self.called(*backend)),
            What::Resume { backend } if drained(*backend) => format!("{} resumed", self.called(*backend)),
            What::Resume { backend } => format!("{}, not drained, resumed", self.called(*backend)),
            What::Drill { lasts, .. } => format!("drill on {to} for {} started", span(*lasts)),
            What::EndDrill if goal.is_some() => format!("drill ended, back to {to},"),
            What::EndDrill => "drill ended, and its origin is not ready to take over again,".into(),
        }
    }
}

fn cause(what: &What) -> Cause {
    match what {
        What::Failover { .. } => Cause::Failover,
        What::Failback => Cause::Failback,
        What::Pin { .. } => Cause::Pinned,
        What::Unpin => Cause::Unpinned,
        What::Drain { .. } => Cause::Drained,
        What::Resume { .. } => Cause::Resumed,
        What::Drill { .. } => Cause::Drill,
        What::EndDrill => Cause::DrillOver,
    }
}

/// Who did what and why, and what it was done in spite of.
fn note(words: &str, order: &Order, against: &[String]) -> String {
    let reason = order.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let spite =
        if against.is_empty() { String::new() } else { format!(" (by force, although {})", against.join("; ")) };
    format!("{words} by {}{reason}{spite}", order.by)
}
