//! What one worker does beside its requests: deadlines, rescues, and the upkeep of its connections.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::waits::SWEEP;
use super::warmth::Warmth;
use super::worker::Worker;
use crate::model::{BackendId, Health};
use crate::snapshot::{Backend, Pool, Snapshot};

/// How often connections that are no longer wanted are looked for, and live requests noted in the retry budgets.
const UPKEEP: Duration = Duration::from_secs(1);

/// Runs for as long as the worker does.
pub(super) async fn run(worker: &Worker) {
    let mut published = worker.cell.subscribe();
    let mut warmth = Warmth::default();
    let mut upkeep = interval(UPKEEP);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // The cell lives as long as this worker: it never stops telling, even when control has gone.
            Ok(()) = published.changed() => {
                worker.rescue();
                worker.tunnels.moved(&worker.view(), worker.clock.now());
            }
            () = worker.next_sweep() => worker.sweep(),
            landed = warmth.next() => warmth.landed(worker, landed),
            _ = upkeep.tick() => {
                worker.upkeep();
                warmth.upkeep(worker);
            }
        }
    }
}

impl Worker {
    /// The next look at what waits; when nothing does, there is no timer at all.
    async fn next_sweep(&self) {
        while self.waits.is_empty() {
            self.waits.begun.notified().await;
        }
        sleep(SWEEP).await;
    }

    fn sweep(&self) {
        for suspect in self.waits.sweep(self.clock.now()) {
            self.suspect(suspect);
        }
    }

    /// Frees the requests that wait on a backend that was given up, where another could serve them.
    fn rescue(&self) {
        let view = self.view();
        let bad = |pool: &Pool, at: usize| pool.backends[at].health == Health::Unhealthy;
        // When all are bad nobody is better: what waits goes on waiting.
        let given_up = |pool: &Pool, at: usize| bad(pool, at) && pool.order.iter().any(|other| !bad(pool, *other));
        let lost: Vec<BackendId> = view
            .pools
            .iter()
            .flat_map(|pool| (0..pool.backends.len()).filter(|at| given_up(pool, *at)).map(|at| pool.backends[at].id))
            .collect();
        if !lost.is_empty() {
            self.waits.rescue(|backend| lost.contains(&backend));
        }
    }

    fn upkeep(&self) {
        let view = self.view();
        let now = self.clock.now();
        for pool in &view.pools {
            pool.ledger.upkeep(now, &pool.config.ledger);
            pool.stats.budget.observe(now, pool.stats.cells.sum(|cell| &cell.requests));
        }
        let known = backends(&view);
        self.connections
            .prune(now, |id| known.get(&id).map(|(pool, backend)| (pool.config.keep_alive, backend.reach())));
    }
}

fn backends(snapshot: &Snapshot) -> HashMap<BackendId, (&Pool, &Backend)> {
    let all = snapshot.pools.iter().flat_map(|pool| pool.backends.iter().map(move |it| (it.id, (&**pool, it))));
    all.collect()
}
