//! What is counted of a connection to a backend.

use std::sync::Arc;

use crate::telemetry::{BackendCell, BackendStats, WorkerId};

/// Counts an open connection for as long as it lives.
#[derive(Debug)]
pub(super) struct Counted(Option<(Arc<BackendStats>, WorkerId)>);

impl Counted {
    /// One more is open.
    pub(super) fn new(stats: Arc<BackendStats>, worker: WorkerId) -> Self {
        stats.cells.of(worker).dialed.increment();
        Self(Some((stats, worker)))
    }

    /// A connection that no client's request goes over.
    pub(super) const fn nowhere() -> Self {
        Self(None)
    }

    /// What came over it breaks a rule of HTTP/1.
    pub(super) fn malformed(&self) {
        if let Some(cell) = self.cell() {
            cell.malformed.increment();
        }
    }

    fn cell(&self) -> Option<&BackendCell> {
        self.0.as_ref().map(|(stats, worker)| stats.cells.of(*worker))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(cell) = self.cell() {
            cell.hung_up.increment();
        }
    }
}
