//! Starts and stops the simulated regions.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use serde::Serialize;
use socket2::Socket;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::service::Service;
use super::{ServiceKind, SimConfig, connection, control};

/// Simulated regions, before they run.
#[derive(Debug)]
pub struct Sim;

/// Simulated regions that run, until this is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    /// Where faults are set.
    pub control: SocketAddr,
    /// The regions in order of writing.
    pub regions: Vec<RegionAddresses>,
    stop: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

/// Where a region listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegionAddresses {
    /// Its name.
    pub name: String,
    /// Its bot.
    pub bot: Option<SocketAddr>,
    /// Its question answering.
    pub qna: Option<SocketAddr>,
}

/// Why the simulated regions did not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The config is not valid.
    #[error("the config of the simulated regions is not valid: {0}")]
    Config(String),
    /// An address cannot be bound.
    #[error("cannot listen on {address} for {what}: {source}; free the port or choose another")]
    Bind {
        /// Which service of which region.
        what: String,
        /// As configured.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A record cannot be written.
    #[error("cannot append to the record {}: {source}", path.display())]
    Record {
        /// As configured.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A thread or its runtime did not start.
    #[error("cannot start a thread for the simulated regions: {0}")]
    Thread(#[from] io::Error),
}

impl Sim {
    /// Binds every address, then serves each service on a thread of its own.
    ///
    /// # Errors
    /// [`SimError`]; nothing runs then.
    pub fn start(config: SimConfig) -> Result<Running, SimError> {
        config.check().map_err(SimError::Config)?;
        let (control_socket, control) = bound("control", config.control)?;
        let mut parts = Vec::new();
        let mut regions = Vec::new();
        for region in &config.regions {
            let mut addresses = RegionAddresses { name: region.name.clone(), bot: None, qna: None };
            for (kind, wanted) in [(ServiceKind::Bot, region.bot), (ServiceKind::Qna, region.qna)] {
                let Some(wanted) = wanted else { continue };
                let (socket, address) = bound(&format!("{} {}", region.name, kind.as_str()), wanted)?;
                match kind {
                    ServiceKind::Bot => addresses.bot = Some(address),
                    ServiceKind::Qna => addresses.qna = Some(address),
                }
                let (orders, inbox) = mpsc::channel(16);
                let record = region.record.as_ref().filter(|_| kind == ServiceKind::Bot);
                let record = record.map(|path| recorder(path)).transpose()?;
                parts.push((Arc::new(Service::new(kind, address, region, record, orders)), socket, inbox));
            }
            regions.push(addresses);
        }
        let services: Arc<[Arc<Service>]> = parts.iter().map(|(service, ..)| service.clone()).collect();
        let mut running = Running { control, regions, stop: CancellationToken::new(), threads: Vec::new() };
        for (service, socket, inbox) in parts {
            let name = format!("sim-{}-{}", service.region, service.kind.as_str());
            running.spawn(name, socket, move |listener| connection::serve(service, listener, inbox))?;
        }
        running.spawn("sim-control".to_owned(), control_socket, move |listener| control::serve(listener, services))?;
        Ok(running)
    }
}

fn recorder(path: &Path) -> Result<File, SimError> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|source| SimError::Record { path: path.to_owned(), source })
}

impl Running {
    /// Closes every socket and connection, and waits for the threads.
    pub fn stop(self) {
        drop(self);
    }

    fn spawn<F, S>(&mut self, name: String, socket: Socket, serve: S) -> Result<(), SimError>
    where
        S: FnOnce(TcpListener) -> F + Send + 'static,
        F: Future<Output = ()>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _entered = runtime.enter();
            connection::listen(socket)?
        };
        let stop = self.stop.clone();
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            runtime.block_on(stop.run_until_cancelled(serve(listener)));
        })?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on stderr.
            let _ = thread.join();
        }
    }
}

fn bound(what: &str, address: SocketAddr) -> Result<(Socket, SocketAddr), SimError> {
    let failed = |source| SimError::Bind { what: what.to_owned(), address, source };
    let socket = connection::bind(address).map_err(failed)?;
    // Two sockets may be bound to an address as long as neither listens: only this finds out who was first.
    socket.listen(connection::BACKLOG).map_err(failed)?;
    let local = socket.local_addr().map_err(failed)?;
    let local = local.as_socket().unwrap_or(address);
    Ok((socket, local))
}
