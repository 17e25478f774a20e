//! One worker's data plane: a request from its head to its response.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, EXPECT, TE, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::attempt::{Answer, Failed};
use super::client::Client;
use super::exchange::{Exchange, target_of};
use super::headers::{IDEMPOTENCY_KEY, X_REQUEST_ID, is_request_id, prepare_request};
use super::log::{Ended, LogEntry};
use super::recording::{BodyLimits, Recording, RequestBody};
use super::refuse::Refusal;
use super::response::ResponseBody;
use super::rest::read_rest;
use super::target::{PoolRef, Target};
use super::waits::Waits;
use super::{attempts, head, plan};
use crate::model::{BackendId, Clock, Evidence, EvidenceKind, Fate, Moment, Side};
use crate::snapshot::{Miss, Pool, SnapshotCell, SnapshotReader, View};
use crate::telemetry::{AccessLog, Counter, ListenerStats, WorkerId};
use crate::upstream::Connections;

/// All that the requests of one worker share. Never leaves its thread.
pub struct Gateway {
    pub(super) worker: WorkerId,
    pub(super) clock: Clock,
    pub(super) cell: Arc<SnapshotCell>,
    pub(super) connections: Rc<Connections<RequestBody>>,
    pub(super) waits: Rc<Waits>,
    reader: RefCell<SnapshotReader>,
    evidence: mpsc::Sender<Evidence>,
    client_stats: Arc<ListenerStats>,
    access_log: Option<RefCell<AccessLog>>,
}

/// What a request was found to be for.
struct Admitted {
    pool: PoolRef,
    host: String,
    most_body: u64,
}

impl Gateway {
    /// The data plane of one worker.
    pub fn new(
        worker: WorkerId,
        clock: Clock,
        cell: Arc<SnapshotCell>,
        evidence: mpsc::Sender<Evidence>,
        client_stats: Arc<ListenerStats>,
        access_log: Option<AccessLog>,
    ) -> Rc<Self> {
        Rc::new(Self {
            worker,
            clock,
            reader: RefCell::new(cell.reader()),
            cell,
            connections: Connections::new(),
            waits: Rc::default(),
            evidence,
            client_stats,
            access_log: access_log.map(RefCell::new),
        })
    }

