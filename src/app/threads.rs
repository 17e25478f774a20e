//! The threads beside the workers: control and the admin API have one each, so that neither can keep the other, or the
//! signals that the main thread waits for, from coming round.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::control::{self, Handle};
use crate::model::Evidence;
use crate::snapshot::SnapshotCell;
use crate::telemetry::{ControlStats, Part};

/// How long what control has handed to other threads (a file system that hangs) may take when it ends.
const ERRANDS: Duration = Duration::from_secs(1);
/// How long control may take to end: the journal writes what waits.
const ENDING: Duration = Duration::from_secs(5);

/// Control on its thread, and the ways to it.
pub(super) struct ControlThread {
    /// For orders and questions.
    pub(super) handle: Handle,
    /// What requests read.
    pub(super) snapshots: Arc<SnapshotCell>,
    /// Where workers send evidence.
    pub(super) evidence: mpsc::Sender<Evidence>,
    /// What control counts.
    pub(super) stats: Arc<ControlStats>,
    stop: CancellationToken,
    ended: oneshot::Receiver<()>,
}

/// Starts control, and waits for its first snapshot.
pub(super) async fn start_control(setup: control::Setup) -> Result<ControlThread, StartError> {
    let stop = CancellationToken::new();
    let (tell, told) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let (hearts, stopped) = (setup.hearts.clone(), stop.clone());
    let body = move || {
        let ending = stopped.clone();
        let run = async move {
            let started = match control::start(setup).await {
                Ok(started) => started,
                Err(errors) => return drop(tell.send(Err(StartError::Control(errors)))),
            };
            let control::Started { handle, snapshots, evidence, stats, control } = started;
            // Nobody waits any more: the process is ending.
            let _ = tell.send(Ok((handle, snapshots, evidence, stats)));
            control.run(ending).await;
        };
        let ran = on_runtime(ERRANDS, run);
        if !stopped.is_cancelled() {
            hearts.died(Part::Control);
            tracing::error!(
                ?ran,
                "control ended: traffic goes on as it was, but nothing is probed or decided: restart botgate"
            );
        }
        let _ = end.send(());
    };
    thread::Builder::new().name("botgate-control".to_owned()).spawn(body)?;
    let lost = || StartError::Control(vec!["control died while it was set up: the log says why".to_owned()]);
    let (handle, snapshots, evidence, stats) = told.await.map_err(|_| lost())??;
    Ok(ControlThread { handle, snapshots, evidence, stats, stop, ended })
}

impl ControlThread {
    /// Ends control; what the journal has to write is written, unless that takes too long.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        if tokio::time::timeout(ENDING, self.ended).await.is_err() {
            tracing::error!("control does not end: its last decisions may not be in the journal");
        }
    }
}

/// Runs the admin API's part on a thread of its own.
pub(super) fn start_admin<F: Future<Output = ()>>(serve: impl FnOnce() -> F + Send + 'static) -> io::Result<()> {
    let body = move || {
        if let Err(error) = on_runtime(Duration::ZERO, async { serve().await }) {
            tracing::error!(error, "the admin API ended: traffic goes on; restart botgate to have it again");
        }
    };
    thread::Builder::new().name("botgate-admin".to_owned()).spawn(body).map(drop)
}

/// Runs a future to its end on a runtime of this thread, whose blocking tasks then have `errands` to end. The error says
/// why it did not come to its end.
fn on_runtime(errands: Duration, future: impl Future<Output = ()> + 'static) -> Result<(), String> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let runtime = runtime.map_err(|error| format!("it has no runtime: {error}"))?;
    // As a task: what `block_on` itself waits for is woken by a write to an event descriptor, wherever that comes from.
    let ran = runtime.block_on(runtime.spawn_local(future));
    runtime.shutdown_timeout(errands);
    ran.map_err(|_| "it panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_says_so_and_one_whose_errands_hang_ends_all_the_same() {
        let panicked = on_runtime(Duration::ZERO, async { panic!("on purpose") });
        assert_eq!(panicked.unwrap_err(), "it panicked");
        let (release, hang) = std::sync::mpsc::channel::<()>();
        let hangs = async {
            // Ends when this test does.
            drop(tokio::task::spawn_blocking(move || hang.recv().is_err()));
        };
        assert_eq!(on_runtime(Duration::from_millis(10), hangs), Ok(()));
        drop(release);
    }
}
