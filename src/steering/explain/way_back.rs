//! The way back to a better priority: when at the earliest, and on what it depends.

use std::time::Duration;

use super::tell::Tell;
use crate::model::{FailbackMode, FailbackView, Health, ParityVerdict, Phase, Utc};
use crate::steering::failback::held_until;
use crate::steering::words::span;

fn only(text: String) -> FailbackView {
    FailbackView { at: None, earliest: None, text }
}

impl Tell<'_> {
    /// When the pool moves back, and on what it depends.
    pub(super) fn way_back(&self) -> FailbackView {
        let Some(home) = self.home() else { return only("The pool has no backend.".into()) };
        let first = self.name(home);
        let Some(active) = self.machine.active().filter(|_| self.machine.phase() != Phase::AllDown) else {
            return only(format!("As soon as {first} is available again, without a hold."));
        };
        let standing = self.machine.standing();
        if let Some(run) = &standing.drill {
            let (at, origin) = (run.until.utc, self.name(run.origin));
            let text =
                format!("The drill ends at {}; if {origin} is ready then, the pool goes back to it.", self.then(at));
            return FailbackView { at: Some(at), earliest: Some(at), text };
        }
        if active == home {
            return only(format!("Nothing to move back: {first} is the first priority and active."));
        }
        if let Some(pin) = &standing.pin {
            let end = pin.until.map_or_else(String::new, |until| format!(", until {}", self.then(until.utc)));
            let (after, but) = (self.after(home), self.but(home));
            return only(format!("Not while the pin holds{end}. Then {first} must stay ready {after}.{but}"));
        }
        let failback = self.command("failback", "--reason TEXT");
        if standing.latched {
            let unpin = self.command("unpin", "");
            return only(format!(
                "Not by itself while the latch holds. `{failback}` moves back at once. `{unpin}` only releases it: then \
                 {first} must stay ready {}.{}",
                self.after(home),
                self.but(home)
            ));
        }
        let rules = &self.machine.policy().failback;
        if standing.away || rules.mode == FailbackMode::Never {
            let why = match standing.away {
                true => "an operator moved the pool away",
                false => "failback.mode is \"never\"",
            };
            return only(format!("Never by itself: {why}. `{failback}` moves it back to {first}.{}", self.but(home)));
        }
        match self.field().better(active) {
            Some(back) => self.holding(back),
            None => self.waiting(home),
        }
    }

    /// A better priority is ready.
    fn holding(&self, back: usize) -> FailbackView {
        let rules = &self.machine.policy().failback;
        let (name, hold) = (self.name(back), span(rules.hold));
        let over = held_until(&self.field(), self.machine.standing(), back).unwrap_or(self.now.at);
        let ready = match over > self.now.at {
            true => format!("{name} must stay ready until {}, for the hold of {hold}", self.then(self.utc(over))),
            false => format!("{name} was ready for the hold of {hold}"),
        };
        let at = self.machine.failback_at(self.now).map(|at| self.utc(at));
        let (at, then) = match rules.mode {
            FailbackMode::Auto => (at, "; then the pool moves back by itself".to_owned()),
            FailbackMode::Window => {
                let opens = self.window_from(self.utc(over.max(self.now.at)));
                let when = opens.map_or_else(String::new, |opens| format!(", which opens {}", self.then(opens)));
                (at.or(opens), format!("; then it waits for the window {}{when}", self.windows()))
            }
            FailbackMode::Approve | FailbackMode::Never => {
                let failback = self.command("failback", "--reason TEXT");
                (None, format!("; then an operator has to say `{failback}`"))
            }
        };
        let again =
            if over > self.now.at { format!(" If {name} fails before, the hold starts anew.") } else { String::new() };
        FailbackView { at, earliest: at, text: format!("{ready}{then}.{again}") }
    }

    /// Nothing of better priority is ready.
    fn waiting(&self, home: usize) -> FailbackView {
        let (name, lacks) = (self.name(home), self.lacks(home));
        let text = format!("First {name} must become ready; now {lacks}. Then it must stay so {}.", self.after(home));
        let earliest = self.earliest(home);
        let not_before = earliest.map(|at| format!(" Not before {}, even if it were well from now on.", self.then(at)));
        FailbackView { at: None, earliest, text: text + &not_before.unwrap_or_default() }
    }

    /// What comes after a backend is ready: the end of "must stay ready …".
    fn after(&self, home: usize) -> String {
        let rules = &self.machine.policy().failback;
        let hold = span(rules.hold);
        let name = self.name(home);
        match rules.mode {
            FailbackMode::Auto => format!("for {hold}; then the pool moves back by itself"),
            FailbackMode::Window => {
                format!("for {hold}; then the pool moves back in the next window ({})", self.windows())
            }
            FailbackMode::Approve => format!("for {hold}; then an operator has to approve the way back to {name}"),
            FailbackMode::Never => "until an operator moves the pool back".to_owned(),
        }
    }

    /// What stands in the way of an operator's failback.
    fn but(&self, home: usize) -> String {
        match self.field().ready(home) {
            true => String::new(),
            false => format!(" But now {}.", self.trouble(home)),
        }
    }

    /// When the pool could move back to a backend that is not ready, if that were well from now on.
    fn earliest(&self, home: usize) -> Option<Utc> {
        let (policy, state) = (self.machine.policy(), self.state(home)?);
        let in_step = matches!(state.parity.verdict, ParityVerdict::Unchecked | ParityVerdict::InStep);
        if state.drained || !in_step {
            return None;
        }
        let stands = state.evidence.until();
        let good = policy.probes.map_or(0, |rules| match (state.probes.verdict, stands) {
            (_, Some(_)) => rules.rise,
            (Health::Unhealthy, None) if state.probes.last_was_good() => rules.rise.saturating_sub(state.probes.streak),
            (Health::Unhealthy, None) => rules.rise,
            (Health::Unknown | Health::Healthy, None) => 1,
        });
        let begins = stands.map_or(self.now.at, |until| until.max(self.now.at));
        let ready = begins + self.setting.interval.map_or(Duration::ZERO, |interval| interval.saturating_mul(good));
        let held = self.utc(ready + policy.failback.hold);
        match policy.failback.mode {
            FailbackMode::Auto => Some(held),
            FailbackMode::Window => self.window_from(held),
            FailbackMode::Approve | FailbackMode::Never => None,
        }
    }
}
