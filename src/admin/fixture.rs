//! For tests: an admin listener on a loopback socket, in front of a control task that answers from a script.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{AdminState, RenderMetrics, Rules, bind, serve};
use crate::config::AdminConfig;
use crate::control::{Action, Command, ControlError, DrillCommand, Handle, PoolOrder};
use crate::model::{
    AdviceView, BackendCount, BackendView, Cause, DecisionView, Direction, DrillEnding, DrillLimits, DrillReport,
    DrillState, ExplainView, FailbackView, FlapView, Health, JournalEntry, JournalQuery, OrderView, Phase, PoolView,
    Readiness, ReloadOutcome, ServiceLevel, Utc, Verdict,
};
use crate::telemetry::{ActivityTap, ControlStats};
use crate::tls::CertificateBook;

/// A pool whose first priority is down.
pub(crate) fn pool() -> PoolView {
    let backend = |name: &str, priority, health| BackendView {
        name: name.into(),
        url: format!("https://{name}.contoso.com"),
        priority,
        health,
        ready: health == Health::Healthy,
        lacks: vec![],
        drained: false,
        in_flight: 0,
        tunnels: 0,
        addresses: vec!["192.0.2.1:443".into()],
        probe: None,
    };
    PoolView {
        name: "bot-api".into(),
        phase: Phase::FailedOver,
        active: Some("northeurope".into()),
        epoch: 2,
        since: Utc::from_millis(1_793_534_400_000),
        pin: None,
        drill: None,
        latched: false,
        flap: FlapView { failovers: 1, budget: 3, within_seconds: 3600 },
        failback_at: None,
        reason: "westeurope failed 2 probes".into(),
        backends: vec![backend("westeurope", 1, Health::Unhealthy), backend("northeurope", 2, Health::Healthy)],
        parity: vec![],
    }
}

/// A decision of steering.
pub(crate) fn decision() -> DecisionView {
    DecisionView {
        at: Utc::from_millis(1_793_534_400_000),
        pool: "bot-api".into(),
        phase: Phase::FailedOver,
        active: Some("northeurope".into()),
        before: Some("westeurope".into()),
        epoch: 2,
        direction: Some(Direction::Failover),
        cause: Cause::Probes,
        actor: "steering".into(),
        text: "bot-api: westeurope → northeurope".into(),
    }
}

/// An entry of the journal.
pub(crate) fn entry(id: i64) -> JournalEntry {
    JournalEntry {
        id,
        at: Utc::from_millis(1_793_534_400_000),
        pool: "bot-api".into(),
        phase_before: Phase::Steady,
        phase: Phase::FailedOver,
        before: Some("westeurope".into()),
        after: Some("northeurope".into()),
        epoch: 2,
        direction: Some(Direction::Failover),
        cause: Cause::Probes,
        actor: "steering".into(),
        reason: "westeurope: 2 probes in a row failed".into(),
        evidence: serde_json::json!({ "backends": [] }),
        late: false,
    }
}

/// An explanation.
pub(crate) fn explanation() -> ExplainView {
    let pool = pool();
    let command = Some("botgate failback bot-api --reason TEXT".to_owned());
    ExplainView {
        at: pool.since,
        pool: pool.name,
        phase: pool.phase,
        since: pool.since,
        active: pool.active,
        active_since: None,
        active_because: None,
        epoch: pool.epoch,
        summary: "northeurope serves in place of westeurope.".into(),
        reason: pool.reason,
        users: "Requests are served.".into(),
        advice: vec![AdviceView { text: "When you trust it:".into(), command }],
        holds: vec![],
        moves: vec!["If northeurope fails 2 probes in a row (about 4 s), nobody can take over. ".repeat(3)],
        failback: FailbackView { at: None, earliest: None, text: "By an operator.".into() },
        backends: vec![],
        flap: pool.flap,
        decisions: vec![decision()],
        trouble: vec![],
    }
}

/// What the control task answers besides its one pool.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) ready: bool,
    pub(crate) phase: Phase,
    pub(crate) reload: ReloadOutcome,
    pub(crate) trouble: Vec<String>,
}

