//! What one worker does beside its requests: deadlines, rescues, and the upkeep of its connections.

use std::collections::HashMap;
use std::pin::pin;
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
    // Goes on from one turn to the next: what happens more often must not put it off for ever.
    let mut sweep = pin!(worker.next_sweep());
    loop {
        tokio::select! {
            // The cell lives as long as this worker: it never stops telling, even when control has gone.
            Ok(()) = published.changed() => {
                worker.rescue();
                worker.tunnels.moved(&worker.view(), worker.clock.now());
            }
            () = &mut sweep => {
                worker.sweep();
                sweep.set(worker.next_sweep());
            }
            ask = worker.connections.asked() => worker.connections.give(ask, worker.clock.now()),
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::sync::Arc;

    use tokio::sync::mpsc;
    use tokio::task::LocalSet;

    use super::*;
    use crate::model::Clock;
    use crate::proxy::waits::{Terms, Verdict};
    use crate::snapshot::{RouteTable, SnapshotCell};
    use crate::telemetry::{ActivityTap, ListenerStats, WorkerId};
    use crate::upstream::Seat;

    fn empty(generation: u64) -> Snapshot {
        Snapshot { generation, routes: RouteTable::default(), guards: Default::default(), pools: Vec::new() }
    }

    #[tokio::test]
    async fn deadlines_pass_however_often_a_snapshot_is_published() {
        let (cell, clock) = (SnapshotCell::new(empty(0)), Clock::start());
        let (evidence, _taken) = mpsc::channel(1);
        let (stats, tap) = (ListenerStats::new(1), ActivityTap::new(false));
        let worker =
            Rc::new(Worker::new((WorkerId(0), Seat::alone()), clock, Arc::clone(&cell), evidence, stats, None, tap));
        let background = worker.clone();
        let wait = async {
            tokio::task::spawn_local(async move { run(&background).await });
            tokio::task::spawn_local(async move {
                for generation in 1.. {
                    cell.publish(empty(generation));
                    sleep(SWEEP / 4).await;
                }
            });
            let now = clock.now();
            let terms = Terms::of_a_part(BackendId(1), now + SWEEP);
            let wait = worker.waits.watch(terms, None, now);
            tokio::time::timeout(50 * SWEEP, poll_fn(|cx| wait.poll(cx))).await
        };
        assert_eq!(LocalSet::new().run_until(wait).await, Ok(Verdict::Deadline));
    }
}