    /// Serves one request.
    pub async fn serve(self: &Rc<Self>, request: Request<Incoming>, client: &Client) -> Response<ResponseBody> {
        let received = self.clock.now();
        let http1 = request.version() < Version::HTTP_2;
        let (parts, body) = request.into_parts();
        let expects = parts.headers.contains_key(EXPECT);
        let log = self.access_log.as_ref().map(|_| LogEntry::begin(&parts, client, received));
        let admitted = match self.admit(&parts) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.client_stats.cells.of(self.worker).refused.increment();
                read_rest(body, expects).await;
                let id = parts.headers.get(X_REQUEST_ID).filter(|id| is_request_id(id));
                return self.refuse(refusal, log, id, http1);
            }
        };
        let pool = admitted.pool.clone();
        pool.get().stats.cells.of(self.worker).requests.increment();
        let mut exchange = self.exchange(parts, body, admitted, client, received);
        exchange.log = log;
        if let Some(log) = &mut exchange.log {
            log.request_id = Some(exchange.request_id.clone());
        }
        match attempts::run(self, &mut exchange, pool.clone()).await {
            Ok(response) => response,
            Err(refusal) => {
                if refusal == Refusal::AllDown {
                    pool.get().stats.cells.of(self.worker).no_backend.increment();
                }
                if let Some(body) = &exchange.body {
                    read_rest(body.next_turn(), expects).await;
                }
                self.refuse(refusal, exchange.log.take(), Some(&exchange.request_id), http1)
            }
        }
    }

    fn refuse(
        &self,
        refusal: Refusal,
        log: Option<Box<LogEntry>>,
        request_id: Option<&HeaderValue>,
        http1: bool,
    ) -> Response<ResponseBody> {
        let response = refusal.into_response(request_id, http1);
        if let Some(log) = log {
            let bytes = (0, response.body().size_hint().exact().unwrap_or(0));
            let (now, status, outcome) = (self.clock.now(), response.status(), refusal.as_str());
            self.log(&log, &Ended { now, status, bytes, target: None, outcome });
        }
        response
    }

    /// Writes a line of the access log, if there is one.
    pub(super) fn log(&self, entry: &LogEntry, ended: &Ended<'_>) {
        if let Some(log) = &self.access_log {
            entry.end(&mut log.borrow_mut(), ended);
        }
    }

    /// Checks a head and finds its pool.
    fn admit(&self, parts: &Parts) -> Result<Admitted, Refusal> {
        head::method(&parts.method)?;
        head::transfer_coding(&parts.headers)?;
        let host = head::host(parts)?;
        let (_, path) = head::path(parts)?;
        let view = self.view();
        let route = view.routes.find(&host, path).map_err(|miss| match miss {
            Miss::Host => Refusal::UnknownHost,
            Miss::Path => Refusal::UnknownPath,
        })?;
        let (pool, most_body) = (route.pool, route.config.max_body);
        let declared = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > most_body) {
            return Err(Refusal::BodyTooLarge);
        }
        Ok(Admitted { pool: PoolRef::new(view.clone(), pool), host: host.into_owned(), most_body })
    }

    fn exchange(
        &self,
        mut parts: Parts,
        body: Incoming,
        admitted: Admitted,
        client: &Client,
        received: Moment,
    ) -> Exchange {
        let pool = &admitted.pool.get().config;
        let upgrade = head::upgrade(&parts).cloned().map(|protocol| {
            let on = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
            (protocol, on)
        });
        let wants_trailers = parts.headers.get(TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
        if upgrade.is_none() {
            parts.headers.remove(UPGRADE);
        }
        prepare_request(&mut parts.headers, client, &admitted.host, parts.version);
        // After that: a key that is empty, or that `Connection` names, does not reach the backend.
        let keyed = parts.headers.get(IDEMPOTENCY_KEY).is_some_and(|key| !key.is_empty());
        let request_id = parts.headers.get(X_REQUEST_ID).cloned();
        let limits = BodyLimits { held: pool.replay_buffer, most: admitted.most_body };
        Exchange {
            received,
            log: None,
            deadline: received + pool.deadline,
            target: target_of(&mut parts),
            may_replay: upgrade.is_none() && plan::may_replay(pool.replay, &parts.method, keyed),
            method: parts.method,
            headers: parts.headers,
            request_id: request_id.unwrap_or(HeaderValue::from_static("-")),
            body: (!body.is_end_stream()).then(|| Recording::new(body, limits, self.clock)),
            body_timeout: client.body_timeout,
            wants_trailers,
            upgrade: upgrade.and_then(|(protocol, on)| Some((protocol, on?))),
        }
    }

    /// The snapshot that serves now.
    pub(super) fn view(&self) -> View {
        self.reader.borrow_mut().load()
    }

    /// Takes one retry from the pool's budget.
    pub(super) fn may_retry(&self, pool: &Pool) -> bool {
        let cells = &pool.stats.cells;
        let retry = &pool.config.retry;
        let requests = cells.sum(|cell| &cell.requests);
        let granted = pool.stats.budget.take(self.clock.now(), requests, retry.budget, retry.floor);
        let cell = cells.of(self.worker);
        if granted { &cell.retries } else { &cell.budget_spent }.increment();
        granted
    }

    /// Counts how an attempt ended, and tells control what it says about the backend.
    pub(super) fn note(&self, target: &Target, outcome: &Result<Answer, Failed>) {
        let cell = target.backend().stats.cells.of(self.worker);
        let counter: &Counter = match outcome {
            Ok(answer) if target.pool().config.retry.status.contains(answer.response.status().as_u16()) => {
                self.tell(target, EvidenceKind::Refused(answer.response.status().as_u16()));
                &cell.refused
            }
            Ok(_) => &cell.answered,
            Err(failed) if failed.rescued => &cell.rescued,
            Err(failed) => {
                let stale = failed.reused && failed.failure.fate == Fate::Unsent;
                if failed.failure.side == Side::Backend && !stale {
                    self.tell(target, EvidenceKind::Failed(failed.failure.phase));
                }
                if failed.failure.fate == Fate::Unsent { &cell.unsent } else { &cell.ambiguous }
            }
        };
        counter.increment();
    }

    /// Tells control what was seen of a backend; dropped and counted when control is too busy.
    pub(super) fn tell(&self, target: &Target, kind: EvidenceKind) {
        let evidence = Evidence { backend: target.backend().id, kind };
        if self.evidence.try_send(evidence).is_err() {
            target.pool().stats.cells.of(self.worker).evidence_dropped.increment();
        }
    }

    /// Names a suspect to control. Nothing is lost when control is too busy: the next look names it again.
    pub(super) fn suspect(&self, backend: BackendId) {
        let _ = self.evidence.try_send(Evidence { backend, kind: EvidenceKind::Slow });
    }
}
