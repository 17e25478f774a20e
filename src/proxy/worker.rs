//! What the requests of one worker share.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http_body::Body;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::exchange::Exchange;
use super::limits::Purse;
use super::log::{Ended, Line, LogEntry};
use super::recording::RequestBody;
use super::refuse::Refusal;
use super::response::ResponseBody;
use super::target::{PoolRef, Target};
use super::token::Reminder;
use super::tunnel::Tunnels;
use super::voice::Voice;
use super::waits::Waits;
use super::worker_clock::WorkerClock;
use crate::bot::token::TokenCache;
use crate::model::{BackendId, Clock, Evidence, EvidenceKind};
use crate::snapshot::{Pool, SnapshotCell, SnapshotReader, View};
use crate::telemetry::{AccessLog, ActivityTap, ListenerStats, WorkerId};
use crate::upstream::{Connections, Seat};
use crate::wire::Response;

/// Most deliveries of one worker that go on without their clients: who resets requests as fast as they can be sent must not
/// have all of them delivered at once.
const MOST_DELIVERIES: usize = 1024;

/// One worker's side of everything. Never leaves its thread.
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) clock: WorkerClock,
    pub(super) cell: Arc<SnapshotCell>,
    pub(super) connections: Rc<Connections<RequestBody>>,
    pub(super) waits: Rc<Waits>,
    pub(super) tunnels: Rc<Tunnels>,
    pub(super) client_stats: Arc<ListenerStats>,
    /// Its part of the budget of held bytes.
    pub(super) purse: Rc<Purse>,
    deliveries: TaskTracker,
    /// Tokens that were verified before.
    pub(super) tokens: RefCell<TokenCache>,
    reminder: Reminder,
    reader: RefCell<SnapshotReader>,
    evidence: mpsc::Sender<Evidence>,
    access_log: Option<RefCell<AccessLog>>,
    pub(super) tap: ActivityTap,
}

impl Worker {
    pub(super) fn new(
        (id, seat): (WorkerId, Seat),
        clock: Clock,
        cell: Arc<SnapshotCell>,
        evidence: mpsc::Sender<Evidence>,
        client_stats: Arc<ListenerStats>,
        access_log: Option<AccessLog>,
        tap: ActivityTap,
    ) -> Self {
        Self {
            id,
            clock: clock.into(),
            reader: RefCell::new(cell.reader()),
            cell,
            connections: Connections::new(seat),
            waits: Rc::default(),
            tokens: RefCell::default(),
            reminder: Reminder::default(),
            tunnels: Rc::default(),
            evidence,
            purse: Purse::new(&client_stats),
            client_stats,
            deliveries: TaskTracker::new(),
            access_log: access_log.map(RefCell::new),
            tap,
        }
    }

    /// The snapshot that serves now.
    pub(super) fn view(&self) -> View {
        self.reader.borrow_mut().load()
    }

    /// Waits for so long, or until something about the backends has changed.
    pub(super) async fn pause(&self, longest: Duration) {
        let mut published = self.cell.subscribe();
        let _ = tokio::time::timeout(longest, published.changed()).await;
    }

    /// Takes one retry from the pool's budget.
    pub(super) fn may_retry(&self, pool: &Pool) -> bool {
        let cells = &pool.stats.cells;
        let retry = &pool.config.retry;
        let requests = cells.sum(|cell| &cell.requests);
        let granted = pool.stats.budget.take(self.clock.now(), requests, retry.budget, retry.floor);
        let cell = cells.of(self.id);
        if granted { &cell.retries } else { &cell.budget_spent }.increment();
        granted
    }

    /// Tells control what was seen of a backend; dropped and counted when control is too busy.
    pub(super) fn tell(&self, target: &Target, kind: EvidenceKind) {
        let evidence = Evidence { backend: target.backend().id, kind };
        if self.evidence.try_send(evidence).is_err() {
            target.pool().stats.cells.of(self.id).evidence_dropped.increment();
        }
    }

    /// Goes on with a delivery whose client has left; past a bound it is given up.
    pub(super) fn go_on(&self, delivery: impl Future<Output = ()> + 'static) {
        if self.deliveries.len() < MOST_DELIVERIES {
            self.deliveries.spawn_local(delivery);
        }
    }

    /// Waits for the deliveries whose clients have left, once no more is expected.
    pub(super) async fn settle(&self) {
        self.deliveries.close();
        self.deliveries.wait().await;
    }

    /// Names a suspect to control. Nothing is lost when control is too busy: the next look names it again.
    pub(super) fn suspect(&self, backend: BackendId) {
        let _ = self.evidence.try_send(Evidence { backend, kind: EvidenceKind::Slow });
    }

    /// Answers a request that no backend answered.
    pub(super) fn give_up(
        &self,
        refusal: Refusal,
        exchange: &mut Exchange,
        pool: &PoolRef,
        http1: bool,
    ) -> Response<ResponseBody> {
        if refusal == Refusal::AllDown {
            pool.get().stats.cells.of(self.id).no_backend.increment();
        }
        let voice = Voice::of(&pool.get().config, exchange.activity.as_ref());
        self.refuse(refusal, Some(&voice), exchange.log.take(), Some(&exchange.request_id), http1)
    }

    /// Answers a request with a refusal.
    pub(super) fn refuse(
        &self,
        refusal: Refusal,
        voice: Option<&Voice<'_>>,
        log: Option<Line>,
        request_id: Option<&HeaderValue>,
        http1: bool,
    ) -> Response<ResponseBody> {
        let response = refusal.voiced(voice, request_id, http1);
        if let Some(mut log) = log {
            let bytes = (0, response.body.size_hint().exact().unwrap_or(0));
            let (now, status, outcome) = (self.clock.now(), response.status, refusal.as_str());
            log.end(Ended { now, status, bytes, target: None, outcome });
        }
        response
    }

    /// Whether tokens that are wanting may be spoken of again, `pause` after the last time.
    pub(super) fn may_remind(&self, pause: std::time::Duration) -> bool {
        self.reminder.may(self.clock.now(), pause)
    }

    /// Whether anyone wants to know how requests end.
    pub(super) fn logs(&self) -> bool {
        self.access_log.is_some() || self.tap.is_watched()
    }

    /// Writes a line of the access log, if there is one, and tells who watches activities.
    pub(super) fn log(&self, entry: &LogEntry, ended: &Ended<'_>) {
        if let Some(log) = &self.access_log {
            entry.end(&mut log.borrow_mut(), ended);
        }
        if let Some(activity) = entry.activity(ended) {
            self.tap.tell(activity);
        }
    }
}
