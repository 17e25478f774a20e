//! Live counters of the request path: one cell per worker, so that no two workers write the same cache line; summed when
//! scraped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::{HeldBytes, RateTable, UnderWay};
use crate::model::{Excess, TokenFault, TunnelEnd};

/// Which worker writes: 0 to the number of workers less one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerId(pub usize);

/// One `T` per worker, each on cache lines of its own.
#[derive(Debug)]
pub struct PerWorker<T>(Box<[Padded<T>]>);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Default> PerWorker<T> {
    /// A cell for each of `workers`.
    pub fn new(workers: usize) -> Self {
        Self((0..workers.max(1)).map(|_| Padded::default()).collect())
    }

    /// The cell that `worker` writes.
    pub fn of(&self, worker: WorkerId) -> &T {
        // The modulo keeps a wrong id harmless.
        &self.0[worker.0 % self.0.len()].0
    }

    /// How many workers there are; at least 1.
    pub fn workers(&self) -> usize {
        self.0.len()
    }

    /// The sum of one counter over all workers.
    pub fn sum(&self, counter: impl Fn(&T) -> &Counter) -> u64 {
        self.0.iter().map(|cell| counter(&cell.0).get()).fold(0, u64::wrapping_add)
    }
}

/// A counter with one writer and any number of readers.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one. Only the worker that owns the cell calls this: a load and a store, not a locked instruction.
    pub fn increment(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Adds `more`. The same rule: one writer.
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    /// Sets the value, where it is no count but a level. The same rule: one writer.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of the latency histogram, in seconds; one more bucket holds what is slower.
pub const LATENCY_BOUNDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0];

/// What one worker counts for one pool.
#[derive(Debug, Default)]
pub struct PoolCell {
    /// Requests routed to the pool.
    pub requests: Counter,
    /// Attempts beyond the first of a request, rescues aside.
    pub retries: Counter,
    /// Requests taken from a backend that was given up and sent to the new active one.
    pub rescued: Counter,
    /// Requests that wanted another attempt and found the retry budget spent.
    pub budget_spent: Counter,
    /// Requests that no backend could be tried for.
    pub no_backend: Counter,
    /// Attempts that followed one of which nobody knows whether its backend acted on it.
    pub replayed: Counter,
    /// Resends answered from the outcome of the first delivery.
    pub resends_answered: Counter,
    /// Resends that waited for the first delivery, and were answered from its outcome.
    pub resends_waited: Counter,
    /// Resends that waited for a first delivery that failed, and were delivered themselves.
    pub resends_delivered: Counter,
    /// Resends whose own deadline passed while the first delivery was under way.
    pub resends_late: Counter,
    /// Activities that the ledger had no room for.
    pub ledger_full: Counter,
    /// Requests that a guard refused because they are no activities.
    pub malformed: Counter,
    /// Tokens that were valid.
    pub tokens_valid: Counter,
    /// Tokens that were not, by [`TokenFault::index`].
    pub tokens_faulty: [Counter; TokenFault::ALL.len()],
    /// Evidence that control was too busy to take.
    pub evidence_dropped: Counter,
    /// Requests, from the end of a head to the end of the response; tunnels aside.
    pub under_way: UnderWay,
    /// Requests refused because too many were under way.
    pub shed: Counter,
    /// Requests refused because their address sends too many.
    pub limited_addresses: Counter,
    /// Requests refused because too many bear their token.
    pub limited_tokens: Counter,
    /// Bodies that were to be held, and found no room.
    pub unheld: Counter,
}

/// The live counters of a pool.
#[derive(Debug)]
pub struct PoolStats {
    /// By worker.
    pub cells: PerWorker<PoolCell>,
    /// Retries against live requests, over all workers.
    pub budget: super::RetryBudget,
    /// How much of its rate each address has used.
    pub addresses: RateTable,
    /// How much of its rate each token has used.
    pub tokens: RateTable,
}

