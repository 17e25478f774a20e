//! The worker threads: started, watched, replaced, stopped.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::drain::{Drained, Stop};
use super::serve::Serve;
use super::thread::{self as worker_thread, Assignment};
use crate::telemetry::{Condition, Heartbeats, Part, WorkerId};

/// A worker that dies is replaced so often within [`REPLACE_WITHIN`]; one that dies again at once would take its clients
/// with it again and again, and is left dead.
const REPLACEMENTS: usize = 3;
const REPLACE_WITHIN: Duration = Duration::from_secs(600);

/// The workers of a server that has started. Dropping it stops them at once, without a grace.
pub struct Running {
    stop: Stop,
    exits: mpsc::Receiver<Exit>,
    hearts: Arc<Heartbeats>,
    spawn: Spawn,
    spares: Vec<Spare>,
    alive: usize,
    dead: usize,
}

type Spawn = Box<dyn Fn(Assignment) -> io::Result<()> + Send>;

/// What a worker is replaced from.
struct Spare {
    /// None once it is not replaced any more.
    assignment: Option<Assignment>,
    replaced: Vec<Instant>,
    aside: bool,
}

#[derive(Debug)]
struct Exit {
    worker: WorkerId,
    /// How many connections it cut, or why it died.
    result: Result<usize, String>,
}

/// A worker that ended without being told to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("worker {} died: {reason}; {}", worker.0, if *.replaced {
    "its connections are cut, another takes its place"
} else {
    "the others serve on, but the process should be restarted"
})]
pub struct WorkerDied {
    /// Which.
    pub worker: WorkerId,
    /// Why.
    pub reason: String,
    /// Whether another one took its place.
    pub replaced: bool,
}

impl Running {
    pub(super) fn start<S: Serve>(
        assignments: Vec<Assignment>,
        stop: Stop,
        hearts: &Arc<Heartbeats>,
        make: impl Fn(WorkerId) -> S + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (report, exits) = mpsc::channel(assignments.len().max(1));
        let (make, beats) = (Arc::new(make), hearts.clone());
        let spawn = move |assignment: Assignment| {
            let (report, make, hearts, worker) = (report.clone(), make.clone(), beats.clone(), assignment.id);
            let body = move || {
                let ended = catch_unwind(AssertUnwindSafe(|| worker_thread::run(assignment, &hearts, &*make)));
                let result = match ended {
                    Ok(Ok(cut)) => Ok(cut),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(panic) => Err(format!("it panicked: {}", message(&*panic))),
                };
                // There is room for one report of each worker; nobody listens when the process is ending.
                let _ = report.try_send(Exit { worker, result });
            };
            thread::Builder::new().name(format!("botgate-w{}", worker.0)).spawn(body).map(drop)
        };
        let (spawn, hearts) = (Box::new(spawn), hearts.clone());
        let mut running = Self { stop, exits, hearts, spawn, spares: Vec::new(), alive: 0, dead: 0 };
        for assignment in assignments {
            running.spares.push(Spare { assignment: Some(assignment.spare()?), replaced: Vec::new(), aside: false });
            (running.spawn)(assignment)?;
            running.alive += 1;
        }
        Ok(running)
    }

    /// How many workers serve.
    pub fn alive(&self) -> usize {
        self.alive
    }

    /// Waits for a worker to die, and puts another in its place. Pending for as long as all of them live.
    pub async fn worker_died(&mut self) -> WorkerDied {
        loop {
            match self.exits.recv().await {
                Some(Exit { worker, result: Err(reason) }) => {
                    let replaced = self.replace(worker);
                    if !replaced {
                        self.alive -= 1;
                        self.dead += 1;
                        self.hearts.died(Part::Worker(worker));
                    }
                    return WorkerDied { worker, reason, replaced };
                }
                // Ended as told, by whoever holds the same stop.
                Some(Exit { result: Ok(_), .. }) => self.alive -= 1,
                None => std::future::pending().await,
            }
        }
    }

    fn replace(&mut self, worker: WorkerId) -> bool {
        let Some(spare) = self.spares.get_mut(worker.0) else { return false };
        spare.replaced.retain(|at| at.elapsed() < REPLACE_WITHIN);
        let again = match &spare.assignment {
            Some(assignment) if spare.replaced.len() < REPLACEMENTS => assignment.spare(),
            _ => {
                // Closed, so that no client waits in their queues.
                if let Some(assignment) = spare.assignment.take() {
                    assignment.balance.pass_over(worker);
                }
                return false;
            }
        };
        spare.replaced.push(Instant::now());
        match again.and_then(|assignment| (self.spawn)(assignment)) {
            Ok(()) => {
                self.hearts.replaced(Part::Worker(worker));
                true
            }
            Err(error) => {
                tracing::error!(worker = worker.0, %error, "no other thread can take the place of the worker");
                if let Some(assignment) = spare.assignment.take() {
                    assignment.balance.pass_over(worker);
                }
                false
            }
        }
    }

    /// Sends new connections past the workers that are stuck; to be called now and then. While all are stuck, nothing
    /// changes. A worker that comes round takes connections again by itself.
    pub fn bypass_the_stuck(&mut self) {
        let well = |id| self.hearts.condition(Part::Worker(WorkerId(id))) == Condition::Well;
        let conditions: Vec<bool> = (0..self.spares.len()).map(well).collect();
        let any_well = conditions.contains(&true);
        for (spare, well) in self.spares.iter_mut().zip(conditions) {
            let Some(assignment) = &spare.assignment else { continue };
            if !well && !spare.aside && any_well {
                assignment.set_aside();
                spare.aside = true;
            } else if well {
                spare.aside = false;
            }
        }
    }

    /// Stops accepting, lets what is under way end within `grace`, and cuts the rest.
    pub async fn shutdown(mut self, grace: Duration) -> Drained {
        // A socket that is open twice is not closed by the worker that closes it.
        self.spares.clear();
        self.stop.request(grace);
        let mut drained = Drained { dead_workers: self.dead, ..Drained::default() };
        // A stuck worker does not end by itself, however long it is waited for.
        let patience = tokio::time::sleep(grace + STUCK_PATIENCE);
        tokio::pin!(patience);
        while self.alive > 0 {
            let exit = tokio::select! {
                exit = self.exits.recv() => exit,
                () = &mut patience => {
                    drained.dead_workers += self.alive;
                    break;
                }
            };
            match exit {
                Some(Exit { result: Ok(cut), .. }) => drained.cut += cut,
                Some(Exit { result: Err(reason), worker }) => {
                    tracing::error!(worker = worker.0, reason, "a worker died while it was draining");
                    drained.dead_workers += 1;
                }
                None => break,
            }
            self.alive -= 1;
        }
        drained
    }
}

/// How much longer than the grace a worker may take to end.
const STUCK_PATIENCE: Duration = Duration::from_secs(2);

impl Drop for Running {
    fn drop(&mut self) {
        self.spares.clear();
        self.stop.request(Duration::ZERO);
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
