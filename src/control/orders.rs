//! Carries out what control is asked.

use super::handle::{Command, ControlError, Order};
use super::{Control, views};
use crate::model::{BackendName, PoolView};
use crate::steering::Observation;

impl Control {
    /// Carries out one command and answers it. Who asked may have gone: then the answer is dropped.
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Pools(reply) => {
                let _ = reply.send(Ok(self.registry.pools.iter().map(views::pool).collect()));
            }
            Command::Ready(reply) => {
                let _ = reply.send(Ok(self.ready()));
            }
            Command::Drain(order) => self.order(order, true),
            Command::Resume(order) => self.order(order, false),
            Command::Reload(reply) => self.reload(Some(reply)),
        }
    }

    /// Whether the first round of probes is over. Once it is, a reload does not take it back.
    fn ready(&mut self) -> bool {
        let probed = self.registry.pools.iter().filter(|pool| pool.config.probe.is_some());
        self.ready |= probed.flat_map(|pool| &pool.backends).all(|backend| backend.schedule.probed_once());
        self.ready
    }

    fn order(&mut self, order: Order, drain: bool) {
        let answer = self.carry_out(&order, drain);
        let _ = order.reply.send(answer);
    }

    fn carry_out(&mut self, order: &Order, drain: bool) -> Result<PoolView, ControlError> {
        let pools = &self.registry.pools;
        let unknown = || ControlError::UnknownPool {
            name: order.pool.to_string(),
            known: pools.iter().map(|pool| pool.config.name.to_string()).collect(),
        };
        let index = pools.iter().position(|pool| pool.config.name == order.pool).ok_or_else(unknown)?;
        let pool = &pools[index];
        let name = |backend: &super::registry::BackendState| backend.config.name == order.backend;
        let unknown = || ControlError::UnknownBackend {
            pool: order.pool.to_string(),
            name: order.backend.to_string(),
            known: pool.backends.iter().map(|backend| backend.config.name.to_string()).collect(),
        };
        let backend = pool.backends.iter().position(name).ok_or_else(unknown)?;
        let states = pool.steering.backends();
        let others = || states.iter().enumerate().filter(|(other, _)| *other != backend).map(|(_, state)| state);
        if drain && others().all(|state| state.drained) {
            let (pool, backend) = (&order.pool, &order.backend);
            let why = format!("{backend} is the last backend of {pool} that is not drained: resume another one first");
            return Err(ControlError::Refused(why));
        }
        if drain && states[backend].available() && !others().any(|state| state.available()) {
            let (pool, backend) = (&order.pool, &order.backend);
            let why = format!(
                "{backend} is the only backend of {pool} that is available: the others are unhealthy or drained"
            );
            return Err(ControlError::Refused(why));
        }
        let note = note(&order.backend, drain, &order.by, order.reason.as_deref());
        tracing::info!(pool = %order.pool, backend = %order.backend, by = order.by, "{}: {note}", order.pool);
        let observation =
            if drain { Observation::Drain { backend, note } } else { Observation::Resume { backend, note } };
        self.observe(index, observation);
        // Who gave the order finds it done when the answer comes.
        self.publish();
        Ok(views::pool(&self.registry.pools[index]))
    }
}

fn note(backend: &BackendName, drain: bool, by: &str, reason: Option<&str>) -> String {
    let what = if drain { "drained" } else { "resumed" };
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{backend} {what} by {by}{reason}")
}