/// What one worker counts for one backend.
#[derive(Debug, Default)]
pub struct BackendCell {
    /// Attempts under way; tunnels aside.
    pub under_way: UnderWay,
    /// Requests refused because too many were under way here.
    pub shed: Counter,
    /// Attempts begun.
    pub started: Counter,
    /// Of these, those that may be evidence: the sender is known, or nobody checks who it is.
    pub weighed: Counter,
    /// Attempts ended, in any way; one that has become a tunnel counts here.
    pub ended: Counter,
    /// Requests that ended with a response from this backend, by class: 1xx and 2xx, 3xx, 4xx, 5xx.
    pub responses: [Counter; 4],
    /// Requests that ended with an error of botgate's own after an attempt here.
    pub failed: Counter,
    /// Attempts that failed before the request was sent.
    pub unsent: Counter,
    /// Attempts that failed after it, without a response.
    pub ambiguous: Counter,
    /// Attempts answered with a status of `retry.status`.
    pub refused: Counter,
    /// Attempts cancelled to rescue their request.
    pub rescued: Counter,
    /// Attempts that ended with a response.
    pub answered: Counter,
    /// Responses over HTTP/1 that break a rule of their framing, or that no request asked for.
    pub malformed: Counter,
    /// Connections opened.
    pub dialed: Counter,
    /// Connections closed.
    pub hung_up: Counter,
    /// Connections of another worker that this one took over: that is a closed one there, and an opened one here.
    pub taken_over: Counter,
    /// Connections kept open and unused now, while the backend stands by: a level.
    pub warm: Counter,
    /// Tunnels begun.
    pub tunnels: Counter,
    /// Tunnels ended, in the order of [`TunnelEnd::ALL`].
    pub tunnels_closed: [Counter; TunnelEnd::ALL.len()],
    /// Requests by latency: the buckets of [`LATENCY_BOUNDS`].
    pub latency: [Counter; LATENCY_BOUNDS.len() + 1],
    /// HTTP/2 connections ended because the backend overdid it, in the order of [`Excess::ALL`].
    pub excesses: [Counter; Excess::ALL.len()],
    /// The sum of these latencies, in microseconds.
    pub latency_micros: Counter,
}

impl BackendCell {
    /// Counts a request that took this long, from its head to the end of its response.
    pub fn observe_latency(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = LATENCY_BOUNDS.partition_point(|bound| *bound < seconds);
        self.latency[bucket].increment();
        self.latency_micros.add(took.as_micros() as u64);
    }
}

/// The live counters of a backend.
#[derive(Debug)]
pub struct BackendStats {
    /// By worker.
    pub cells: PerWorker<BackendCell>,
}

impl BackendStats {
    /// Zeroed counters for so many workers.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self { cells: PerWorker::new(workers) })
    }

    /// Attempts under way.
    pub fn in_flight(&self) -> u64 {
        let ended = self.cells.sum(|cell| &cell.ended);
        self.cells.sum(|cell| &cell.started).saturating_sub(ended)
    }

    /// Tunnels open now.
    pub fn tunnels(&self) -> u64 {
        let closed: u64 = TunnelEnd::ALL.iter().map(|end| self.tunnels_closed(*end)).sum();
        self.cells.sum(|cell| &cell.tunnels).saturating_sub(closed)
    }

    /// Tunnels that ended so.
    pub fn tunnels_closed(&self, end: TunnelEnd) -> u64 {
        self.cells.sum(|cell| &cell.tunnels_closed[end as usize])
    }
}

/// What one worker counts for its client side.
#[derive(Debug, Default)]
pub struct ClientCell {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections closed.
    pub closed: Counter,
    /// Connections that were accepted here and handed to a worker that had fewer.
    pub handed_over: Counter,
    /// Connections turned away: too many.
    pub turned_away: Counter,
    /// Connections turned away: too many from their address.
    pub crowded: Counter,
    /// Connections cut: their client read too slowly.
    pub slow_readers: Counter,
    /// Handshakes that ended well.
    pub handshakes_ok: Counter,
    /// Handshakes that failed.
    pub handshakes_failed: Counter,
    /// Handshakes that ran out of time.
    pub handshakes_timed_out: Counter,
    /// Requests refused before a route was found: 400, 404, 421 and their like.
    pub refused: Counter,
    /// Panics caught.
    pub panics: Counter,
    /// HTTP/2 connections ended because the client overdid it, in the order of [`Excess::ALL`].
    pub excesses: [Counter; Excess::ALL.len()],
}

/// The live counters of the client side, over all listeners.
#[derive(Debug)]
pub struct ListenerStats {
    /// By worker.
    pub cells: PerWorker<ClientCell>,
    /// Bytes of requests that are held, over all pools.
    pub held: HeldBytes,
}

impl ListenerStats {
    /// Zeroed counters for so many workers.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self { cells: PerWorker::new(workers), held: HeldBytes::default() })
    }
}

impl PoolStats {
    /// Zeroed counters for so many workers.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            cells: PerWorker::new(workers),
            budget: super::RetryBudget::default(),
            addresses: RateTable::default(),
            tokens: RateTable::default(),
        })
    }
}
