//! Builds the snapshot out of the registry. What did not change is shared with the one before.

use std::sync::Arc;

use http::HeaderValue;

use super::registry::{PoolState, Registry};
use crate::model::Health;
use crate::snapshot::{Backend, Pool, Snapshot};

impl Registry {
    /// Brings what requests see up to date, and tells whether anything of it changed.
    pub(super) fn refresh(&mut self) -> bool {
        let mut changed = std::mem::take(&mut self.routes_changed);
        for index in self.take_touched() {
            let pool = &mut self.pools[index];
            let order = pool.steering.order_of_attempts();
            if !pool.published.as_ref().is_some_and(|published| fits(pool, published, &order)) {
                pool.published = Some(Arc::new(build(pool, order)));
                changed = true;
            }
        }
        changed
    }

    /// The snapshot of what [`Registry::refresh`] brought up to date.
    pub(super) fn snapshot(&self, generation: u64) -> Snapshot {
        let pools = self.pools.iter().filter_map(|pool| pool.published.clone()).collect();
        Snapshot { generation, routes: self.routes.clone(), pools, guards: self.guards.clone() }
    }
}

fn health(pool: &PoolState, backend: usize) -> Health {
    pool.steering.backends().get(backend).map_or(Health::Unknown, |backend| backend.health())
}

fn fits(pool: &PoolState, published: &Pool, order: &[usize]) -> bool {
    let same = |(index, (was, is)): (usize, (&Backend, &super::registry::BackendState))| {
        was.health == health(pool, index) && was.addresses == is.addresses
    };
    published.epoch == pool.steering.epoch()
        && published.order == order
        && published.backends.iter().zip(&pool.backends).enumerate().all(same)
}

fn build(pool: &PoolState, order: Vec<usize>) -> Pool {
    let backend = |(index, state): (usize, &super::registry::BackendState)| Backend {
        id: state.id,
        config: state.config.clone(),
        origin: state.origin.clone(),
        tls: state.tls.clone(),
        addresses: state.addresses.clone(),
        health: health(pool, index),
        stats: state.stats.clone(),
    };
    let epoch = pool.steering.epoch();
    Pool {
        config: pool.config.clone(),
        epoch,
        epoch_header: HeaderValue::from(epoch),
        backends: pool.backends.iter().enumerate().map(backend).collect(),
        order,
        stats: pool.stats.clone(),
        ledger: pool.ledger.clone(),
    }
}
