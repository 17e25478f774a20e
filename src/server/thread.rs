//! The thread of a worker: a runtime, listening sockets and connections of its own.

use std::io;
use std::net::{Shutdown, TcpListener};
use std::rc::Rc;
use std::sync::Arc;

use socket2::SockRef;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::{accept, take_in};
use super::balance::Balance;
use super::drain::Stop;
use super::listener::Listener;
use super::serve::Serve;
use super::worker::Worker;
use crate::telemetry::{BEAT, Heartbeats, ListenerStats, Part, WorkerId};

/// What a worker thread is started with.
pub(super) struct Assignment {
    pub(super) id: WorkerId,
    pub(super) sockets: Vec<(Arc<Listener>, TcpListener)>,
    pub(super) stats: Arc<ListenerStats>,
    pub(super) stop: Stop,
    pub(super) balance: Arc<Balance>,
}

impl Assignment {
    /// The same once more, for a thread that takes the place of one that dies: with these open, its clients wait in the
    /// queues of the sockets and are not reset.
    pub(super) fn spare(&self) -> io::Result<Self> {
        let again = |(listener, socket): &(Arc<Listener>, TcpListener)| Ok((listener.clone(), socket.try_clone()?));
        let sockets = self.sockets.iter().map(again).collect::<io::Result<_>>()?;
        let (stats, stop, balance) = (self.stats.clone(), self.stop.clone(), self.balance.clone());
        Ok(Self { id: self.id, sockets, stats, stop, balance })
    }

    /// Takes the sockets out of the group that shares their ports, so that new connections go to the other workers; what
    /// waits in their queues is reset. A worker that comes round finds out, and listens again.
    /// What others have handed to it goes to them.
    pub(super) fn set_aside(&self) {
        for (_, socket) in &self.sockets {
            // On a listening socket of Linux: it hears no more, and keeps its address.
            if let Err(error) = SockRef::from(socket).shutdown(Shutdown::Read) {
                tracing::warn!(%error, worker = self.id.0, "cannot send new connections to the other workers");
            }
        }
        self.balance.pass_over(self.id);
    }
}

/// Runs a worker on this thread until it is told to stop and has drained. Returns how many connections it cut.
pub(super) fn run<S: Serve>(
    assignment: Assignment,
    hearts: &Arc<Heartbeats>,
    make: &dyn Fn(WorkerId) -> S,
) -> io::Result<usize> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    // Dropping the runtime, after this, drops the tasks of the connections that are cut.
    runtime.block_on(work(assignment, hearts.clone(), make))
}

/// Says for as long as this thread comes round that it does.
async fn beat(hearts: Arc<Heartbeats>, id: WorkerId) {
    let mut due = tokio::time::interval(BEAT);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        hearts.beat(Part::Worker(id));
        #[cfg(debug_assertions)]
        super::fault::end_worker_if_told();
    }
}

async fn work<S: Serve>(
    assignment: Assignment,
    hearts: Arc<Heartbeats>,
    make: &dyn Fn(WorkerId) -> S,
) -> io::Result<usize> {
    let Assignment { id, sockets, stats, stop, balance } = assignment;
    // To its very end: a worker that drains is not stuck.
    let mut beating = tokio::task::spawn_local(beat(hearts, id));
    let (drain, tracker) = (CancellationToken::new(), TaskTracker::new());
    let worker = Rc::new(Worker { id, serve: make(id), stats, stop, balance, drain, tracker });
    let background = worker.clone();
    let mut background = tokio::task::spawn_local(async move { background.serve.background().await });

    let mut accepting = JoinSet::new();
    for (listener, socket) in sockets {
        let socket = tokio::net::TcpListener::from_std(socket)?;
        accepting.spawn_local(accept(worker.clone(), listener, socket));
    }
    accepting.spawn_local(take_in(worker.clone()));
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
            ended = &mut beating => return Err(io::Error::other(format!("its heart stopped: {ended:?}"))),
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
