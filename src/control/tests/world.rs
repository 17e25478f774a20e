//! A world that does as it is told, and a control that runs in it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, mpsc};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::{
    AdminConfig, BackendConfig, BackendUrl, Config, DnsConfig, DrillConfig, EvidenceConfig, FailbackConfig, FlapConfig,
    HostPattern, JournalConfig, KeySourceConfig, PinConfig, PoolConfig, ProbeConfig, ProbeKind, ResponderConfig,
    RetryConfig, RouteConfig, StatusSet, TunnelConfig, UnavailableConfig,
};
use crate::control::{
    Action, Addresses, Command, ControlError, Handle, Loaded, NoWatch, Outside, ParityTarget, Participant, PoolOrder,
    ProbeError, ProbeTarget, Setup, Started, Unloadable, start,
};
use crate::model::*;
use crate::snapshot::{Pool, SnapshotCell};
use crate::steering::Sample;
use crate::telemetry::ControlStats;
use crate::tls::CertificateBook;

pub(super) const INTERVAL: Duration = Duration::from_secs(2);
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);
pub(super) const HOLD: Duration = Duration::from_secs(60);

/// How a backend meets its probes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mood {
    Good,
    Refuses,
    /// This machine lacks what a probe takes.
    Unaskable,
    Hangs,
    Panics,
}

pub(super) struct World {
    pub(super) moods: Mutex<HashMap<String, Mood>>,
    pub(super) names: Mutex<HashMap<String, Result<Addresses, String>>>,
    pub(super) file: Mutex<Result<Config, Unloadable>>,
    pub(super) probes: Mutex<HashMap<String, u32>>,
    /// Those of them that were to open a connection.
    pub(super) fresh: Mutex<HashMap<String, u32>>,
    /// What parity checks are answered, by backend.
    pub(super) values: Mutex<HashMap<String, Result<Sample, String>>>,
    pub(super) keys: Mutex<Published>,
    /// The certificates that the process shows.
    pub(super) book: CertificateBook,
    /// How often a responder was asked, and what it answers.
    pub(super) ocsp: Mutex<(u32, Result<Vec<u8>, String>)>,
}

/// What token issuers publish, by the URL of their metadata, and how often anybody asked.
#[derive(Default)]
pub(super) struct Published {
    pub(super) published: HashMap<String, Result<String, String>>,
    pub(super) asked: u32,
}

impl World {
    pub(super) fn set(&self, backend: &str, mood: Mood) {
        self.moods.lock().unwrap().insert(backend.into(), mood);
    }

    pub(super) fn resolve(&self, host: &str, answer: Result<&str, &str>) {
        let address = |ip: &str| Addresses { addresses: vec![ip.parse().unwrap()], ttl: Duration::from_secs(30) };
        self.names.lock().unwrap().insert(host.into(), answer.map(address).map_err(str::to_owned));
    }

    pub(super) fn write(&self, config: Result<Config, &str>) {
        *self.file.lock().unwrap() =
            config.map_err(|error| Unloadable { errors: vec![error.to_owned()], files: vec![] });
    }

    pub(super) fn probes(&self, backend: &str) -> u32 {
        self.probes.lock().unwrap().get(backend).copied().unwrap_or_default()
    }

    pub(super) fn fresh(&self, backend: &str) -> u32 {
        self.fresh.lock().unwrap().get(backend).copied().unwrap_or_default()
    }
}

impl Outside for World {
    fn load(&self) -> Result<Loaded, Unloadable> {
        let config = self.file.lock().unwrap().clone()?;
        Ok(Loaded { config: Arc::new(config), warnings: vec![], files: vec![PathBuf::from("botgate.toml")] })
    }

    fn probe(&self, target: ProbeTarget) -> BoxFuture<'static, Result<(), ProbeError>> {
        let name = target.backend.name.to_string();
        *self.probes.lock().unwrap().entry(name.clone()).or_default() += 1;
        *self.fresh.lock().unwrap().entry(name.clone()).or_default() += u32::from(target.fresh);
        let mood = self.moods.lock().unwrap().get(&name).copied().unwrap_or(Mood::Good);
        Box::pin(async move {
            sleep(Duration::from_millis(1)).await;
            match mood {
                Mood::Good => Ok(()),
                Mood::Refuses => Err(ProbeError::Bad("connection refused".into())),
                Mood::Unaskable => Err(ProbeError::Unmade("too many open files".into())),
                Mood::Hangs => std::future::pending().await,
                Mood::Panics => panic!("a probe that panics"),
            }
        })
    }

    fn parity(&self, target: ParityTarget) -> BoxFuture<'static, Result<Sample, String>> {
        let known = self.values.lock().unwrap().get(target.request.backend.as_str()).cloned();
        Box::pin(async move {
            sleep(Duration::from_millis(1)).await;
            known.unwrap_or(Err("connection refused".into()))
        })
    }

    fn keys(&self, source: KeySourceConfig, _: &DnsConfig) -> BoxFuture<'static, Result<String, String>> {
        let mut keys = self.keys.lock().unwrap();
        keys.asked += 1;
        let answer = keys.published.get(&source.to_string()).cloned().unwrap_or(Err("connection refused".into()));
        Box::pin(async move {
            sleep(Duration::from_millis(20)).await;
            answer
        })
    }

    fn ocsp(
        &self,
        responder: ResponderConfig,
        _: Vec<u8>,
        _: &DnsConfig,
    ) -> BoxFuture<'static, Result<Vec<u8>, String>> {
        let mut ocsp = self.ocsp.lock().unwrap();
        ocsp.0 += 1;
        let answer = ocsp.1.clone().map_err(|why: String| format!("{responder}: {why}"));
        Box::pin(async move {
            sleep(Duration::from_millis(20)).await;
            answer
        })
    }

    fn lookup(&self, host: String, _: &DnsConfig) -> BoxFuture<'static, Result<Addresses, String>> {
        let answer = self.names.lock().unwrap().get(&host).cloned().unwrap_or(Err("NXDOMAIN".into()));
        Box::pin(async move {
            sleep(Duration::from_millis(20)).await;
            answer
        })
    }
}

