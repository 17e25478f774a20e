//! The thread of a worker: a runtime, listening sockets and connections of its own.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::{Builder, LocalOptions};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::accept;
use super::drain::Stop;
use super::listener::Listener;
use super::serve::Serve;
use super::worker::Worker;
use crate::telemetry::{ListenerStats, WorkerId};

/// What a worker thread is started with.
pub(super) struct Assignment {
    pub(super) id: WorkerId,
    pub(super) sockets: Vec<(Arc<Listener>, TcpListener)>,
    pub(super) stats: Arc<ListenerStats>,
    pub(super) stop: Stop,
}

/// Runs a worker on this thread until it is told to stop and has drained. Returns how many connections it cut.
pub(super) fn run<S: Serve>(assignment: Assignment, make: &dyn Fn(WorkerId) -> S) -> io::Result<usize> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    // Dropping the runtime, after this, drops the tasks of the connections that are cut.
    runtime.block_on(work(assignment, make))
}

async fn work<S: Serve>(assignment: Assignment, make: &dyn Fn(WorkerId) -> S) -> io::Result<usize> {
    let Assignment { id, sockets, stats, stop } = assignment;
    let (drain, tracker) = (CancellationToken::new(), TaskTracker::new());
    let worker = Rc::new(Worker { id, serve: make(id), stats, stop, drain, tracker });
    let background = worker.clone();
    let mut background = tokio::task::spawn_local(async move { background.serve.background().await });

    let mut accepting = JoinSet::new();
    for (listener, socket) in sockets {
        let socket = tokio::net::TcpListener::from_std(socket)?;
        accepting.spawn_local(accept(worker.clone(), listener, socket));
    }
    // They end by themselves only when stopped; anything else is a bug that must end the worker, loudly.
    let mut watched = true;
    loop {
        tokio::select! {
            ended = accepting.join_next() => match ended {
                Some(ended) => ended.map_err(io::Error::other)?,
                None => break,
            },
            // Without its background no deadline of a request would ever pass.
            ended = &mut background, if watched => match ended {
                // A handler may have nothing to do beside its requests.
                Ok(()) => watched = false,
                Err(error) => return Err(io::Error::other(error)),
            },
        }
    }
    worker.stop.requested().await;
    worker.drain.cancel();
    worker.serve.retire(worker.stop.grace());
    worker.tracker.close();
    let ended = async {
        worker.tracker.wait().await;
        worker.serve.settle().await;
    };
    let _ = tokio::time::timeout(worker.stop.grace(), ended).await;
    let cut = worker.tracker.len();
    background.abort();
    Ok(cut)
}
