//! Connections that stand open to every backend that could take over, so that the first requests after a failover wait for
//! no dial and no handshake. Off the request path: requests find them where they find all others.

use std::collections::{HashMap, VecDeque};
use std::future::pending;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;

use super::recording::RequestBody;
use super::target::Target;
use super::worker::Worker;
use crate::config::PoolConfig;
use crate::model::{BackendId, Health};
use crate::snapshot::Pool;
use crate::telemetry::WorkerId;
use crate::upstream::{Alpn, DialError, Floor, Opened, Opening, Wanted, open};

/// Dials of one worker under way at once: what a thousand standbys cost at a start must not be felt by requests.
const AT_ONCE: usize = 8;

/// The floors of one worker.
#[derive(Default)]
pub(super) struct Warmth {
    standbys: HashMap<BackendId, Standby>,
    /// Those that lack a connection, until the next look.
    waiting: VecDeque<Target>,
    dialing: FuturesUnordered<LocalBoxFuture<'static, Landed>>,
}

#[derive(Default)]
struct Standby {
    floor: Floor,
    /// One dial at a time: a standby that has just come up, or is about to go down, is not to be stormed.
    dialing: bool,
    /// Whether the last look found it in its pool.
    known: bool,
}

/// A dial that has ended.
pub(super) struct Landed {
    target: Target,
    outcome: Result<Opened<RequestBody>, DialError>,
}

impl Warmth {
    /// Looks at every standby, after the connections that are no longer wanted were closed: counts what stands open, closes
    /// what was replaced, opens what is missing.
    pub(super) fn upkeep(&mut self, worker: &Worker) {
        let view = worker.view();
        let now = worker.clock.now();
        self.waiting.clear();
        self.standbys.values_mut().for_each(|standby| standby.known = false);
        for (place, pool) in view.pools.iter().enumerate() {
            let wanted = wanted(&pool.config);
            for (at, backend) in pool.backends.iter().enumerate() {
                let standby = self.standbys.entry(backend.id).or_default();
                standby.known = true;
                let level = &backend.stats.cells.of(worker.id).warm;
                if !stands_by(pool, at) {
                    level.set(0);
                    standby.floor.forgive();
                    continue;
                }
                let standing = worker.connections.standing(backend.id, now);
                level.set(standing.idle.len() as u64);
                if wanted.warm == 0 {
                    continue;
                }
                standby.floor.observe(&standing, now);
                if standby.floor.is_full(&standing, wanted) {
                    worker.connections.retire(backend.id, standby.floor.fresh_for(wanted.keep_alive), now);
                } else if !standby.dialing && standby.floor.lacks(&standing, wanted, now) {
                    self.waiting.push_back(Target::new(view.clone(), place, at));
                }
            }
        }
        self.standbys.retain(|_, standby| standby.known);
        self.dial(worker);
    }

    /// The next dial that ends; never when none is under way. Cancel-safe.
    pub(super) async fn next(&mut self) -> Landed {
        match self.dialing.next().await {
            Some(landed) => landed,
            None => pending().await,
        }
    }

    /// Keeps what was dialed, or remembers that it failed, and goes on with the next.
    pub(super) fn landed(&mut self, worker: &Worker, landed: Landed) {
        let Landed { target, outcome } = landed;
        let (backend, now) = (target.backend(), worker.clock.now());
        if let Some(standby) = self.standbys.get_mut(&backend.id) {
            standby.dialing = false;
            match outcome {
                Ok(opened) => worker.connections.keep(backend.id, opened, now),
                Err(error) => {
                    tracing::debug!(backend = %backend.config.name, %error, "no connection to a standby");
                    standby.floor.failed(now);
                }
            }
            // What is true of a later snapshot is found out by the next look.
            if target.is_of(&worker.view()) {
                let standing = worker.connections.standing(backend.id, now);
                backend.stats.cells.of(worker.id).warm.set(standing.idle.len() as u64);
                if standby.floor.lacks(&standing, wanted(&target.pool().config), now) {
                    self.waiting.push_back(target);
                }
            }
        }
        self.dial(worker);
    }

    fn dial(&mut self, worker: &Worker) {
        while self.dialing.len() < AT_ONCE
            && let Some(target) = self.waiting.pop_front()
        {
            if let Some(standby) = self.standbys.get_mut(&target.backend().id) {
                standby.dialing = true;
                self.dialing.push(Box::pin(dial(target, worker.id)));
            }
        }
    }
}

async fn dial(target: Target, worker: WorkerId) -> Landed {
    let backend = target.backend();
    let outcome = open(Opening {
        reach: backend.reach(),
        alpn: Alpn::Any,
        timeout: target.pool().config.dial_timeout,
        stats: &backend.stats,
        worker,
    });
    let outcome = outcome.await;
    Landed { target, outcome }
}

fn wanted(pool: &PoolConfig) -> Wanted {
    Wanted { warm: pool.warm as usize, keep_alive: pool.keep_alive }
}

/// Whether a backend could take over: it may be tried, it is not the active one, and nothing speaks against it. What is
/// probed and was not yet is left alone until its first probe has found somebody there.
fn stands_by(pool: &Pool, backend: usize) -> bool {
    let good = match pool.backends[backend].health {
        Health::Healthy => true,
        Health::Unknown => pool.config.probe.is_none(),
        Health::Unhealthy => false,
    };
    good && pool.order.iter().skip(1).any(|at| *at == backend)
}
