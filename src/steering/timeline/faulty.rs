//! Faults as they begin and end, and what they lead to.

use super::world::World;
use super::{Clients, FaultReport, Happened};
use crate::config::Condition;
use crate::model::BackendName;

impl World<'_> {
    pub(super) fn befall(&mut self, pool: usize, backend: usize, condition: Condition, spare_probes: bool) {
        let (now, name) = (self.now.at, self.pools[pool].name(backend));
        let at = now.since_origin();
        let state = &mut self.pools[pool].backends[backend];
        if let Some(fault) = state.fault.take() {
            self.faults[fault].lasted = Some(at.saturating_sub(self.faults[fault].at));
        }
        (state.condition, state.spare_probes) = (condition, spare_probes);
        let does = condition.to_string();
        if condition != Condition::Well {
            state.fault = Some(self.faults.len());
            self.faults.push(FaultReport {
                at,
                pool: self.config.pools[pool].name.clone(),
                backend: name.clone(),
                does: does.clone(),
                lasted: None,
                found: None,
                given_up: None,
                moved: None,
                moved_to: None,
                back: None,
                clients: Clients::default(),
                bounds: Vec::new(),
                condition,
            });
        }
        self.note(pool, Happened::Fault { backend: name, does });
        self.meet_again(pool, backend, condition);
        // A probe that waits in silence meets the new condition; one that is cut off ends at once.
        let cut = matches!(condition, Condition::Down | Condition::Reset) && !spare_probes;
        let running = self.pools[pool].backends[backend].running.take();
        if let Some(running) = running.as_ref().filter(|it| cut || (it.probed.silent && condition != Condition::Hang)) {
            self.start_probe(pool, backend, running.began);
        } else {
            self.pools[pool].backends[backend].running = running;
        }
    }

    /// A pool moved: away from a fault, or back after one.
    pub(super) fn moved(&mut self, pool: usize, before: Option<&BackendName>, after: Option<&BackendName>) {
        let at = self.now.at.since_origin();
        let find = |name: Option<&BackendName>| {
            self.pools[pool].config.backends.iter().position(|backend| Some(&backend.name) == name)
        };
        let (from, to) = (find(before), find(after));
        if let Some(state) = from.map(|from| &mut self.pools[pool].backends[from])
            && let Some(fault) = state.fault
        {
            let report = &mut self.faults[fault];
            if report.moved.is_none() {
                (report.moved, report.moved_to) = (Some(at.saturating_sub(report.at)), after.cloned());
                state.left_for = Some(fault);
            }
        }
        if let Some(fault) = to.and_then(|to| self.pools[pool].backends[to].left_for.take()) {
            self.faults[fault].back = Some(at.saturating_sub(self.faults[fault].at));
        }
    }
}
