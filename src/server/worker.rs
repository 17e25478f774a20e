//! What the connections of one worker share.

use std::cell::RefCell;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::balance::{Balance, Churn};
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
    /// How its connections come and go.
    pub(super) churn: RefCell<Churn>,
    /// Tells the connections of this worker to end; cancelled once nothing more is accepted.
    pub(super) drain: CancellationToken,
    /// Counts open connections.
    pub(super) tracker: TaskTracker,
}
