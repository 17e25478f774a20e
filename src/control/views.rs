//! What control shows to people: pools and decisions in words.

use jiff::{Timestamp, Unit};

use super::registry::PoolState;
use crate::model::{BackendView, DecisionView, PoolName, PoolView, ProbeView, Utc};
use crate::steering::Decision;

/// A time as RFC 3339 in UTC, to the millisecond.
fn rfc3339(at: Timestamp) -> String {
    at.round(Unit::Millisecond).unwrap_or(at).to_string()
}

/// A pool as the admin API shows it, its backends in order of priority.
pub(super) fn pool(pool: &PoolState) -> PoolView {
    let steering = &pool.steering;
    let name = |index: usize| Some(pool.backends.get(index)?.config.name.clone());
    PoolView {
        name: pool.config.name.clone(),
        phase: steering.phase(),
        active: steering.active().and_then(name),
        epoch: steering.epoch(),
        since: rfc3339(pool.since),
        reason: steering.reason().to_owned(),
        backends: steering.policy().ranking().into_iter().filter_map(|index| backend(pool, index)).collect(),
        parity: pool.parity.views(steering.active(), Utc::now()),
    }
}

fn backend(pool: &PoolState, index: usize) -> Option<BackendView> {
    let (state, steered) = (pool.backends.get(index)?, pool.steering.backends().get(index)?);
    let probe = pool.config.probe.as_ref().map(|_| ProbeView {
        last: state.probed.map(rfc3339),
        consecutive: steered.probes.streak,
        error: steered.probes.error.clone(),
    });
    Some(BackendView {
        name: state.config.name.clone(),
        url: state.config.url.to_string(),
        priority: state.config.priority,
        health: steered.health(),
        ready: steered.ready(pool.steering.policy()),
        drained: steered.drained,
        in_flight: state.stats.in_flight(),
        addresses: state.addresses.iter().map(ToString::to_string).collect(),
        probe,
    })
}

/// A decision as the event stream shows it.
pub(super) fn decision(pool: &PoolName, decision: &Decision) -> DecisionView {
    DecisionView {
        at: rfc3339(Timestamp::now()),
        pool: pool.clone(),
        phase: decision.phase,
        active: decision.after.clone(),
        before: decision.before.clone(),
        epoch: decision.epoch,
        cause: decision.cause,
        text: format!("{pool}: {decision}"),
    }
}
