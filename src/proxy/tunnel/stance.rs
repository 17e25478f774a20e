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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;

    use super::*;
    use crate::snapshot::{Backend, RouteTable};
    use crate::telemetry::{BackendStats, PoolStats};
    use crate::upstream::Origin;

    const TEXT: &str = "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n[[route]]\npool = \"p\"\n[[pool]]\nname = \"p\"\n\
        [[pool.backend]]\nname = \"one\"\nurl = \"http://one\"\n[[pool.backend]]\nname = \"two\"\nurl = \"http://two\"\n\
        [[pool.backend]]\nname = \"three\"\nurl = \"http://three\"\n";

    /// Backends 0 to 2 in this order of attempts; those named last are unhealthy.
    fn snapshot(order: &[usize], unhealthy: &[usize]) -> Snapshot {
        let config = crate::config::parse("botgate.toml", TEXT, "".as_ref(), &|_| None).unwrap().config;
        let pool = config.pools[0].clone();
        let backend = |(at, config): (usize, &crate::config::BackendConfig)| Backend {
            id: BackendId(at as u32),
            config: Arc::new(config.clone()),
            origin: Origin::new(config),
            tls: None,
            addresses: Arc::new([]),
            health: if unhealthy.contains(&at) { Health::Unhealthy } else { Health::Healthy },
            stats: BackendStats::new(1),
        };
        let pool = Pool {
            backends: pool.backends.iter().enumerate().map(backend).collect(),
            config: Arc::new(pool),
            epoch: 1,
            epoch_header: HeaderValue::from_static("1"),
            order: order.to_vec(),
            stats: PoolStats::new(1),
            ledger: crate::ledger::Ledger::new(),
        };
        Snapshot {
            generation: 1,
            routes: RouteTable::default(),
            guards: Default::default(),
            pools: vec![Arc::new(pool)],
        }
    }

    fn stances(order: &[usize], unhealthy: &[usize]) -> [Stance; 3] {
        let snapshot = snapshot(order, unhealthy);
        [0, 1, 2].map(|id| stance(&snapshot, BackendId(id)).0)
    }

    #[test]
    fn the_direction_of_a_move_is_that_of_the_priorities() {
        use Stance::{FailedBack, FailedOver, Stays};
        assert_eq!(stances(&[0, 1, 2], &[]), [Stays, FailedBack, FailedBack]);
        assert_eq!(stances(&[1, 2], &[0]), [FailedOver, Stays, FailedBack]);
        assert_eq!(stances(&[1, 0, 2], &[]), [FailedOver, Stays, FailedBack], "a pin, or a drill");
        assert_eq!(stances(&[2], &[0, 1]), [FailedOver, FailedOver, Stays]);
    }

    #[test]
    fn a_standby_that_is_given_up_has_failed_wherever_the_pool_is() {
        assert_eq!(stances(&[0, 2], &[1])[1], Stance::FailedOver);
    }

    #[test]
    fn nothing_is_moved_where_nobody_is_better() {
        assert_eq!(stances(&[], &[0, 1, 2]), [Stance::Stays; 3]);
        assert_eq!(stances(&[0, 1, 2], &[0, 1, 2])[0], Stance::Stays);
    }

    #[test]
    fn a_backend_that_was_taken_away_is_as_good_as_failed() {
        let snapshot = snapshot(&[0, 1, 2], &[]);
        let (stance, pool) = stance(&snapshot, BackendId(9));
        assert!(stance == Stance::FailedOver && pool.is_none());
    }
}
