//! Listeners, TLS termination, workers, connection limits, draining.
//!
//! The life of a connection: [`bind`] made the sockets, one per listener and worker → `accept`, and `balance` says by which
//! worker → a place under the cap (`stream`) and that of its address (`limits`) → `connection`: PROXY header, TLS handshake
//! (`encrypted`), both under one deadline → `http`: HTTP/1 or HTTP/2 by ALPN, held to its deadlines by `activity` → `edge` →
//! [`Serve`], the handler. `drain` says how all of this ends.

mod accept;
mod activity;
mod balance;
mod bind;
mod connection;
mod drain;
mod edge;
mod encrypted;
#[cfg(debug_assertions)]
mod fault;
#[cfg(test)]
mod fixture;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod http;
mod limits;
mod linger;
mod listener;
mod proxy_protocol;
mod running;
mod serve;
mod stream;
#[cfg(test)]
mod tests;
mod thread;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

pub use bind::{BindError, Takeover};
pub use drain::Drained;
pub use listener::TlsError;
pub use running::{Running, WorkerDied};
pub use serve::{BoxError, Serve};

use self::balance::Balance;
use self::drain::Stop;
use self::listener::{Listener, Listeners};
use self::thread::Assignment;
use crate::config::Config;
use crate::control::Participant;
use crate::telemetry::{Heartbeats, ListenerStats, WorkerId};
use crate::tls::{CertificateBook, Tickets};

/// Why a server could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A listener could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its TLS side could not be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// All listeners, bound and not yet accepting: connections wait in the kernel's queue.
pub struct Server {
    listeners: Listeners,
    assignments: Vec<Assignment>,
    stop: Stop,
}

impl Server {
    /// Loads the certificates and binds every socket, for `workers` workers (at least one) whose counters `stats` holds. What
    /// is shown to clients is written into `book`.
    ///
    /// # Errors
    /// The first listener that cannot be bound, or whose certificates cannot be used.
    pub fn bind(
        config: &Config,
        workers: usize,
        takeover: Takeover,
        stats: &Arc<ListenerStats>,
        book: CertificateBook,
    ) -> Result<Self, ServerError> {
        let tickets = Tickets::new().map_err(TlsError::from)?;
        let bound = bind::bind_all(&config.listeners, workers, takeover)?;
        let stop = Stop::default();
        let balance = Balance::new(workers.max(1), stats.clone());
        let assignment = |id| {
            let (stats, stop, balance) = (stats.clone(), stop.clone(), balance.clone());
            Assignment { id: WorkerId(id), sockets: Vec::new(), stats, stop, balance }
        };
        let mut assignments: Vec<Assignment> = (0..workers.max(1)).map(assignment).collect();
        let mut all = Vec::with_capacity(bound.len());
        for (index, (config, bound)) in config.listeners.iter().zip(bound).enumerate() {
            let listener = Arc::new(Listener::new(index, bound.address, config.clone(), &tickets, &book)?);
            for (assignment, socket) in assignments.iter_mut().zip(bound.sockets) {
                assignment.sockets.push((listener.clone(), socket));
            }
            all.push(listener);
        }
        stats.held.set_limit(config.held_bodies);
        let (all, stats) = (all.into(), stats.clone());
        let listeners = Listeners { all, workers: config.workers, tickets, book, stats };
        Ok(Self { listeners, assignments, stop })
    }

    /// Where the listeners are bound, in order of the config.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.all.iter().map(|listener| listener.address).collect()
    }

    /// The listeners' part in a reload: certificates, limits, deadlines and trusted networks change in place.
    pub fn participant(&self) -> Arc<dyn Participant> {
        Arc::new(self.listeners.clone())
    }

    /// Starts the worker threads, `botgate-w0` and on. `make` is called on each of them, for its own handler;
    /// each beats in `hearts`.
    ///
    /// # Errors
    /// A thread that cannot be started; those started before it stop.
    pub fn start<S: Serve>(
        self,
        hearts: &Arc<Heartbeats>,
        make: impl Fn(WorkerId) -> S + Send + Sync + 'static,
    ) -> io::Result<Running> {
        Running::start(self.assignments, self.stop, hearts, make)
    }
}
