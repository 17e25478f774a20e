//! Wires the parts, starts and stops them; nothing else knows all of them.

mod descriptors;
mod memory;
mod notify;
mod privileges;
mod threads;
mod watchdog;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_local;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::notify::Notify;
use self::privileges::Account;
pub use self::privileges::PrivilegeError;
use self::threads::{start_admin, start_control};
use self::watchdog::Watchdog;
use crate::admin;
use crate::config::{AccessLogConfig, Config};
use crate::control::{self, Command, Handle, Loaded, Outside, Participant, Prepared, Watch};
use crate::model::{Clock, ReloadOutcome};
use crate::proxy::Gateway;
use crate::server::{Drained, Running, Server, ServerError, Takeover};
use crate::snapshot::Snapshot;
use crate::telemetry::{
    self, AccessLog, AccessLogGuard, ActivityTap, BEAT, BackendSource, Heartbeats, ListenerStats, Panics, PoolSource,
    ProcessSource, Unlogged,
};
use crate::tls::CertificateBook;
use crate::upstream::Siblings;

/// Pause between two tries to bind the admin address while a predecessor still has it.
const ADMIN_RETRY: Duration = Duration::from_millis(100);
/// How long control may take to hear that the process is about to end.
const RETIRE: Duration = Duration::from_secs(1);

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
    /// Lines that the log dropped.
    pub unlogged: Unlogged,
}

/// Where a gateway listens.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The listeners, in order of the config.
    pub listeners: Vec<SocketAddr>,
    /// The admin API. While a predecessor has the address, it is taken as soon as that one stops.
    pub admin: SocketAddr,
    /// Whether it speaks TLS.
    pub admin_tls: bool,
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
    /// Who to be.
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    /// The config asks for something that cannot be built.
    #[error("{}", .0.join("\n"))]
    Control(Vec<String>),
    /// The system.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs a gateway until SIGTERM or SIGINT, and drains it. Calls `listening` as soon as it accepts connections.
///
/// The calling thread waits for signals and looks after the others: workers, control, the admin API.
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
    let (client_stats, hearts) = (ListenerStats::new(workers), Heartbeats::new(workers, clock));
    let process = ProcessSource { hearts: hearts.clone(), panics: Panics::watch(), unlogged: setup.unlogged };
    descriptors::raise(&config);
    let account = config.account.as_ref().map(Account::find).transpose()?;
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
    let admin_socket = bind_admin(&config, setup.takeover)?;
    // All that takes rights is taken. What comes from here on, the journal's files above all, belongs to that user.
    match &account {
        Some(account) => account.become_it(setup.state_dir.as_deref(), &setup.loaded.files)?,
        None => privileges::warn_of_root(),
    }
    let control = start_control(control::Setup {
        loaded: setup.loaded,
        outside: setup.outside,
        watch: setup.watch,
        participants: vec![server.participant(), Arc::new(rules.clone()), Arc::new(tap.clone())],
        workers,
        clock,
        state_dir: setup.state_dir,
        book,
        hearts: hearts.clone(),
    })
    .await?;
    let (handle, snapshots, evidence) = (control.handle.clone(), control.snapshots.clone(), control.evidence.clone());

    let render = {
        let (clients, snapshots, access_log) = (client_stats.clone(), snapshots.clone(), access_log.clone());
        let stats = control.stats.clone();
        let unlogged = move || access_log.as_ref().map_or(0, AccessLog::dropped);
        Arc::new(move || telemetry::render(&process, &clients, &stats, &sources(&snapshots.load()), unlogged()))
    };
    let stop_admin = CancellationToken::new();
    let stats = control.stats.clone();
    let admin_state = admin::AdminState::new(handle.clone(), rules, stats, render, tap.clone(), stop_admin.clone());
    let admin_state = admin_state.watching(hearts.clone());
    let admin_address = serve_admin(config.admin.bind, admin_socket, admin_state)?;

    let addresses = server.addresses();
    let siblings = Siblings::new(workers);
    let make = move |worker| {
        let worker = (worker, siblings.seat(worker));
        let (snapshots, evidence) = (snapshots.clone(), evidence.clone());
        Gateway::new(worker, clock, snapshots, evidence, client_stats.clone(), access_log.clone(), tap.clone())
    };
    let mut running = server.start(&hearts, make)?;
    let admin_tls = config.admin.tls.is_some();
    let listening_now = Listening { listeners: addresses, admin: admin_address, admin_tls, control: handle.clone() };
    tracing::info!(listeners = ?listening_now.listeners, admin = %admin_address, workers, "listening");
    listening(&listening_now);

    let notify = Notify::from_env();
    notify.say("READY=1");
    signals.until_stop(&handle, &mut running, Watchdog::new(hearts, notify)).await;
    // The admin address is free from here on: for a successor, and as the sign that this one takes no more traffic.
    stop_admin.cancel();
    // What this one decides from here on is for the requests under way; a successor may have begun to write its own.
    // One that is stuck cannot be told, and is not waited for.
    let _ = tokio::time::timeout(RETIRE, handle.ask::<()>(Command::Retire)).await;
    tracing::info!(grace = ?config.shutdown_grace, "draining; send the signal again to stop at once");
    let drained = tokio::select! {
        drained = running.shutdown(config.shutdown_grace) => drained,
        () = signals.stop() => Drained { hurried: true, ..Drained::default() },
    };
    control.stop().await;
    Ok(drained)
}

/// Binds the admin API's address; none while a predecessor has it.
fn bind_admin(config: &Config, takeover: Takeover) -> Result<Option<std::net::TcpListener>, StartError> {
    match admin::bind(config.admin.bind) {
        Ok(listener) => Ok(Some(listener)),
        Err(admin::BindError::InUse { .. }) if takeover == Takeover::FromPredecessor => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Serves the admin API, now or as soon as a predecessor frees its address.
fn serve_admin(
    bind: SocketAddr,
    bound: Option<std::net::TcpListener>,
    state: admin::AdminState,
) -> Result<SocketAddr, StartError> {
    let Some(listener) = bound else {
        start_admin(move || async move {
            let listener = loop {
                match admin::bind(bind) {
                    Ok(listener) => break listener,
                    Err(_) => tokio::time::sleep(ADMIN_RETRY).await,
                }
            };
            tracing::info!(admin = %bind, "the predecessor has freed the admin address");
            serve_on(listener, state).await;
        })?;
        return Ok(bind);
    };
    let address = listener.local_addr()?;
    start_admin(move || serve_on(listener, state))?;
    Ok(address)
}

async fn serve_on(listener: std::net::TcpListener, state: admin::AdminState) {
    let served = match TcpListener::from_std(listener) {
        Ok(listener) => admin::serve(listener, state).await,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::error!(%error, "the admin API cannot be served; traffic goes on");
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
    /// Past a limit of file sizes a write is to fail, not to end the process.
    _file_size: Signal,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            _file_size: signal(SignalKind::from_raw(nix::sys::signal::Signal::SIGXFSZ as i32))?,
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
    async fn until_stop(&mut self, control: &Handle, running: &mut Running, mut watchdog: Watchdog) {
        let mut look = tokio::time::interval(BEAT);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => watchdog.look(running),
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    let control = control.clone();
                    spawn_local(async move { reload(&control).await });
                }
                died = running.worker_died() => {
                    tracing::error!("{died}");
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
