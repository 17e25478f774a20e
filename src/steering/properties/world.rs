//! A pool in a random history, with what an observer from outside knows of it.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::acts::{Act, Parity, Rules};
use super::rules::{self, Event};
use crate::model::{Moment, Now, ParityVerdict, Utc};
use crate::steering::{BackendParity, Decision, Observation, Order, Saved, Steering, Step, Tally, What};

pub(super) struct World {
    pub(super) machine: Steering,
    pub(super) now: Now,
    /// Since when each backend has been ready, followed from the outside.
    pub(super) since: Vec<Option<Moment>>,
    /// The newest row of the journal.
    journal: String,
}

impl World {
    pub(super) fn new(rules: &Rules) -> Result<Self, TestCaseError> {
        let now = Now { at: Moment::ZERO, utc: Utc::from_millis(0) };
        let (machine, start) = Steering::start(rules.policy(&[]).0, now);
        rules::holds(&machine)?;
        let mut world = Self { machine, now, since: Vec::new(), journal: String::new() };
        world.journalled(Some(&start));
        world.observe_readiness();
        Ok(world)
    }

    pub(super) fn pass(&mut self, ms: u64) {
        let by = Duration::from_millis(ms);
        self.now = Now { at: self.now.at + by, utc: self.now.utc + by };
    }

    /// Control writes the state that a restart goes on from with each decision, and only then.
    fn journalled(&mut self, decision: Option<&Decision>) {
        if decision.is_some() {
            self.journal = serde_json::to_string(&self.machine.saved()).unwrap();
        }
    }

    fn observe_readiness(&mut self) {
        let (machine, at) = (&self.machine, self.now.at);
        self.since.resize(machine.backends().len(), None);
        for (since, state) in self.since.iter_mut().zip(machine.backends()) {
            *since = state.ready(machine.policy()).then(|| since.unwrap_or(at));
        }
    }

    pub(super) fn see(&mut self, observation: Observation) -> Result<Step, TestCaseError> {
        let before = self.machine.clone();
        let event = match &observation {
            Observation::Reload { kept, .. } => {
                self.since = kept.iter().map(|old| old.and_then(|old| self.since[old])).collect();
                Event::Reload(kept.clone())
            }
            _ => Event::Seen,
        };
        let step = self.machine.step(observation, self.now);
        self.took(&before, &event, &step)?;
        Ok(step)
    }

    fn took(&mut self, before: &Steering, event: &Event, step: &Step) -> TestCaseResult {
        self.observe_readiness();
        self.journalled(step.decision.as_ref());
        rules::holds(&self.machine)?;
        rules::told(before, &self.machine, event, step.decision.as_ref())?;
        rules::moved(before, &self.machine, event, step.decision.as_ref(), &self.since, self.now)?;
        rules::held(before, &self.machine, event, self.now)
    }

