//! The loop: what control does with a world, against a world that does as a script says.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

use super::super::{BackendParity, Observation, Order, Policy, SAMPLE, Schedule, Steering, Step, What};
use super::bounds;
use super::events::{Due, Queue};
use super::meets::Running;
use super::request::{Request, Wait};
use super::{Entry, FaultReport, Happened, Timeline};
use crate::config::{Condition, Config, Deed, PoolConfig, Script, ScriptOrder};
use crate::model::{BackendName, Health, Moment, Now, ParityGate, ParityVerdict, Sign};
use crate::telemetry::RetryBudget;

/// Who gives the orders of a script.
const ACTOR: &str = "the script";

/// Runs a script against a config, in virtual time. Says the same every time.
pub fn run(config: &Config, script: &Script) -> Timeline {
    let mut world = World::new(config, script);
    world.begin();
    while world.turn() {}
    world.told()
}

pub(super) struct World<'a> {
    pub(super) config: &'a Config,
    script: &'a Script,
    pub(super) now: Now,
    pub(super) queue: Queue,
    pub(super) pools: Vec<PoolWorld<'a>>,
    pub(super) random: Rng,
    pub(super) faults: Vec<FaultReport>,
    /// Numbers what must be told apart.
    pub(super) count: u64,
    entries: Vec<Entry>,
    next_sample: Moment,
}

pub(super) struct PoolWorld<'a> {
    pub(super) config: &'a PoolConfig,
    pub(super) steering: Steering,
    pub(super) backends: Vec<BackendWorld>,
    /// Requests per second.
    pub(super) rate: f64,
    /// Requests that arrived so far.
    pub(super) arrived: u64,
    /// The request whose arrival is in the queue.
    pub(super) announced: u64,
    /// Live requests so far, as the retry budget counts them.
    pub(super) requests: u64,
    pub(super) budget: RetryBudget,
    pub(super) waits: BTreeMap<u64, Wait>,
    /// Requests between two rounds.
    pub(super) resting: BTreeMap<u64, Request>,
}

pub(super) struct BackendWorld {
    pub(super) condition: Condition,
    pub(super) spare_probes: bool,
    pub(super) schedule: Schedule,
    /// Attempts that steering was not told of yet.
    pub(super) attempts: u64,
    pub(super) running: Option<Running>,
    /// The fault that it has.
    pub(super) fault: Option<usize>,
    /// The last fault for which the pool left it.
    pub(super) left_for: Option<usize>,
}

impl PoolWorld<'_> {
    /// The backend that requests go to, if it answers them all at once.
    pub(super) fn calm(&self) -> Option<usize> {
        let first = *self.steering.order_of_attempts().first()?;
        (self.backends[first].condition == Condition::Well).then_some(first)
    }

    pub(super) fn name(&self, backend: usize) -> BackendName {
        self.config.backends[backend].name.clone()
    }

    pub(super) fn interval(&self) -> Duration {
        self.config.probe.as_ref().map_or(Duration::MAX, |probe| probe.interval)
    }
}

impl<'a> World<'a> {
    fn new(config: &'a Config, script: &'a Script) -> Self {
        Self {
            config,
            script,
            now: Now { at: Moment::ZERO, utc: script.start },
            queue: Queue::default(),
            pools: Vec::new(),
            random: Rng::with_seed(script.seed),
            faults: Vec::new(),
            count: 0,
            entries: Vec::new(),
            next_sample: Moment::ZERO,
        }
    }

    fn begin(&mut self) {
        for (index, event) in self.script.events.iter().enumerate() {
            self.queue.push(Moment::from_origin(event.at), Due::Script(index));
        }
        let backend = |_| BackendWorld {
            condition: Condition::Well,
            spare_probes: false,
            schedule: Schedule::new(Moment::ZERO),
            attempts: 0,
            running: None,
            fault: None,
            left_for: None,
        };
        for (index, pool) in self.config.pools.iter().enumerate() {
            let (steering, start) = Steering::start(Policy::from(pool), self.now);
            self.pools.push(PoolWorld {
                config: pool,
                steering,
                backends: pool.backends.iter().map(backend).collect(),
                rate: self.script.traffic.get(index).copied().unwrap_or_default(),
                arrived: 0,
                announced: 0,
                requests: 0,
                budget: RetryBudget::default(),
                waits: BTreeMap::new(),
                resting: BTreeMap::new(),
            });
            self.note(index, Happened::Decision(Box::new(start)));
        }
        for pool in 0..self.pools.len() {
            self.lead(pool);
        }
        self.turn_control();
    }

