//! Wires the parts, starts and stops them; nothing else knows all of them.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_local;
use tokio_util::sync::CancellationToken;

use crate::admin;
use crate::config::{AccessLogConfig, Config};
use crate::control::{self, Command, Handle, Loaded, Outside, Participant, Prepared, Watch};
use crate::model::{Clock, ReloadOutcome};
use crate::proxy::Gateway;
use crate::server::{Drained, Running, Server, ServerError, Takeover};
use crate::snapshot::Snapshot;
use crate::telemetry::{self, AccessLog, AccessLogGuard, ActivityTap, BackendSource, ListenerStats, PoolSource};
use crate::tls::CertificateBook;

/// Pause between two tries to bind the admin address while a predecessor still has it.
const ADMIN_RETRY: Duration = Duration::from_millis(100);

/// What a gateway is started with.
pub struct Setup {
    /// The config to begin with.
    pub loaded: Loaded,
    /// What control needs of the world.
    pub outside: Arc<dyn Outside>,
    /// The file watch.
    pub watch: Box<dyn Watch>,
    /// Where the journal lives; none: in memory, until the process ends.
    pub state_dir: Option<PathBuf>,
    /// Whether a predecessor may still listen on the same addresses.
    pub takeover: Takeover,
}

/// Where a gateway listens.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The listeners, in order of the config.
    pub listeners: Vec<SocketAddr>,
    /// The admin API. While a predecessor has the address, it is taken as soon as that one stops.
    pub admin: SocketAddr,
    /// A way to talk to control.
    pub control: Handle,
}

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The admin listener.
    #[error(transparent)]
    Admin(#[from] admin::BindError),
    /// The admin listener would be open to everyone, or its TLS cannot be set up.
    #[error(transparent)]
    Access(#[from] admin::AccessError),
    /// The config asks for something that cannot be built.
    #[error("{}", .0.join("\n"))]
    Control(Vec<String>),
    /// The system.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs a gateway until SIGTERM or SIGINT, and drains it. Calls `listening` as soon as it accepts connections.
///
/// The calling thread becomes the control thread.
///
/// # Errors
/// [`StartError`]: nothing was served.
pub fn run(setup: Setup, listening: impl FnOnce(&Listening)) -> Result<Drained, StartError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(serve(setup, listening))
}

async fn serve(setup: Setup, listening: impl FnOnce(&Listening)) -> Result<Drained, StartError> {
    let config = setup.loaded.config.clone();
    let workers = config.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let clock = Clock::start();
    let client_stats = ListenerStats::new(workers);
    // Handlers first: a signal that comes during start-up must not end the process in the middle of it.
    let mut signals = Signals::new()?;
    // The guard writes out what is queued when this function ends.
    let (access_log, _guard) = match &config.access_log {
        None => (None, None),
        Some(AccessLogConfig::Stdout) => split(AccessLog::stdout()),
        Some(AccessLogConfig::File(path)) => split(AccessLog::file(path)?),
    };
    let tap = ActivityTap::new(config.admin.activity_text);
    let book = CertificateBook::default();
    let rules = admin::Rules::new(&config.admin, book.clone())?;
    let server = Server::bind(&config, workers, setup.takeover, &client_stats, book.clone())?;
    let started = control::start(control::Setup {
        loaded: setup.loaded,
        outside: setup.outside,
        watch: setup.watch,
        participants: vec![server.participant(), Arc::new(rules.clone()), Arc::new(tap.clone())],
        workers,
        clock,
        state_dir: setup.state_dir,
        book,
    })
    .await
    .map_err(StartError::Control)?;
    let control::Started { handle, snapshots, evidence, stats, control } = started;

    let render = {
        let (clients, snapshots, access_log) = (client_stats.clone(), snapshots.clone(), access_log.clone());
        let stats = stats.clone();
        let unlogged = move || access_log.as_ref().map_or(0, AccessLog::dropped);
        Arc::new(move || telemetry::render(&clients, &stats, &sources(&snapshots.load()), unlogged()))
    };
    let stop_admin = CancellationToken::new();
    let admin_state = admin::AdminState::new(handle.clone(), rules, stats, render, tap.clone(), stop_admin.clone());
    let admin_address = serve_admin(&config, setup.takeover, admin_state)?;
    let stop_control = CancellationToken::new();
    spawn_local(control.run(stop_control.clone()));

    let addresses = server.addresses();
    let make = move |worker| {
        let (snapshots, evidence) = (snapshots.clone(), evidence.clone());
        Gateway::new(worker, clock, snapshots, evidence, client_stats.clone(), access_log.clone(), tap.clone())
    };
    let mut running = server.start(make)?;
    let listening_now = Listening { listeners: addresses, admin: admin_address, control: handle.clone() };
    tracing::info!(listeners = ?listening_now.listeners, admin = %admin_address, workers, "listening");
    listening(&listening_now);

    signals.until_stop(&handle, &mut running).await;
    // The admin address is free from here on: for a successor, and as the sign that this one takes no more traffic.
    stop_admin.cancel();
    // What this one decides from here on is for the requests under way; a successor may have begun to write its own.
    let _ = handle.ask::<()>(Command::Retire).await;
    tracing::info!(grace = ?config.shutdown_grace, "draining; send the signal again to stop at once");
    let drained = tokio::select! {
        drained = running.shutdown(config.shutdown_grace) => drained,
        () = signals.stop() => Drained { hurried: true, ..Drained::default() },
    };
    stop_control.cancel();
    Ok(drained)
}

/// Serves the admin API, now or as soon as a predecessor frees its address.
fn serve_admin(config: &Config, takeover: Takeover, state: admin::AdminState) -> Result<SocketAddr, StartError> {
    let bind = config.admin.bind;
    match admin::bind(bind) {
        Ok(listener) => {
            let address = listener.local_addr()?;
            let listener = TcpListener::from_std(listener)?;
            spawn_local(admin::serve(listener, state));
            Ok(address)
        }
        Err(admin::BindError::InUse { .. }) if takeover == Takeover::FromPredecessor => {
            spawn_local(async move {
                let listener = loop {
                    match admin::bind(bind).ok().and_then(|listener| TcpListener::from_std(listener).ok()) {
                        Some(listener) => break listener,
                        None => tokio::time::sleep(ADMIN_RETRY).await,
                    }
                };
                tracing::info!(admin = %bind, "the predecessor has freed the admin address");
                admin::serve(listener, state).await
            });
            Ok(bind)
        }
        Err(error) => Err(error.into()),
    }
}

fn split((log, guard): (AccessLog, AccessLogGuard)) -> (Option<AccessLog>, Option<AccessLogGuard>) {
    (Some(log), Some(guard))
}

/// A reload decides anew whether who watches activities sees what was said.
impl Participant for ActivityTap {
    fn prepare(&self, next: &Config) -> Result<Prepared, Vec<String>> {
        let (tap, text) = (self.clone(), next.admin.activity_text);
        Ok(Prepared { commit: Box::new(move || tap.tell_text(text)), needs_restart: Vec::new() })
    }
}

/// The pools of a snapshot, as the metrics want them.
fn sources(snapshot: &Snapshot) -> Vec<PoolSource> {
    let pool = |pool: &Arc<crate::snapshot::Pool>| {
        let backend = |(at, backend): (usize, &crate::snapshot::Backend)| BackendSource {
            name: backend.config.name.clone(),
            active: pool.order.first() == Some(&at),
            health: backend.health,
            stats: backend.stats.clone(),
        };
        let levels = pool.ledger.levels();
        let ledger =
            crate::telemetry::LedgerLevels { in_flight: levels.in_flight, done: levels.done, bytes: levels.bytes };
        PoolSource {
            ledger,
            name: pool.config.name.clone(),
            epoch: pool.epoch,
            stats: pool.stats.clone(),
            backends: pool.backends.iter().enumerate().map(backend).collect(),
        }
    };
    snapshot.pools.iter().map(pool).collect()
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Reloads at SIGHUP, and returns at SIGTERM or SIGINT, or when no worker is left to serve.
    async fn until_stop(&mut self, control: &Handle, running: &mut Running) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    let control = control.clone();
                    spawn_local(async move { reload(&control).await });
                }
                died = running.worker_died() => {
                    tracing::error!(%died, "a worker died");
                    if running.alive() == 0 {
                        tracing::error!("no worker is left: stopping, so that whoever supervises this process starts it anew");
                        return;
                    }
                }
            }
        }
    }
}

/// Control says in the log how a reload ended; what is left to say is that it did not answer.
async fn reload(control: &Handle) {
    if let Err(error) = control.ask::<ReloadOutcome>(|reply| Command::Reload(None, reply)).await {
        tracing::error!(%error, "SIGHUP: no reload");
    }
}
