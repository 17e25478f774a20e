//! Waiting for conditions, and for the machine.

use std::time::{Duration, Instant};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How long a condition that should come about at once may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(15);

/// Polls `condition` until it holds.
///
/// # Panics
/// With `what` when it does not hold within `deadline`.
pub async fn wait_within(what: &str, deadline: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// [`wait_within`] the usual deadline.
pub async fn wait_until(what: &str, condition: impl AsyncFnMut() -> bool) {
    wait_within(what, SOON, condition).await;
}

static MACHINE: RwLock<()> = RwLock::const_new(());

/// Held by a test that measures: no other test runs beside it.
pub async fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().await
}

/// Held by a test that does not measure: may run beside others of its kind.
pub async fn together() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().await
}
