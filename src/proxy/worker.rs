//! What the requests of one worker share.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::log::{Ended, LogEntry};
use super::recording::RequestBody;
use super::target::Target;
use super::token::Reminder;
use super::tunnel::Tunnels;
use super::waits::Waits;
use crate::bot::token::TokenCache;
use crate::model::{BackendId, Clock, Evidence, EvidenceKind};
use crate::snapshot::{Pool, SnapshotCell, SnapshotReader, View};
use crate::telemetry::{AccessLog, ActivityTap, ListenerStats, WorkerId};
use crate::upstream::Connections;

/// One worker's side of everything. Never leaves its thread.
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) clock: Clock,
    pub(super) cell: Arc<SnapshotCell>,
    pub(super) connections: Rc<Connections<RequestBody>>,
    pub(super) waits: Rc<Waits>,
    pub(super) tunnels: Rc<Tunnels>,
    pub(super) client_stats: Arc<ListenerStats>,
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
        id: WorkerId,
        clock: Clock,
        cell: Arc<SnapshotCell>,
        evidence: mpsc::Sender<Evidence>,
        client_stats: Arc<ListenerStats>,
        access_log: Option<AccessLog>,
        tap: ActivityTap,
    ) -> Self {
        Self {
            id,
            clock,
            reader: RefCell::new(cell.reader()),
            cell,
            connections: Connections::new(),
            waits: Rc::default(),
            tokens: RefCell::default(),
            reminder: Reminder::default(),
            tunnels: Rc::default(),
            evidence,
            client_stats,
            access_log: access_log.map(RefCell::new),
            tap,
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

    /// Names a suspect to control. Nothing is lost when control is too busy: the next look names it again.
    pub(super) fn suspect(&self, backend: BackendId) {
        let _ = self.evidence.try_send(Evidence { backend, kind: EvidenceKind::Slow });
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
