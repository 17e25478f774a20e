//! Stopping without losing what was accepted.
//!
//! On a stop each worker takes what is in its accept queues and closes the sockets. HTTP/2 clients are told by GOAWAY.
//! An HTTP/1 client cannot be told before its next response, so a kept connection may bring one more request within
//! the linger, and is answered with `Connection: close`. What is still open after the grace is cut.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Longest linger.
const LINGER: Duration = Duration::from_secs(1);

/// How a shutdown ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open after the grace, and were cut.
    pub cut: usize,
    /// Workers that had died before.
    pub dead_workers: usize,
}

/// Tells all workers to stop, and how long they may take.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    token: CancellationToken,
    grace: Arc<OnceLock<Duration>>,
}

impl Stop {
    /// Only the first call counts.
    pub(super) fn request(&self, grace: Duration) {
        let _ = self.grace.set(grace);
        self.token.cancel();
    }

    pub(super) async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// How long the connections may take.
    pub(super) fn grace(&self) -> Duration {
        self.grace.get().copied().unwrap_or_default()
    }
}

/// How long a kept HTTP/1 connection may bring one more request: never more than half of the grace, so that this
/// request has time to be answered.
pub(super) fn linger(grace: Duration) -> Duration {
    LINGER.min(grace / 2)
}
