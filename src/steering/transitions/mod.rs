//! Each transition of the machine, one test each: every phase entered and left, each way.

mod all_down;
mod drains;
mod drills;
mod failback;
mod flap;
mod follow;
mod gate;
mod health;
mod operators;
mod pins;
mod reloads;
mod restart;

use std::time::Duration;

use super::*;
use crate::model::{
    AllDown, Cause, Direction, FailbackMode, Health, Moment, Now, ParityVerdict, Phase, Utc, WhenBothBad,
};

pub(super) fn policy(priorities: &[u32]) -> Policy {
    let backend = |(index, &priority): (usize, &u32)| {
        let name = ["a", "b", "c", "d"][index % 4].into();
        BackendPolicy { name, priority }
    };
    Policy {
        backends: priorities.iter().enumerate().map(backend).collect(),
        probes: Some(ProbePolicy { fall: 2, rise: 2 }),
        evidence: EvidencePolicy {
            failures: Some(5),
            within: Duration::from_secs(10),
            share: 0.5,
            recover: Duration::from_secs(20),
        },
        failback: FailbackPolicy { mode: FailbackMode::Auto, hold: Duration::from_secs(60), windows: vec![] },
        flap: FlapPolicy { failovers: 100, within: Duration::from_secs(3600) },
        all_down: AllDown::TryAll,
        when_both_bad: WhenBothBad::Stay,
        follow: None,
    }
}

fn at(seconds: u64) -> Moment {
    Moment::from_origin(Duration::from_secs(seconds))
}

/// Second 0 is a Thursday, 00:00 UTC.
pub(super) fn now(seconds: u64) -> Now {
    Now { at: at(seconds), utc: Utc::from_millis(seconds as i64 * 1000) }
}

/// A pool on a time line: feeds probes and keeps the decisions.
struct Pool {
    machine: Steering,
    decisions: Vec<Decision>,
    last_second: u64,
}

impl Pool {
    /// All backends of a policy, healthy at second 1.
    fn healthy(policy: Policy) -> Self {
        let mut pool = Self::new(policy);
        (0..pool.machine.backends().len()).for_each(|backend| pool.probes(1, backend, "+"));
        pool
    }

    fn new(policy: Policy) -> Self {
        let (machine, start) = Steering::start(policy, now(0));
        Self { machine, decisions: vec![start], last_second: 0 }
    }

    /// Two backends, both healthy at second 1.
    fn two() -> Self {
        let mut pool = Self::new(policy(&[1, 2]));
        pool.probes(1, 0, "+");
        pool.probes(1, 1, "+");
        pool
    }

    fn see(&mut self, second: u64, observation: Observation) -> Step {
        self.last_second = second;
        let step = self.machine.step(observation, now(second));
        self.decisions.extend(step.decision.clone());
        step
    }

    fn probes(&mut self, second: u64, backend: usize, results: &str) {
        for result in results.chars() {
            let result = if result == '+' { Ok(()) } else { Err("connection refused".into()) };
            self.see(second, Observation::Probe { backend, result });
        }
    }

    fn stands(&self) -> (Phase, Option<usize>, u64) {
        (self.machine.phase(), self.machine.active(), self.machine.epoch())
    }

    fn order(&mut self, second: u64, what: What) -> Result<Step, Refused> {
        self.give(second, what, false)
    }

    fn force(&mut self, second: u64, what: What) -> Result<Step, Refused> {
        self.give(second, what, true)
    }

    fn give(&mut self, second: u64, what: What, force: bool) -> Result<Step, Refused> {
        let order = Order { what, by: "ann".into(), reason: Some("patch day".into()), force };
        let before = self.machine.clone();
        let step = self.machine.order(&order, now(second)).inspect_err(|_| assert_eq!(self.machine, before))?;
        self.decisions.extend(step.decision.clone());
        Ok(step)
    }

    /// Ends the process and starts it again at once, from the newest row of the journal; second 0 of its clock is now.
    fn restart(&mut self, second: u64, policy: Policy) -> Decision {
        let saved = serde_json::to_string(&self.machine.saved()).unwrap();
        let saved: Saved = serde_json::from_str(&saved).unwrap();
        let (machine, decision) = Steering::restore(policy, &saved, now(second));
        self.machine = machine;
        self.last_second = second;
        self.decisions.push(decision.clone());
        decision
    }

    /// Restarts with the same config.
    fn again(&mut self, second: u64) -> Decision {
        self.restart(second, self.machine.policy().clone())
    }

    fn parity(&mut self, second: u64, backend: usize, verdict: ParityVerdict, required: bool) {
        let parity = BackendParity { verdict, required, notes: vec!["index: 90 of 100".into()] };
        self.see(second, Observation::Parity { backend, parity });
    }

    fn told(&self) -> String {
        self.last().to_string()
    }

    fn wakeup(&self) -> Option<Moment> {
        self.machine.next_wakeup(now(self.last_second))
    }

    fn last(&self) -> &Decision {
        self.decisions.last().expect("the start")
    }
}