pub(in crate::control) fn backend(name: &str, priority: u32) -> BackendConfig {
    let url = BackendUrl { tls: false, host: format!("{name}.example"), port: 80, base_path: String::new() };
    BackendConfig {
        name: name.into(),
        url,
        priority,
        host: None,
        server_name: None,
        headers: vec![],
        rewrite: vec![],
        question: Default::default(),
        ca: None,
        client_certificate: None,
        http2: false,
    }
}

pub(super) fn pool(name: &str, backends: Vec<BackendConfig>) -> PoolConfig {
    let probe =
        ProbeConfig { kind: ProbeKind::Tcp, interval: INTERVAL, timeout: TIMEOUT, fall: 2, rise: 2, jitter: 0.0 };
    PoolConfig {
        name: name.into(),
        kind: PoolKind::Bot,
        deadline: Duration::from_secs(14),
        attempt_timeout: None,
        dial_timeout: Duration::from_secs(2),
        stream_timeout: Duration::from_secs(60),
        keep_alive: Duration::from_secs(60),
        replay: Replay::Keyed,
        replay_buffer: 1024,
        ledger: crate::config::LedgerConfig::default(),
        retry: RetryConfig { status: StatusSet::default(), rounds: 1, budget: 0.2, floor: 10 },
        probe: Some(probe),
        evidence: EvidenceConfig {
            suspect_after: Duration::from_millis(500),
            failures: Some(5),
            within: Duration::from_secs(10),
            share: 0.5,
            recover: Duration::from_secs(10),
            signs: Sign::ALL.to_vec(),
            status: StatusSet::default(),
        },
        failback: FailbackConfig { mode: FailbackMode::Auto, hold: HOLD, windows: vec![] },
        flap: FlapConfig { failovers: 3, within: Duration::from_secs(3600) },
        all_down: AllDown::TryAll,
        unavailable: UnavailableConfig { status: None, retry_after: None, message: String::new(), body: None },
        when_both_bad: WhenBothBad::Stay,
        pin: PinConfig::default(),
        follow: None,
        warm: 0,
        tunnel: TunnelConfig::default(),
        drill: DrillConfig::default(),
        limits: crate::config::PoolLimits::default(),
        parity: vec![],
        backends,
    }
}

pub(super) fn config(pools: Vec<PoolConfig>) -> Config {
    let route = |pool: &PoolConfig| RouteConfig {
        host: HostPattern::Any,
        path: format!("/{}", pool.name),
        pool: pool.name.clone(),
        max_body: 1024,
        guard: None,
    };
    Config {
        state_dir: "state".into(),
        journal: JournalConfig::default(),
        workers: Some(2),
        account: None,
        shutdown_grace: Duration::from_secs(1),
        held_bodies: 1 << 20,
        listeners: vec![],
        admin: AdminConfig::open("127.0.0.1:0".parse().unwrap()),
        access_log: None,
        dns: DnsConfig {
            servers: vec![],
            min_ttl: Duration::from_secs(5),
            max_ttl: Duration::from_secs(60),
            timeout: Duration::from_secs(5),
        },
        routes: pools.iter().map(route).collect(),
        pools,
    }
}

/// Pool `bot` with backends `weu` and `neu`.
pub(in crate::control) fn two_backends() -> PoolConfig {
    pool("bot", vec![backend("weu", 1), backend("neu", 2)])
}

/// A config of it alone.
pub(super) fn two() -> Config {
    config(vec![two_backends()])
}

