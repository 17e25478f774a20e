//! What the connections of one worker share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::balance::Balance;
use super::drain::Stop;
use crate::telemetry::{ListenerStats, WorkerId};

/// What the connections of one worker share.
pub(super) struct Worker<S> {
    pub(super) id: WorkerId,
    pub(super) serve: S,
    pub(super) stats: Arc<ListenerStats>,
    pub(super) stop: Stop,
    /// Who takes what is accepted.
    pub(super) balance: Arc<Balance>,
    /// Tells the connections of this worker to end; cancelled once nothing more is accepted.
    pub(super) drain: CancellationToken,
    /// Counts open connections.
    pub(super) tracker: TaskTracker,
}
