//! The worker threads: started, watched, stopped.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use super::drain::{Drained, Stop};
use super::serve::Serve;
use super::thread::{self as worker_thread, Assignment};
use crate::telemetry::WorkerId;

/// The workers of a server that has started. Dropping it stops them at once, without a grace.
#[derive(Debug)]
pub struct Running {
    stop: Stop,
    exits: mpsc::Receiver<Exit>,
    alive: usize,
    dead: usize,
}

#[derive(Debug)]
struct Exit {
    worker: WorkerId,
    /// How many connections it cut, or why it died.
    result: Result<usize, String>,
}

/// A worker that ended without being told to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("worker {} died: {reason}; the others serve on, but the process should be restarted", worker.0)]
pub struct WorkerDied {
    /// Which.
    pub worker: WorkerId,
    /// Why.
    pub reason: String,
}

impl Running {
    pub(super) fn start<S: Serve>(
        assignments: Vec<Assignment>,
        stop: Stop,
        make: impl Fn(WorkerId) -> S + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (report, exits) = mpsc::channel(assignments.len().max(1));
        let mut running = Self { stop, exits, alive: 0, dead: 0 };
        let make = Arc::new(make);
        for assignment in assignments {
            let (report, make, worker) = (report.clone(), make.clone(), assignment.id);
            thread::Builder::new().name(format!("botgate-w{}", worker.0)).spawn(move || {
                let ended = catch_unwind(AssertUnwindSafe(|| worker_thread::run(assignment, &*make)));
                let result = match ended {
                    Ok(Ok(cut)) => Ok(cut),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(panic) => Err(format!("it panicked: {}", message(&*panic))),
                };
                if let Err(reason) = &result {
                    tracing::error!(worker = worker.0, reason, "a worker died; the others serve on");
                }
                // There is room for one report of each worker; nobody listens when the process is ending.
                let _ = report.try_send(Exit { worker, result });
            })?;
            running.alive += 1;
        }
        Ok(running)
    }

    /// How many workers serve.
    pub fn alive(&self) -> usize {
        self.alive
    }

    /// Waits for a worker to die. Pending for as long as all of them live.
    pub async fn worker_died(&mut self) -> WorkerDied {
        loop {
            match self.exits.recv().await {
                Some(Exit { worker, result: Err(reason) }) => {
                    self.alive -= 1;
                    self.dead += 1;
                    return WorkerDied { worker, reason };
                }
                // Ended as told, by whoever holds the same stop.
                Some(Exit { result: Ok(_), .. }) => self.alive -= 1,
                None => std::future::pending().await,
            }
        }
    }

    /// Stops accepting, lets what is under way end within `grace`, and cuts the rest.
    pub async fn shutdown(mut self, grace: Duration) -> Drained {
        self.stop.request(grace);
        let mut drained = Drained { dead_workers: self.dead, ..Drained::default() };
        while self.alive > 0 {
            match self.exits.recv().await {
                Some(Exit { result: Ok(cut), .. }) => drained.cut += cut,
                Some(Exit { result: Err(_), .. }) => drained.dead_workers += 1,
                None => break,
            }
            self.alive -= 1;
        }
        drained
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.request(Duration::ZERO);
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
