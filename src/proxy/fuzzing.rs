//! The doors by which the fuzz targets of `tests/fuzz` and the benchmarks come in: what they need of the data plane, and
//! nothing else.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, Version};

use super::attempt::Failed;
use super::client::Client;
use super::forwarding::Told;
use super::plan::{self, Next, Situation};
use super::refuse::Refusal;
use super::target::PoolRef;
use super::tried::Tried;
use super::waits::{Terms, Wait, Waits};
use super::{attempts, head, headers, limits};
use crate::config::PoolConfig;
use crate::model::{AttemptPhase, BackendId, EvidenceKind, Fate, Moment, Side};
use crate::snapshot::{SnapshotCell, SnapshotReader};
use crate::telemetry::WorkerId;
use crate::wire::{Fields, Head};

pub use super::tunnel::WebSocketFrames;

/// A client at that address.
pub fn client(peer: SocketAddr, local: SocketAddr, tls: bool, trusted: bool) -> Client {
    Client { peer, local, tls, trusted, ..Client::stranger() }
}

/// Makes a client's headers fit to be forwarded.
pub fn prepare_request(headers: &mut HeaderMap, client: &Client, host: &str, version: Version) {
    let mut fields = Fields::from(std::mem::take(headers));
    if let Some(origin) = Told::origin(client, host, host.as_bytes()) {
        headers::prepare_request(&mut fields, client, &origin, version);
    }
    *headers = fields.into();
}

/// Makes a backend's headers fit for the client.
pub fn prepare_response(headers: &mut HeaderMap, version: Version, request_id: &HeaderValue) {
    let mut fields = Fields::from(std::mem::take(headers));
    headers::prepare_response(&mut fields, version, request_id);
    *headers = fields.into();
}

/// The host that a request is routed by; none where it is refused.
pub fn host(head: &Head) -> Option<String> {
    head::host(head).ok().map(std::borrow::Cow::into_owned)
}

/// The target that is sent on and the path that is routed by; none where the request is refused.
pub fn path(head: &Head) -> Option<(&str, &str)> {
    head::path(head).ok()
}

/// Attempts that wait for a backend.
pub struct Waiting {
    waits: Rc<Waits>,
    _others: Vec<Wait>,
}

impl Waiting {
    /// So many of them, until long after `now`.
    pub fn new(count: usize, now: Moment) -> Self {
        let waits = Rc::new(Waits::default());
        let terms = || Terms::of_a_part(BackendId(1), now + Duration::from_secs(3600));
        let _others = (0..count).map(|_| waits.watch(terms(), None, now)).collect();
        Self { waits, _others }
    }

    /// One more begins to wait, and has its answer.
    pub fn one_more(&self, now: Moment) {
        let wait = self.waits.watch(Terms::of_a_part(BackendId(1), now + Duration::from_secs(14)), None, now);
        wait.reached(AttemptPhase::Send, now);
        drop(wait);
    }

    /// All of them are looked at; how many backends have become suspects.
    pub fn sweep(&self, now: Moment) -> usize {
        self.waits.sweep(now).len()
    }
}

/// The choice of a backend out of the snapshot, as every request makes it.
pub struct Selection {
    reader: SnapshotReader,
    worker: WorkerId,
    pool: usize,
}

impl Selection {
    /// For the first worker, in the pool that the snapshot numbers so.
    pub fn new(cell: &Arc<SnapshotCell>, pool: usize) -> Self {
        Self { reader: cell.reader(), worker: WorkerId(0), pool }
    }

    /// The backend that a request goes to first; none when all are down, or it has as many as it may.
    pub fn first(&mut self, now: Moment) -> Option<BackendId> {
        let target = PoolRef::new(self.reader.load(), self.pool).choose(|_| false)?;
        limits::has_room(&target, self.worker, now).ok()?;
        Some(target.backend().id)
    }

    /// The one that it goes to when the attempt at the first failed, by the snapshot that holds then.
    pub fn after_the_first(&mut self, now: Moment) -> Option<BackendId> {
        let (pool, mut tried) = (PoolRef::new(self.reader.load(), self.pool), Tried::default());
        tried.push(pool.choose(|_| false)?.backend().id);
        let pool = pool.in_view(self.reader.load());
        Some(attempts::another(&pool, &tried, self.worker, now)?.backend().id)
    }
}

/// How an attempt ended.
pub struct Outcome(Result<StatusCode, Failed>);

impl Outcome {
    /// With this answer.
    pub fn answered(status: StatusCode) -> Self {
        Self(Ok(status))
    }

    /// The connection was refused: the backend has seen nothing.
    pub fn unreachable() -> Self {
        Self(Err(Failed::backend(AttemptPhase::Dial, Fate::Unsent, Refusal::Unreachable)))
    }

    /// The connection broke before the answer: the backend may have acted.
    pub fn broken() -> Self {
        Self(Err(Failed::backend(AttemptPhase::Wait, Fate::Ambiguous, Refusal::Broken)))
    }

    /// What it says against the backend, and whether the request goes elsewhere, which may be replayed.
    pub fn classify(&self, pool: &PoolConfig) -> (Option<EvidenceKind>, bool) {
        let evidence = attempts::evidence(&pool.evidence, true, self.0.as_ref().map(|status| *status));
        if self.0.as_ref().is_ok_and(|status| !pool.retry.status.contains(status.as_u16())) {
            return (evidence, false);
        }
        let next = plan::next(Situation {
            fate: attempts::fate(&self.0),
            may_replay: true,
            body_is_whole: true,
            reused: false,
            another: true,
        });
        (evidence, next == Next::Elsewhere)
    }
}

/// The frames that a client sends, or a backend.
pub fn frames(of_client: bool) -> WebSocketFrames {
    WebSocketFrames::new(if of_client { Side::Client } else { Side::Backend })
}
