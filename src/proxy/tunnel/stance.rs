//! What a snapshot says for the tunnels on a backend. Pure.

use crate::config::TunnelConfig;
use crate::model::{BackendId, Health, TunnelEnd, TunnelPolicy};
use crate::snapshot::{Pool, Snapshot};

/// Whether a backend's tunnels are where their pool wants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stance {
    /// Its pool's requests go to it, or nobody is better.
    Stays,
    /// The pool is on a backend of a later priority, or this one was given up or taken away.
    FailedOver,
    /// The pool is on a backend of an earlier priority.
    FailedBack,
}

impl Stance {
    /// What the rules of a pool say for it; none: nothing is to be done.
    pub(super) fn policy(self, rules: &TunnelConfig) -> Option<(TunnelEnd, TunnelPolicy)> {
        match self {
            Self::Stays => None,
            Self::FailedOver => Some((TunnelEnd::Failover, rules.on_failover)),
            Self::FailedBack => Some((TunnelEnd::Failback, rules.on_failback)),
        }
    }
}

/// Where the tunnels on this backend stand, and the pool that says so; none: a reload took it away.
pub(super) fn stance(snapshot: &Snapshot, backend: BackendId) -> (Stance, Option<&Pool>) {
    let place = |pool: &Pool| pool.backends.iter().position(|it| it.id == backend);
    let found = snapshot.pools.iter().find_map(|pool| Some((&**pool, place(pool)?)));
    let Some((pool, own)) = found else { return (Stance::FailedOver, None) };
    let unhealthy = |at: usize| pool.backends.get(at).is_some_and(|it| it.health == Health::Unhealthy);
    let stance = match pool.order.first() {
        // Nobody is active: moving elsewhere helps nobody.
        None => Stance::Stays,
        Some(active) if *active == own => Stance::Stays,
        Some(active) if own < *active || unhealthy(own) && !unhealthy(*active) => Stance::FailedOver,
        Some(_) => Stance::FailedBack,
    };
    (stance, Some(pool))
}
