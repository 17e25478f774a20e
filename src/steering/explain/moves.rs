//! What would make a pool move.

use super::tell::Tell;
use crate::model::{Phase, WhenBothBad, WhenUnavailable};
use crate::steering::words::span;

impl Tell<'_> {
    /// What would make the pool move, one way each. The way back is told apart.
    pub(super) fn moves(&self) -> Vec<String> {
        let Some(active) = self.machine.active().filter(|_| self.machine.phase() != Phase::AllDown) else {
            return vec![self.recovery()];
        };
        let standing = self.machine.standing();
        let mut moves = Vec::new();
        if let Some(pin) = &standing.pin {
            moves.push(match pin.yield_when_down {
                true => format!("If {}, the pin ends and {}.", self.failing(active), self.consequence(active)),
                false => format!("Nothing that happens to {}: the pin holds.", self.name(active)),
            });
            moves.extend(pin.until.map(|until| format!("The pin ends at {}.", self.then(until.utc))));
            moves.push(format!("An operator: `{}`.", self.command("unpin", "")));
            return moves;
        }
        if let Some(run) = &standing.drill {
            let (target, origin) = (self.name(run.target), self.name(run.origin));
            moves.push(format!("If {target} or {origin} becomes unavailable, the drill is given up at once."));
            moves.push(format!("The drill ends at {}.", self.then(run.until.utc)));
            moves.push("An operator: `botgate drill stop`.".to_owned());
            return moves;
        }
        if self.field().available(active) {
            moves.push(format!("If {}, {}.", self.failing(active), self.consequence(active)));
            moves.extend(self.traffic(active));
        } else {
            let name = self.name(active);
            moves.push(format!("Nothing that happens to {name}: an operator moved the pool there by force."));
        }
        moves.extend(self.along());
        moves.extend(self.operator(active));
        moves
    }

    /// How long until a backend is given up: the clause after "If".
    fn failing(&self, backend: usize) -> String {
        let name = self.name(backend);
        match self.machine.policy().probes {
            Some(rules) => format!("{name} fails {}", self.probes(rules.fall, "")),
            None => format!("too many requests to {name} fail"),
        }
    }

    /// What the pool would do if its active backend became unavailable now.
    fn consequence(&self, active: usize) -> String {
        let (field, policy) = (self.field(), self.machine.policy());
        if let Some(next) = field.choices().into_iter().find(|b| *b != active) {
            let name = self.name(next);
            let gate = if field.ready(next) { String::new() } else { format!(", although {}", self.lacks(next)) };
            let spent = self.machine.standing().spent(policy.flap, self.now.at);
            let latch = match spent >= policy.flap.failovers as usize && !self.machine.standing().latched {
                true => " and latches there: the flap budget is spent",
                false => "",
            };
            return format!("the pool moves to {name}{gate}{latch}");
        }
        let nobody = "nobody can take over";
        let undrained = |b: &usize| self.state(*b).is_some_and(|state| !state.drained);
        match (self.rejects(), policy.when_both_bad) {
            (true, _) => format!("{nobody}: requests are answered 503"),
            (false, WhenBothBad::Priority) => {
                let first = self.machine.ranking().into_iter().find(undrained).unwrap_or(active);
                format!("{nobody}: requests are still tried, {} first", self.name(first))
            }
            (false, WhenBothBad::Stay) => format!("{nobody}: the pool stays, and requests are still tried there"),
        }
    }

    fn traffic(&self, active: usize) -> Option<String> {
        let rules = &self.machine.policy().evidence;
        let failures = rules.failures?;
        let (within, share) = (span(rules.within), (rules.share * 100.0).round());
        let name = self.name(active);
        Some(format!(
            "The same at once, whatever its probes say, if at least {failures} requests to {name} fail within {within} \
             and they are {share} % or more of all."
        ))
    }

    /// The pool that this one follows.
    fn along(&self) -> Option<String> {
        let leader = self.setting.follows?;
        let otherwise = match self.machine.policy().follow {
            Some(WhenUnavailable::Priority) => "else it goes to its best other backend",
            _ => "else it stays where it is until that one is",
        };
        Some(format!("If {leader} moves, this pool goes along at once if its backend there is ready; {otherwise}."))
    }

    fn operator(&self, active: usize) -> Option<String> {
        let field = self.field();
        let next = self.others(active).find(|b| field.ready(*b));
        let undrained = || self.others(active).find(|b| self.state(*b).is_some_and(|state| !state.drained));
        let (next, force) = match next {
            Some(next) => (next, ""),
            None => (undrained()?, "--force "),
        };
        let command = match self.home() == Some(next) {
            true => self.command("failback", &format!("{}--reason TEXT", force)),
            false => self.command("failover", &format!("--to {} {}--reason TEXT", self.name(next), force)),
        };
        let who = if force.is_empty() { "An operator" } else { "An operator, by force only" };
        Some(format!("{who}: `{command}`."))
    }

    /// What is left of the flap budget.
    pub(super) fn budget(&self) -> String {
        let flap = self.machine.policy().flap;
        let (spent, within) = (self.machine.standing().spent(flap, self.now.at), span(flap.within));
        match spent > flap.failovers as usize {
            true => format!("Flap budget: spent. {spent} failovers within {within}, {} are allowed.", flap.failovers),
            false => format!(
                "Flap budget: {spent} of {} failovers within {within} are spent; number {} latches the pool.",
                flap.failovers,
                flap.failovers.saturating_add(1)
            ),
        }
    }

    /// What ends an outage of all.
    fn recovery(&self) -> String {
        match self.machine.policy().probes {
            Some(rules) => {
                let good = self.probes(rules.rise, "good ");
                format!("The first backend with {good} is used at once. The first priority needs no hold.")
            }
            None => "The first backend whose verdict runs out is tried again.".to_owned(),
        }
    }
}