impl Default for Script {
    fn default() -> Self {
        let changes = vec!["pool \"qna\" added".to_owned()];
        Self {
            ready: true,
            phase: Phase::FailedOver,
            reload: ReloadOutcome::Applied { changes, needs_restart: vec![], warnings: vec![] },
            trouble: vec![],
        }
    }
}

/// An admin listener under test. Dropping it ends its tasks.
pub(crate) struct Gate {
    pub(crate) addr: SocketAddr,
    pub(crate) events: broadcast::Sender<DecisionView>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<std::io::Result<()>>,
    pub(crate) rules: Rules,
}

impl Gate {
    /// A listener with this token, and a control task that follows `script`.
    pub(crate) async fn start(token: Option<&str>, script: Script) -> Self {
        let render = Arc::new(|| "botgate_epoch{pool=\"bot-api\"} 2\n".to_owned());
        Self::start_with(token, script, render).await
    }

    /// The same with metrics of the test's own.
    pub(crate) async fn start_with(token: Option<&str>, script: Script, render: RenderMetrics) -> Self {
        let listener = TcpListener::from_std(bind("127.0.0.1:0".parse().unwrap()).unwrap()).unwrap();
        let addr = listener.local_addr().unwrap();
        let (commands, inbox) = mpsc::channel(8);
        let (events, _) = broadcast::channel(4);
        tokio::spawn(control(inbox, script));
        let shutdown = CancellationToken::new();
        let config = AdminConfig { token: token.map(str::to_owned), ..AdminConfig::open(addr) };
        let rules = Rules::new(&config, CertificateBook::default()).unwrap();
        let handle = Handle::new(commands, events.clone());
        let tap = ActivityTap::new(false);
        let state = AdminState::new(handle, rules.clone(), ControlStats::new(), render, tap, shutdown.clone());
        let serving = tokio::spawn(serve(listener, state));
        Self { addr, events, shutdown, serving, rules }
    }

    /// The response to a request on a connection of its own; `Host` is the listener's address unless given.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<hyper::body::Incoming> {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", self.addr.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        sender.send_request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap()
    }

    /// Status, headers and body of the response to a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, http::HeaderMap, String) {
        read(self.send("GET", path, &[], "").await).await
    }

    /// Status, headers and body of the response to a POST of JSON.
    pub(crate) async fn post(&self, path: &str, body: &str) -> (u16, http::HeaderMap, String) {
        read(self.send("POST", path, &[("content-type", "application/json")], body).await).await
    }
}

