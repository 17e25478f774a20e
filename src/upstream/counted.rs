//! What is counted of a connection to a backend.

use std::sync::Arc;

use crate::telemetry::{BackendStats, WorkerId};

/// Counts an open connection for as long as it lives.
#[derive(Debug)]
pub(super) struct Counted {
    stats: Arc<BackendStats>,
    worker: WorkerId,
}

impl Counted {
    /// One more is open.
    pub(super) fn new(stats: Arc<BackendStats>, worker: WorkerId) -> Self {
        stats.cells.of(worker).dialed.increment();
        Self { stats, worker }
    }

    /// What came over it breaks a rule of HTTP/1.
    pub(super) fn malformed(&self) {
        self.stats.cells.of(self.worker).malformed.increment();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.stats.cells.of(self.worker).hung_up.increment();
    }
}
