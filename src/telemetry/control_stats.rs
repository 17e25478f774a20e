//! What control counts. Written off the request path, by the control thread alone; read when scraped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::LATENCY_BOUNDS;
use crate::model::{BackendName, Cause, Direction, Phase, PoolName, Utc};

/// The counters of the control plane.
#[derive(Debug, Default)]
pub struct ControlStats {
    reloads: [AtomicU64; 2],
    evidence: AtomicU64,
    publications: AtomicU64,
    switches: Mutex<BTreeMap<SwitchKey, u64>>,
    failover_seconds: Mutex<BTreeMap<PoolName, Histogram>>,
    probe_seconds: Mutex<BTreeMap<(PoolName, BackendName), Histogram>>,
    drills: Mutex<BTreeMap<(PoolName, &'static str), u64>>,
    drill: Mutex<Option<PoolName>>,
    pools: Mutex<BTreeMap<PoolName, PoolState>>,
    journal: Mutex<(JournalCounts, bool)>,
    parity: Mutex<BTreeMap<PoolName, Vec<ParityStat>>>,
    keys: Mutex<Vec<KeyStat>>,
    certificates: Mutex<Vec<CertificateStat>>,
    ocsp: [AtomicU64; 2],
}

/// A certificate that this process shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateStat {
    /// The file of its chain.
    pub chain: String,
    /// Until when it is valid, in seconds since 1970.
    pub not_after: i64,
    /// Until when the OCSP response that is stapled to it holds, likewise; none: none is.
    pub stapled_until: Option<i64>,
    /// Whether one should be.
    pub staple_wanted: bool,
}

/// The keys of one token issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStat {
    /// The URL of its metadata.
    pub metadata: String,
    /// How many keys are used.
    pub count: usize,
    /// When they were fetched; none: never.
    pub fetched: Option<Utc>,
    /// Whether there are keys, and the last attempt to fetch them was good.
    pub fresh: bool,
}

/// What one parity check says of one backend.
#[derive(Clone, Debug, PartialEq)]
pub struct ParityStat {
    /// The name of the check.
    pub check: String,
    /// The backend.
    pub backend: BackendName,
    /// 1 in step, 0 drifted, -1 unknown.
    pub verdict: f64,
}

/// Where a pool stands, as control sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// Its phase.
    pub phase: Phase,
    /// Its backends, and whether each is ready.
    pub ready: Vec<(BackendName, bool)>,
}

/// What the journal has counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalCounts {
    /// Decisions that are durable.
    pub written: u64,
    /// Of these, those that took effect before they were.
    pub late: u64,
    /// Decisions that never will be.
    pub lost: u64,
    /// What was found wrong with the file at the start.
    pub damage: u64,
}

/// What switches are counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchKey {
    /// The pool.
    pub pool: PoolName,
    /// Which way.
    pub direction: Direction,
    /// Why.
    pub cause: Cause,
}

impl SwitchKey {
    fn order(&self) -> (&PoolName, &'static str, &'static str) {
        (&self.pool, self.direction.as_str(), self.cause.as_str())
    }
}

impl Ord for SwitchKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for SwitchKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Durations in the buckets of [`LATENCY_BOUNDS`], and one more for what is slower. Buckets are not cumulative.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// How many fell into each bucket.
    pub buckets: [u64; LATENCY_BOUNDS.len() + 1],
    /// Their sum, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.buckets[LATENCY_BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        self.sum += seconds;
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