/// Status, headers and body.
pub(crate) async fn read(response: Response<hyper::body::Incoming>) -> (u16, http::HeaderMap, String) {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn control(mut inbox: mpsc::Receiver<Command>, script: Script) {
    while let Some(command) = inbox.recv().await {
        // A caller that went away takes no answer.
        let _ = match command {
            Command::Pools(reply) => reply.send(Ok(vec![PoolView { phase: script.phase, ..pool() }])).is_ok(),
            Command::Ready(reply) => {
                reply.send(Ok(Readiness { ready: script.ready, trouble: script.trouble.clone() })).is_ok()
            }
            Command::Reload(_, reply) => reply.send(Ok(script.reload.clone())).is_ok(),
            Command::Order(order) => carry_out(order),
            Command::Retire(reply) => reply.send(Ok(())).is_ok(),
            Command::Journal(query, reply) => reply.send(Ok(journal(&query))).is_ok(),
            Command::Explain { pool, reply } if pool == self::pool().name => reply.send(Ok(explanation())).is_ok(),
            Command::Explain { pool, reply } => {
                let known = vec![self::pool().name.to_string()];
                reply.send(Err(ControlError::UnknownPool { name: pool.to_string(), known })).is_ok()
            }
            Command::Drill(command) => drill(command),
        };
    }
}

/// A journal of 1,500 entries of the one pool, newest first.
fn journal(query: &JournalQuery) -> Vec<JournalEntry> {
    let all = (1..=1_500).rev().filter(|id| query.before.is_none_or(|before| *id < before)).map(entry);
    let mine = |entry: &JournalEntry| {
        query.pool.as_ref().is_none_or(|pool| *pool == entry.pool) && query.since.is_none_or(|since| entry.at >= since)
    };
    all.filter(mine).take(query.limit).collect()
}

/// Answers as control would, and refuses what is not forced when the reason says `refuse-me`; who, what and why come back in the pool's reason, so that a test can see them.
fn carry_out(order: PoolOrder) -> bool {
    let mut pool = pool();
    let backend = match &order.what {
        Action::Drain { backend } | Action::Resume { backend } | Action::Pin { backend, .. } => Some(backend),
        Action::Failover { to } => to.as_ref(),
        Action::Failback | Action::Unpin => None,
    };
    let stranger = backend.filter(|backend| pool.backends.iter().all(|known| known.name != **backend));
    let answer = if order.pool != pool.name {
        Err(ControlError::UnknownPool { name: order.pool.to_string(), known: vec![pool.name.to_string()] })
    } else if let Some(backend) = stranger {
        let known = pool.backends.iter().map(|backend| backend.name.to_string()).collect();
        Err(ControlError::UnknownBackend { pool: pool.name.to_string(), name: backend.to_string(), known })
    } else if order.reason.as_deref() == Some("refuse-me") && !order.force {
        let reasons = vec!["northeurope is not ready: it is unhealthy".to_owned(), "the pool is pinned".to_owned()];
        Err(ControlError::Refused { reasons, forcible: true })
    } else {
        pool.backends[0].drained = matches!(order.what, Action::Drain { .. });
        pool.reason = format!("{}: {}", order.by, order.reason.as_deref().unwrap_or("no reason"));
        Ok(OrderView { done: format!("{:?}, force {}", order.what, order.force), journalled: true, pool })
    };
    order.reply.send(answer).is_ok()
}

/// Answers about drills as control would: there is one, of the one pool, that has passed.
fn drill(command: DrillCommand) -> bool {
    let unknown = || ControlError::Refused { reasons: vec!["there is no such drill".into()], forcible: false };
    match command {
        DrillCommand::Start(order, reply) if order.pool == pool().name => {
            let reason = order.reason;
            reply.send(Ok(DrillReport { by: order.by, reason, state: DrillState::UnderWay, ..drill_report() })).is_ok()
        }
        DrillCommand::Start(order, reply) => {
            let known = vec![pool().name.to_string()];
            reply.send(Err(ControlError::UnknownPool { name: order.pool.to_string(), known })).is_ok()
        }
        DrillCommand::Stop { id, reply, .. } => {
            reply.send(if id == "d1" { Ok(drill_report()) } else { Err(unknown()) }).is_ok()
        }
        DrillCommand::Find(id, reply) => {
            let known = id.is_none_or(|id| id == "d1");
            reply.send(Ok(known.then(drill_report))).is_ok()
        }
        DrillCommand::List(_, reply) => reply.send(Ok(vec![drill_report()])).is_ok(),
    }
}

/// The report of a drill that has passed.
pub(crate) fn drill_report() -> DrillReport {
    DrillReport {
        id: "d1".into(),
        pool: "bot-api".into(),
        followers: vec!["qna".into()],
        state: DrillState::Ended,
        by: "local (ann)".into(),
        reason: Some("patch day".into()),
        origin: Some("westeurope".into()),
        target: Some("northeurope".into()),
        lasts_seconds: 600,
        window: None,
        began: Some(Utc::from_millis(1_793_534_400_000)),
        ended: Some(Utc::from_millis(1_793_535_000_000)),
        move_ms: Some(1.25),
        move_back_ms: Some(0.8),
        ending: Some(DrillEnding::Over),
        why: Some("the drill is over".into()),
        verdict: Some(Verdict::Pass),
        limits: DrillLimits { max_error_rate: 0.01, max_slowdown: 3.0 },
        before: ServiceLevel { requests: 1_800_000, p99_ms: Some(41.0), ..ServiceLevel::default() },
        during: ServiceLevel { requests: 300_000, p99_ms: Some(44.5), ..ServiceLevel::default() },
        backends: vec![BackendCount {
            name: Some("northeurope".into()),
            requests: 300_000,
            responses: [300_000, 0, 0, 0],
            failed: 0,
        }],
        dialed: 12,
        hung_up: 3,
        findings: vec!["northeurope served as well as westeurope did.".into()],
        restarts: 0,
    }
}