    /// Gives an order; none when it was refused.
    pub(super) fn order(&mut self, what: What, force: bool) -> Result<Option<Step>, TestCaseError> {
        let before = self.machine.clone();
        let order = Order { what, by: "ann".into(), reason: None, force };
        match self.machine.order(&order, self.now) {
            Ok(step) => {
                self.took(&before, &Event::Order(order.what.clone(), force), &step)?;
                rules::obeyed(&before, &self.machine, &order)?;
                Ok(Some(step))
            }
            Err(refused) => {
                prop_assert_eq!(&self.machine, &before, "a refused order changes nothing");
                prop_assert!(!refused.to_string().is_empty());
                prop_assert!(!(force && refused.forcible), "it was forced: {refused}");
                Ok(None)
            }
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> TestCaseResult {
        match act.clone() {
            Act::Probe(backend, good) => self.probe(backend, good)?,
            Act::Probes(backend, good) => {
                self.probe(backend, good)?;
                self.probe(backend, good)?;
            }
            Act::Evidence(backend, failures) => {
                self.see(Observation::Evidence { backend, counted: Tally { failures, attempts: 6 } })?;
            }
            Act::Suspect(backend) => drop(self.see(Observation::Suspect { backend })?),
            Act::Parity(backend, found) => drop(self.see(Observation::Parity { backend, parity: parity(found) })?),
            Act::Order(what, force) => drop(self.order(what, force)?),
            Act::DrillHurts => drop(self.see(Observation::DrillHurts { why: "9 % of requests fail".into() })?),
            Act::Followed(region) => {
                self.see(Observation::Followed { region, note: "bot-api moved".into() })?;
            }
            Act::Reload(rules) => {
                let (policy, kept) = rules.policy(&self.machine.policy().backends.clone());
                self.see(Observation::Reload { policy, kept })?;
            }
            Act::Restart(down, rules) => self.restart(down, rules.as_ref())?,
            Act::Jump(by) => {
                self.now.utc = Utc::from_millis(self.now.utc.millis() + by * 1000);
            }
            Act::Tick => drop(self.see(Observation::Tick)?),
            Act::Wake => self.wake()?,
        }
        Ok(())
    }

    pub(super) fn probe(&mut self, backend: usize, good: bool) -> TestCaseResult {
        let result = if good { Ok(()) } else { Err("connection refused".into()) };
        self.see(Observation::Probe { backend, result }).map(drop)
    }

    /// Goes to the moment at which the machine wants to be woken, and wakes it.
    pub(super) fn wake(&mut self) -> TestCaseResult {
        if let Some(at) = self.machine.next_wakeup(self.now) {
            let by = at.since(self.now.at);
            self.now = Now { at: self.now.at + by, utc: self.now.utc + by };
            let before = self.machine.clone();
            self.see(Observation::Tick)?;
            prop_assert_ne!(&self.machine, &before, "woken for nothing");
        }
        Ok(())
    }

    fn restart(&mut self, down: u64, rules: Option<&Rules>) -> TestCaseResult {
        let saved: Saved = serde_json::from_str(&self.journal).unwrap();
        rules::remembered(&self.machine, &saved)?;
        self.pass(down * 1000);
        // The clock of a new process begins anew.
        self.now.at = Moment::from_origin(Duration::from_millis(3));
        let policy = rules.map(|rules| rules.policy(&self.machine.policy().backends.clone()).0);
        let policy = policy.unwrap_or_else(|| self.machine.policy().clone());
        let (machine, decision) = Steering::restore(policy, &saved, self.now);
        let before = std::mem::replace(&mut self.machine, machine);
        self.since.clear();
        self.observe_readiness();
        rules::holds(&self.machine)?;
        rules::restarted(&before, &saved, &self.machine, &decision, self.now)?;
        self.journalled(Some(&decision));
        // Whoever runs the machine calls it when it asks for it, and it may ask at once.
        self.settle_down()
    }

    /// Wakes the machine as long as it wants to be woken now.
    fn settle_down(&mut self) -> TestCaseResult {
        for _ in 0..4 {
            if self.machine.next_wakeup(self.now).is_none_or(|at| at > self.now.at) {
                return Ok(());
            }
            self.wake()?;
        }
        prop_assert!(false, "a busy loop");
        Ok(())
    }

    /// Nothing is decided before the machine wants to be woken, whenever one looks.
    pub(super) fn mind_the_time(&mut self, dice: u64) -> TestCaseResult {
        self.settle_down()?;
        let wakeup = self.machine.next_wakeup(self.now);
        let span = wakeup.map_or(Duration::from_secs(200_000), |at| at.since(self.now.at)).as_millis();
        let by = Duration::from_millis((span * u128::from(dice) / 12_001) as u64);
        let early = Now { at: self.now.at + by, utc: self.now.utc + by };
        let mut other = self.machine.clone();
        let step = other.step(Observation::Tick, early);
        prop_assert!(step.decision.is_none(), "missed: at {by:?} of {span} ms: {:?}", step.decision);
        Ok(())
    }
}

fn parity(found: Parity) -> BackendParity {
    let verdict = match found {
        Parity::None => ParityVerdict::Unchecked,
        Parity::Unknown => ParityVerdict::Unknown,
        Parity::InStep => ParityVerdict::InStep,
        Parity::Drifted | Parity::Required => ParityVerdict::Drifted,
    };
    BackendParity { verdict, required: matches!(found, Parity::Required), notes: vec!["index: 1 of 2".into()] }
}