// A panic while a map was locked leaves at worst one count missing: no reason to stop counting.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ControlStats {
    /// Zeroed counters.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Counts a reload by its outcome.
    pub fn reloaded(&self, applied: bool) {
        self.reloads[usize::from(applied)].fetch_add(1, Relaxed);
    }

    /// Counts evidence taken in.
    pub fn evidence_received(&self, count: u64) {
        self.evidence.fetch_add(count, Relaxed);
    }

    /// Counts a publication of the snapshot.
    pub fn published(&self) {
        self.publications.fetch_add(1, Relaxed);
    }

    /// Counts a switch; `took` is the time from the first bad sign to the publication, for failovers.
    pub fn switched(&self, key: SwitchKey, took: Option<Duration>) {
        if let Some(took) = took {
            lock(&self.failover_seconds).entry(key.pool.clone()).or_default().observe(took);
        }
        *lock(&self.switches).entry(key).or_default() += 1;
    }

    /// Counts a probe that took this long.
    pub fn probed(&self, pool: &PoolName, backend: &BackendName, took: Duration) {
        lock(&self.probe_seconds).entry((pool.clone(), backend.clone())).or_default().observe(took);
    }

    /// Counts a drill by its result.
    pub fn drilled(&self, pool: &PoolName, result: &'static str) {
        *lock(&self.drills).entry((pool.clone(), result)).or_default() += 1;
    }

    /// Says which pool's drill is under way.
    pub fn set_drill(&self, pool: Option<PoolName>) {
        *lock(&self.drill) = pool;
    }

    /// Says where a pool stands.
    pub fn set_pool(&self, pool: &PoolName, state: PoolState) {
        lock(&self.pools).insert(pool.clone(), state);
    }

    /// Says what the journal counts, and whether it is well.
    pub fn set_journal(&self, counts: JournalCounts, well: bool) {
        *lock(&self.journal) = (counts, well);
    }

    /// Says what the parity checks of a pool found.
    pub fn set_parity(&self, pool: &PoolName, found: Vec<ParityStat>) {
        lock(&self.parity).insert(pool.clone(), found);
    }

    /// Says which keys of token issuers are used.
    pub fn set_keys(&self, keys: Vec<KeyStat>) {
        *lock(&self.keys) = keys;
    }

    /// Says which certificates are shown.
    pub fn set_certificates(&self, all: Vec<CertificateStat>) {
        *lock(&self.certificates) = all;
    }

    /// The certificates that are shown.
    pub fn certificates(&self) -> Vec<CertificateStat> {
        lock(&self.certificates).clone()
    }

    /// Counts a question to an OCSP responder by whether its answer was good.
    pub fn ocsp_fetched(&self, good: bool) {
        self.ocsp[usize::from(good)].fetch_add(1, Relaxed);
    }

    /// Questions to OCSP responders without and with a good answer.
    pub fn ocsp(&self) -> [u64; 2] {
        [self.ocsp[0].load(Relaxed), self.ocsp[1].load(Relaxed)]
    }

    /// The keys of token issuers.
    pub fn keys(&self) -> Vec<KeyStat> {
        lock(&self.keys).clone()
    }

    /// What the parity checks found, by pool.
    pub fn parity(&self) -> Vec<(PoolName, Vec<ParityStat>)> {
        lock(&self.parity).iter().map(|(pool, found)| (pool.clone(), found.clone())).collect()
    }

    /// Where each pool stands.
    pub fn pools(&self) -> Vec<(PoolName, PoolState)> {
        lock(&self.pools).iter().map(|(pool, state)| (pool.clone(), state.clone())).collect()
    }

    /// What the journal has counted, and whether it is well.
    pub fn journal(&self) -> (JournalCounts, bool) {
        *lock(&self.journal)
    }

    /// Forgets pools that a reload took away.
    pub fn retain_pools(&self, keep: impl Fn(&PoolName) -> bool) {
        lock(&self.pools).retain(|pool, _| keep(pool));
        lock(&self.parity).retain(|pool, _| keep(pool));
    }

    /// Forgets the probes of backends that a reload took away, so that what is kept does not grow for ever.
    pub fn retain_backends(&self, keep: impl Fn(&PoolName, &BackendName) -> bool) {
        lock(&self.probe_seconds).retain(|(pool, backend), _| keep(pool, backend));
    }

    /// Reloads that were applied.
    pub fn reloads_applied(&self) -> u64 {
        self.reloads[1].load(Relaxed)
    }

    /// Reloads that were rejected.
    pub fn reloads_rejected(&self) -> u64 {
        self.reloads[0].load(Relaxed)
    }

    /// Evidence taken in from the request path.
    pub fn evidence_total(&self) -> u64 {
        self.evidence.load(Relaxed)
    }

    /// Snapshots published.
    pub fn publications(&self) -> u64 {
        self.publications.load(Relaxed)
    }

    /// Switches by pool, direction and cause.
    pub fn switches(&self) -> Vec<(SwitchKey, u64)> {
        lock(&self.switches).iter().map(|(key, count)| (key.clone(), *count)).collect()
    }

    /// Drills by pool and result.
    pub fn drills(&self) -> Vec<((PoolName, &'static str), u64)> {
        lock(&self.drills).iter().map(|(key, count)| (key.clone(), *count)).collect()
    }

    /// The pool whose drill is under way.
    pub fn drill(&self) -> Option<PoolName> {
        lock(&self.drill).clone()
    }

    /// Time from the first bad sign to the publication of a failover, by pool.
    pub fn failover_seconds(&self) -> Vec<(PoolName, Histogram)> {
        lock(&self.failover_seconds).iter().map(|(pool, all)| (pool.clone(), all.clone())).collect()
    }

    /// Time that probes took, by pool and backend.
    pub fn probe_seconds(&self) -> Vec<((PoolName, BackendName), Histogram)> {
        lock(&self.probe_seconds).iter().map(|(key, all)| (key.clone(), all.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failover_is_counted_by_what_it_was_and_how_long_it_took() {
        let stats = ControlStats::default();
        let key = SwitchKey { pool: "p".into(), direction: Direction::Failover, cause: Cause::Probes };
        stats.switched(key.clone(), Some(Duration::from_millis(3)));
        stats.switched(key.clone(), None);
        assert_eq!(stats.switches(), [(key, 2)]);
        let (_, seconds) = &stats.failover_seconds()[0];
        assert_eq!((seconds.count(), seconds.buckets[3]), (1, 1), "3 ms lie in the bucket up to 5 ms");
    }
}
