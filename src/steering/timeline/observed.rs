//! What control sees of the world, and when: probes on their schedule, evidence as workers tell it.

use super::super::{Observation, Tally, jittered};
use super::Happened;
use super::events::Due;
use super::meets::{Running, probe};
use super::world::World;
use crate::config::{Condition, ProbeConfig};
use crate::model::{Health, Moment};

impl World<'_> {
    pub(super) fn start_probes(&mut self, pool: usize) {
        let now = self.now.at;
        let Some(config) = &self.pools[pool].config.probe else { return };
        for backend in 0..self.pools[pool].backends.len() {
            let state = &mut self.pools[pool].backends[backend];
            if state.schedule.due(now) {
                state.schedule.started(now, jittered(config.interval, config.jitter, 0.5));
                self.start_probe(pool, backend, now);
            }
        }
    }

    pub(super) fn start_probe(&mut self, pool: usize, backend: usize, began: Moment) {
        let Some(config) = self.pools[pool].config.probe.clone() else { return };
        let state = &mut self.pools[pool].backends[backend];
        let config = ProbeConfig { timeout: state.schedule.patience(config.timeout), ..config };
        let condition = if state.spare_probes { Condition::Well } else { state.condition };
        let probed = probe(&config, condition, &mut self.random);
        let ends = (self.now.at + probed.after).min(began + config.timeout);
        self.count += 1;
        let number = self.count;
        state.running = Some(Running { number, began, probed });
        self.queue.push(ends, Due::Probe { pool, backend, number });
    }

    pub(super) fn probed(&mut self, pool: usize, backend: usize, number: u64) {
        let state = &mut self.pools[pool].backends[backend];
        let Some(running) = state.running.take_if(|running| running.number == number) else { return };
        let result = running.probed.result;
        let good = result.is_ok();
        if let Err(error) = &result {
            let by = format!("a probe failed: {error}");
            self.found(pool, backend, by);
        }
        self.observe(pool, Observation::Probe { backend, result });
        let given_up = self.health(pool, backend) == Health::Unhealthy;
        let interval = self.pools[pool].interval();
        self.pools[pool].backends[backend].schedule.ended(self.now.at, good, given_up, interval);
    }

    pub(super) fn take_evidence(&mut self, pool: usize, backend: usize, slow: bool) {
        let by = match slow {
            true => format!("a request waits longer than {:?}", self.pools[pool].config.evidence.suspect_after),
            false => "a request failed on it".to_owned(),
        };
        self.found(pool, backend, by);
        if self.health(pool, backend) != Health::Unhealthy {
            let interval = self.pools[pool].interval();
            self.pools[pool].backends[backend].schedule.suspected(self.now.at, slow, interval);
        }
        self.observe(pool, Observation::Suspect { backend });
        self.weigh(pool, backend, u64::from(!slow));
    }

    pub(super) fn weigh(&mut self, pool: usize, backend: usize, failures: u64) {
        let state = &mut self.pools[pool];
        if state.config.evidence.failures.is_none() {
            return;
        }
        let attempts = std::mem::take(&mut state.backends[backend].attempts);
        if attempts > 0 || failures > 0 {
            self.observe(pool, Observation::Evidence { backend, counted: Tally { failures, attempts } });
        }
    }

    pub(super) fn health(&self, pool: usize, backend: usize) -> Health {
        self.pools[pool].steering.backends()[backend].health()
    }

    fn found(&mut self, pool: usize, backend: usize, by: String) {
        let Some(fault) = self.pools[pool].backends[backend].fault else { return };
        let report = &mut self.faults[fault];
        if report.found.is_none() {
            report.found = Some(self.now.at.since_origin().saturating_sub(report.at));
            let backend = report.backend.clone();
            self.note(pool, Happened::Detection { backend, by });
        }
    }
}