    /// Goes on to the next moment at which something is due. Whether there was one.
    fn turn(&mut self) -> bool {
        let Some(next) = self.next() else { return false };
        if next.since_origin() > self.script.lasts {
            return false;
        }
        self.now = Now { at: next, utc: self.script.start + next.since_origin() };
        for pool in 0..self.pools.len() {
            self.let_pass(pool);
        }
        while let Some(due) = self.queue.pop(self.now.at) {
            self.happen(due);
        }
        self.turn_control();
        true
    }

    fn next(&self) -> Option<Moment> {
        let wakeups = |pool: &PoolWorld<'_>| {
            let probes = pool.config.probe.as_ref().map(|_| pool.backends.iter().filter_map(|b| b.schedule.wakeup()));
            probes.into_iter().flatten().chain(pool.steering.next_wakeup(self.now)).min()
        };
        let due = self.pools.iter().filter_map(wakeups).chain(self.queue.next());
        // What is due now was done in the turn of now: what is left over is due in a millisecond, as a busy loop would be.
        let later = self.now.at + Duration::from_millis(1);
        let due = due.map(|at| if at > self.now.at { at } else { later });
        due.chain(self.pools.iter().any(|pool| pool.rate > 0.0).then_some(self.next_sample)).min()
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Script(index) => self.play(index),
            Due::Probe { pool, backend, number } => self.probed(pool, backend, number),
            Due::Arrival { pool, number } => self.arrive(pool, number),
            Due::Evidence { pool, backend, slow } => self.take_evidence(pool, backend, slow),
            Due::Suspect { pool, wait } => self.suspect(pool, wait),
            Due::Answer { pool, wait } => self.answer(pool, wait),
            Due::Timeout { pool, wait } => self.give_up(pool, wait, false, Sign::Timeout),
            Due::Round { pool, rest } => self.go_on(pool, rest),
            Due::Deadline { pool, wait } => self.give_up(pool, wait, true, Sign::Timeout),
        }
        for pool in 0..self.pools.len() {
            self.follow_requests(pool);
        }
    }

    fn turn_control(&mut self) {
        if self.next_sample <= self.now.at {
            self.next_sample = self.now.at + SAMPLE;
            for pool in 0..self.pools.len() {
                (0..self.pools[pool].backends.len()).for_each(|backend| self.weigh(pool, backend, 0));
            }
        }
        for pool in 0..self.pools.len() {
            if self.pools[pool].steering.next_wakeup(self.now).is_some_and(|at| at <= self.now.at) {
                self.observe(pool, Observation::Tick);
            }
            self.start_probes(pool);
            self.follow_requests(pool);
        }
    }

    fn play(&mut self, index: usize) {
        let event = &self.script.events[index];
        let pool = event.pool;
        match &event.deed {
            Deed::Fault { backend, condition, spare_probes } => self.befall(pool, *backend, *condition, *spare_probes),
            Deed::Parity { backend, in_step } => {
                let verdict = if *in_step { ParityVerdict::InStep } else { ParityVerdict::Drifted };
                let does = if *in_step { "in-step" } else { "drift" };
                self.note(pool, Happened::Fault { backend: self.pools[pool].name(*backend), does: does.to_owned() });
                let notes = vec!["the script says so".to_owned()];
                // Out of step by every check that the pool has.
                let checks = &self.pools[pool].config.parity;
                let required = !in_step && checks.iter().any(|check| check.gate == ParityGate::Require);
                let parity = BackendParity { verdict, required, notes };
                self.observe(pool, Observation::Parity { backend: *backend, parity });
            }
            Deed::Order { order, backend, lasts, reason, force } => {
                let what = self.what(pool, *order, *backend, *lasts);
                let told = Order { what, by: ACTOR.to_owned(), reason: reason.clone(), force: *force };
                match self.pools[pool].steering.order(&told, self.now) {
                    Ok(step) => self.follow_step(pool, step),
                    Err(refused) => {
                        let (reasons, forcible) = (refused.reasons, refused.forcible);
                        self.note(pool, Happened::Refused { order: order.as_str(), reasons, forcible });
                    }
                }
            }
        }
    }

    fn what(&self, pool: usize, order: ScriptOrder, backend: Option<usize>, lasts: Option<Duration>) -> What {
        let config = self.pools[pool].config;
        let named = backend.unwrap_or_default();
        match order {
            ScriptOrder::Failover => What::Failover { to: backend },
            ScriptOrder::Failback => What::Failback,
            ScriptOrder::Pin => What::Pin { backend: named, lasts, yield_when_down: config.pin.yield_when_down },
            ScriptOrder::Unpin => What::Unpin,
            ScriptOrder::Drain => What::Drain { backend: named },
            ScriptOrder::Resume => What::Resume { backend: named },
            ScriptOrder::Drill => {
                What::Drill { id: "simulated".to_owned(), to: backend, lasts: lasts.unwrap_or(config.drill.lasts) }
            }
            ScriptOrder::EndDrill => What::EndDrill,
        }
    }

    pub(super) fn observe(&mut self, pool: usize, observation: Observation) {
        let step = self.pools[pool].steering.step(observation, self.now);
        self.follow_step(pool, step);
    }

    fn follow_step(&mut self, pool: usize, step: Step) {
        let judged = !step.health.is_empty();
        for (backend, was) in step.health {
            let is = self.health(pool, backend);
            let state = &self.pools[pool];
            let (name, error) = (state.name(backend), state.steering.backends()[backend].probes.error.clone());
            if let (Health::Unhealthy, Some(fault)) = (is, state.backends[backend].fault) {
                let since = self.now.at.since_origin().saturating_sub(self.faults[fault].at);
                self.faults[fault].given_up.get_or_insert(since);
            }
            self.note(pool, Happened::Health { backend: name, was, is, error });
        }
        if let Some(decision) = step.decision {
            if decision.is_switch() {
                self.moved(pool, decision.before.as_ref(), decision.after.as_ref());
            }
            let switch = decision.is_switch();
            self.note(pool, Happened::Decision(Box::new(decision)));
            if switch {
                self.lead(pool);
            }
        }
        if judged {
            self.rescue(pool);
            self.go_on_all(pool);
        }
    }

    /// Takes the pools that follow this one along.
    fn lead(&mut self, leader: usize) {
        let config = self.pools[leader].config;
        let active = self.pools[leader].steering.active().map(|active| self.pools[leader].name(active));
        let Some(active) = active else { return };
        for pool in 0..self.pools.len() {
            let follower = self.pools[pool].config;
            if follower.follow.as_ref().is_some_and(|follow| follow.pool == config.name) {
                let region = follower.backends.iter().position(|backend| backend.name == active);
                let note = format!("{} is on {active}", config.name);
                self.observe(pool, Observation::Followed { region, note });
            }
        }
    }

    pub(super) fn note(&mut self, pool: usize, what: Happened) {
        let (at, utc) = (self.now.at.since_origin(), self.now.utc);
        self.entries.push(Entry { at, utc, pool: self.config.pools[pool].name.clone(), what });
    }

    fn told(mut self) -> Timeline {
        for report in &mut self.faults {
            let pool = self.config.pools.iter().find(|pool| pool.name == report.pool);
            report.bounds = pool.map(|pool| bounds::of(pool, report)).unwrap_or_default();
        }
        let rates = self.script.traffic.iter();
        let traffic = self.config.pools.iter().zip(rates).map(|(pool, rate)| (pool.name.clone(), *rate)).collect();
        let (lasts, start) = (self.script.lasts, self.script.start);
        Timeline { lasts, start, traffic, entries: self.entries, faults: self.faults }
    }
}
