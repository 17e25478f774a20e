//! What to do.

use super::tell::Tell;
use crate::model::{AdviceView, FailbackMode, Phase};

fn advice(text: impl Into<String>) -> AdviceView {
    AdviceView { text: text.into(), command: None }
}

fn by(text: impl Into<String>, command: String) -> AdviceView {
    AdviceView { text: text.into(), command: Some(command) }
}

impl Tell<'_> {
    /// What to do, the most urgent first.
    pub(super) fn advice(&self) -> Vec<AdviceView> {
        let Some(active) = self.machine.active().filter(|_| self.machine.phase() != Phase::AllDown) else {
            return self.outage();
        };
        let home = self.home().unwrap_or(active);
        let mut all = match self.machine.phase() {
            Phase::Steady if self.others(active).any(|b| self.field().ready(b)) => {
                vec![advice("Nothing.")]
            }
            Phase::Steady => Vec::new(),
            Phase::FailedOver => self.failed_over(home),
            Phase::Holding => self.holding_on(active),
            Phase::AwaitingApproval => vec![self.back(home)],
            Phase::Latched => self.latched(home),
            Phase::Pinned => vec![self.unpin(active)],
            Phase::Drill => vec![
                advice("Nothing: the drill ends by itself."),
                by("To end it now:", "botgate drill stop".to_owned()),
            ],
            Phase::AllDown => Vec::new(),
        };
        all.extend(self.weak(active, home));
        if all.is_empty() {
            all.push(advice("Nothing."));
        }
        all
    }

    fn failed_over(&self, home: usize) -> Vec<AdviceView> {
        let name = self.name(home);
        if self.field().ready(home) {
            return vec![self.back(home)];
        }
        let drained = self.state(home).is_some_and(|state| state.drained);
        let repair = match drained {
            true => by(format!("{name} is drained. When it may serve again:"), self.command("resume", &name)),
            false => advice(format!("{}. Find out why.", self.trouble(home))),
        };
        let then = match self.machine.policy().failback.mode {
            FailbackMode::Auto | FailbackMode::Window => {
                advice("The way back needs nobody: it is taken by itself once that is done.")
            }
            FailbackMode::Approve | FailbackMode::Never => {
                by("When that is done, move back:", self.command("failback", "--reason TEXT"))
            }
        };
        vec![repair, then]
    }

    fn holding_on(&self, active: usize) -> Vec<AdviceView> {
        let nothing = match self.machine.policy().failback.mode {
            FailbackMode::Approve => "Nothing yet: when the hold is over, an operator has to approve the way back.",
            _ => "Nothing: the pool moves back by itself.",
        };
        let name = self.name(active);
        vec![
            advice(nothing),
            by("To move back now:", self.command("failback", "--reason TEXT")),
            by(format!("To stay on {name}:"), self.command("pin", &format!("{name} --for 2h --reason TEXT"))),
        ]
    }

    fn latched(&self, home: usize) -> Vec<AdviceView> {
        vec![
            by("Find out why it fails over so often:", self.command("journal", "")),
            self.back(home),
            by("Or release it only, and let its rules decide:", self.command("unpin", "")),
        ]
    }

    /// An operator's way back.
    fn back(&self, home: usize) -> AdviceView {
        let name = self.name(home);
        let command = self.command("failback", "--reason TEXT");
        if self.machine.active() == Some(home) {
            return by("When it is well, release it with a new budget:", command);
        }
        match self.field().ready(home) {
            true => by(format!("{name} is ready. When you trust it, move back:"), command),
            false => by(format!("{}. First repair it, then move back:", self.trouble(home)), command),
        }
    }

    fn unpin(&self, active: usize) -> AdviceView {
        let command = self.command("unpin", "");
        match self.field().available(active) {
            true => by("When the pin is no longer wanted, release it:", command),
            false => by(format!("{}, and the pin keeps requests there. Release it:", self.trouble(active)), command),
        }
    }

    /// Standbys that could not take over.
    fn weak(&self, active: usize, home: usize) -> Vec<AdviceView> {
        let field = self.field();
        let told =
            |b: &usize| *b == home && self.machine.phase() != Phase::Steady && self.machine.phase() != Phase::Pinned;
        let weak = self.others(active).filter(|b| !field.ready(*b) && !told(b));
        let one = |b: usize| {
            let name = self.name(b);
            match self.state(b).is_some_and(|state| state.drained) {
                true => by(format!("{name} is drained. When it may serve again:"), self.command("resume", &name)),
                false => advice(format!("{}. Repair it: until then it cannot take over.", self.trouble(b))),
            }
        };
        weak.map(one).collect()
    }

    /// Nothing is available.
    fn outage(&self) -> Vec<AdviceView> {
        let mut all = vec![advice("Repair any one backend: the first that is well again serves at once.")];
        for backend in self.machine.ranking() {
            let name = self.name(backend);
            all.push(match self.state(backend).is_some_and(|state| state.drained) {
                true => by(format!("{name} is only drained. Put it back if it works:"), self.command("resume", &name)),
                false => advice(format!("{}.", self.trouble(backend))),
            });
        }
        let undrained = |b: &usize| self.state(*b).is_some_and(|state| !state.drained);
        if let Some(first) = self.machine.ranking().into_iter().find(undrained) {
            let rest = format!("{} --for 1h --force --reason TEXT", self.name(first));
            let text = "If you know that one works although its probes fail, send all requests there:";
            all.push(by(text, self.command("pin", &rest)));
        }
        all
    }
}
