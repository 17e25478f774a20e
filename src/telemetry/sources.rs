//! What a scrape is made from: the pools of the snapshot, and how full their ledgers are.

use std::sync::Arc;

use super::stats::{BackendStats, PoolStats};
use crate::model::{BackendName, Health, PoolName};

/// A pool at the moment of a scrape.
#[derive(Clone, Debug)]
pub struct PoolSource {
    /// Its name.
    pub name: PoolName,
    /// Its epoch.
    pub epoch: u64,
    /// Its counters.
    pub stats: Arc<PoolStats>,
    /// How full its ledger is.
    pub ledger: LedgerLevels,
    /// Its backends.
    pub backends: Vec<BackendSource>,
}

/// How full the ledger of a pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerLevels {
    /// Activities that are being delivered.
    pub in_flight: usize,
    /// Outcomes that are kept.
    pub done: usize,
    /// Bytes of these.
    pub bytes: usize,
}

/// A backend at the moment of a scrape.
#[derive(Clone, Debug)]
pub struct BackendSource {
    /// Its name.
    pub name: BackendName,
    /// Whether requests go to it.
    pub active: bool,
    /// Its health.
    pub health: Health,
    /// Its counters.
    pub stats: Arc<BackendStats>,
}