fn world(config: &Config, before: impl FnOnce(&World)) -> Arc<World> {
    let world = World {
        moods: Mutex::default(),
        names: Mutex::default(),
        file: Mutex::new(Ok(config.clone())),
        probes: Mutex::default(),
        fresh: Mutex::default(),
        values: Mutex::default(),
        keys: Mutex::default(),
        book: CertificateBook::default(),
        ocsp: Mutex::new((0, Err("connection refused".into()))),
    };
    world.resolve("weu.example", Ok("10.0.0.1"));
    world.resolve("neu.example", Ok("10.0.0.2"));
    before(&world);
    Arc::new(world)
}

/// A control that runs, until dropped.
pub(super) struct Rig {
    pub(super) world: Arc<World>,
    pub(super) handle: Handle,
    pub(super) snapshots: Arc<SnapshotCell>,
    pub(super) evidence: mpsc::Sender<Evidence>,
    pub(super) stats: Arc<ControlStats>,
    pub(super) events: broadcast::Receiver<DecisionView>,
    _stop: DropGuard,
    /// Where its journal lives, if on a disk.
    pub(super) state: Option<Arc<tempfile::TempDir>>,
}

impl Rig {
    pub(super) async fn start(config: Config) -> Self {
        Self::start_with(config, vec![]).await
    }

    pub(super) async fn start_with(config: Config, participants: Vec<Arc<dyn Participant>>) -> Self {
        Self::start_on(None, config, participants).await
    }

    /// With a journal that takes its time: on a disk. Not in virtual time.
    pub(super) async fn start_on_disk(config: Config) -> Self {
        Self::start_on(Some(Arc::new(tempfile::tempdir().unwrap())), config, vec![]).await
    }

    /// Ends it, and starts another that finds its journal.
    pub(super) async fn restart(self, config: Config, before: impl FnOnce(&World)) -> Self {
        let Self { state, _stop: stop, handle, .. } = self;
        drop(stop);
        while handle.ask::<Readiness>(Command::Ready).await.is_ok() {}
        Self::start_in(world(&config, before), state, vec![]).await
    }

    async fn start_on(
        state: Option<Arc<tempfile::TempDir>>,
        config: Config,
        participants: Vec<Arc<dyn Participant>>,
    ) -> Self {
        Self::start_in(world(&config, |_| ()), state, participants).await
    }

    async fn start_in(
        world: Arc<World>,
        state: Option<Arc<tempfile::TempDir>>,
        participants: Vec<Arc<dyn Participant>>,
    ) -> Self {
        let setup = Setup {
            loaded: world.load().unwrap(),
            outside: world.clone(),
            watch: Box::new(NoWatch),
            participants,
            workers: 2,
            clock: Clock::start(),
            state_dir: state.as_ref().map(|state| state.path().to_owned()),
            book: world.book.clone(),
            hearts: crate::telemetry::Heartbeats::new(1, Clock::start()),
        };
        let Started { handle, snapshots, evidence, stats, control } = start(setup).await.unwrap();
        let stop = CancellationToken::new();
        let events = handle.events();
        tokio::spawn(control.run(stop.clone()));
        let rig = Self { world, handle, snapshots, evidence, stats, events, _stop: stop.drop_guard(), state };
        while !rig.handle.ask(Command::Ready).await.unwrap().ready {
            sleep(Duration::from_millis(1)).await;
        }
        rig
    }

    pub(super) async fn view(&self) -> PoolView {
        self.handle.ask(Command::Pools).await.unwrap().remove(0)
    }

    pub(super) fn pool(&self) -> Arc<Pool> {
        self.snapshots.load().pools[0].clone()
    }

    /// The name of the backend that requests go to now.
    pub(super) fn active(&self) -> String {
        let pool = self.pool();
        pool.backends[pool.order[0]].config.name.to_string()
    }

    pub(super) fn say(&self, backend: usize, kind: EvidenceKind) {
        self.evidence.try_send(Evidence { backend: self.pool().backends[backend].id, kind }).unwrap();
    }

    /// The next decision that is not the start of a pool.
    pub(super) async fn decision(&mut self) -> DecisionView {
        loop {
            let decision = self.events.recv().await.unwrap();
            if decision.cause != Cause::Start {
                return decision;
            }
        }
    }

    pub(super) async fn reload(&self, config: Result<Config, &str>) -> ReloadOutcome {
        self.world.write(config);
        self.handle.ask(|reply| Command::Reload(None, reply)).await.unwrap()
    }

    pub(super) async fn order(&self, what: Action) -> Result<OrderView, ControlError> {
        let (pool, by, reason) = ("bot".into(), "ann".to_owned(), Some("patch day".into()));
        self.handle.ask(|reply| Command::Order(PoolOrder { pool, what, by, reason, force: false, reply })).await
    }

    pub(super) async fn drain(&self, backend: &str) -> Result<OrderView, ControlError> {
        self.order(Action::Drain { backend: backend.into() }).await
    }

    pub(super) async fn resume(&self, backend: &str) -> Result<OrderView, ControlError> {
        self.order(Action::Resume { backend: backend.into() }).await
    }
}
