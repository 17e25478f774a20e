//! Carries out what control is asked.

use super::handle::{Action, Command, ControlError, PoolOrder, Reply};
use super::registry::PoolState;
use super::{Control, views};
use crate::model::{BackendName, OrderView, PoolName, Readiness};
use crate::steering::{Order, Refused, What};

impl Control {
    /// Carries out one command and answers it. Who asked may have gone: then the answer is dropped.
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Pools(reply) => {
                let now = self.time.both();
                let _ = reply.send(Ok(self.registry.pools.iter().map(|pool| views::pool(pool, now)).collect()));
            }
            Command::Ready(reply) => {
                let _ = reply.send(Ok(self.readiness()));
            }
            Command::Order(order) => self.order(order),
            Command::Explain { pool, reply } => self.explain(&pool, reply),
            Command::Journal(query, reply) => self.ask_journal(query, reply),
            Command::Reload(reply) => self.reload(Some(reply)),
            Command::Drill(command) => self.drill(command),
            Command::Retire(reply) => {
                self.retired = true;
                let _ = reply.send(Ok(()));
            }
        }
    }

    /// Whether the first round of probes is over. Once it is, a reload does not take it back.
    fn readiness(&mut self) -> Readiness {
        let probed = self.registry.pools.iter().filter(|pool| pool.config.probe.is_some());
        self.ready |= probed.flat_map(|pool| &pool.backends).all(|backend| backend.schedule.probed_once());
        Readiness { ready: self.ready, trouble: self.trouble() }
    }

    /// What does not work as it should, for those on call. Damage that was found at the start is told until the next one:
    /// what was lost with it (a pin, a drain) is not found out otherwise.
    pub(super) fn trouble(&self) -> Vec<String> {
        let past = self.damage.iter().map(|damage| format!("when botgate was started: {damage}"));
        let certificates = self.certificates.trouble(self.time.both().utc);
        let keys = self.registry.keys.trouble();
        self.journal.trouble().into_iter().chain(past).chain(keys).chain(certificates).collect()
    }

    fn order(&mut self, order: PoolOrder) {
        match self.carry_out(&order) {
            Err(error) => {
                tracing::info!(pool = %order.pool, by = order.by, "{}: an order was refused: {error}", order.pool);
                let _ = order.reply.send(Err(error));
            }
            // The answer comes once the decision is durable: what was acknowledged, a restart brings back.
            Ok((pool, done)) => self.promise(pool, done, order.reply),
        }
    }

    fn carry_out(&mut self, order: &PoolOrder) -> Result<(PoolName, String), ControlError> {
        let index = self.pool_index(&order.pool)?;
        let what = what(&self.registry.pools[index], &order.what)?;
        let now = self.time.both();
        let steered = Order { what, by: order.by.clone(), reason: order.reason.clone(), force: order.force };
        let step = self.registry.pools[index].steering.order(&steered, now).map_err(refused)?;
        let done = step.decision.as_ref().map(ToString::to_string).unwrap_or_default();
        self.follow_step(index, step);
        Ok((order.pool.clone(), done))
    }

    /// Where a pool stands in the registry.
    pub(super) fn pool_index(&self, name: &PoolName) -> Result<usize, ControlError> {
        let pools = &self.registry.pools;
        let unknown = || ControlError::UnknownPool {
            name: name.to_string(),
            known: pools.iter().map(|pool| pool.config.name.to_string()).collect(),
        };
        pools.iter().position(|pool| pool.config.name == *name).ok_or_else(unknown)
    }

    /// Answers an order whose decision is durable, or will not be.
    pub(super) fn acknowledge(&self, pool: &PoolName, done: String, journalled: bool, reply: Reply<OrderView>) {
        let answer = self.pool_index(pool).map(|index| {
            let pool = views::pool(&self.registry.pools[index], self.time.both());
            OrderView { done, journalled, pool }
        });
        let _ = reply.send(answer);
    }
}

/// An order in steering's terms: backends by index, defaults filled in.
fn what(pool: &PoolState, action: &Action) -> Result<What, ControlError> {
    let index = |name: &BackendName| backend_index(pool, name);
    Ok(match action {
        Action::Failover { to } => What::Failover { to: to.as_ref().map(index).transpose()? },
        Action::Failback => What::Failback,
        Action::Pin { backend, lasts, yield_when_down } => What::Pin {
            backend: index(backend)?,
            lasts: *lasts,
            yield_when_down: yield_when_down.unwrap_or(pool.config.pin.yield_when_down),
        },
        Action::Unpin => What::Unpin,
        Action::Drain { backend } => What::Drain { backend: index(backend)? },
        Action::Resume { backend } => What::Resume { backend: index(backend)? },
    })
}

/// Where a backend stands in its pool.
pub(super) fn backend_index(pool: &PoolState, name: &BackendName) -> Result<usize, ControlError> {
    let unknown = || ControlError::UnknownBackend {
        pool: pool.config.name.to_string(),
        name: name.to_string(),
        known: pool.backends.iter().map(|backend| backend.config.name.to_string()).collect(),
    };
    pool.backends.iter().position(|backend| backend.config.name == *name).ok_or_else(unknown)
}

/// Steering's refusal as control's.
pub(super) fn refused(refused: Refused) -> ControlError {
    ControlError::Refused { reasons: refused.reasons, forcible: refused.forcible }
}
