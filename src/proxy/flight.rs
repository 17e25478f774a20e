//! A request under way at a backend: counted while it lasts, and once when it ends.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;

use super::exchange::Exchange;
use super::limits::Slot;
use super::log::{CLIENT_LEFT, Ended, Line};
use super::recording::Recording;
use super::target::Target;
use super::waits::{Terms, Wait};
use super::worker::Worker;
use crate::model::{EvidenceKind, Moment, Sign, TunnelEnd};

/// Counts an attempt at a backend from its begin to its end, and its response when there is one.
pub(super) struct Flight {
    worker: Rc<Worker>,
    target: Target,
    received: Moment,
    authentic: bool,
    status: Option<StatusCode>,
    sent: u64,
    /// Bytes of a tunnel from the client.
    heard: u64,
    end: End,
    /// When it was first asked for after its end.
    ended: Cell<Option<Moment>>,
    /// Whether it is counted as answered already: a tunnel is, once it is open.
    counted: bool,
    /// Its request's place among those under way in the pool.
    slot: Option<Slot>,
    left: bool,
    log: Option<(Line, Option<Rc<Recording>>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Not yet: dropped in this state, it was the client that went away.
    Open,
    Complete,
    Broken,
    /// It became a tunnel, which ended so.
    Tunnel(TunnelEnd),
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => CLIENT_LEFT,
            Self::Complete => "answered",
            Self::Broken => "broken",
            Self::Tunnel(end) => end.as_str(),
        }
    }
}

impl Flight {
    /// An attempt begins.
    pub(super) fn begin(worker: &Rc<Worker>, target: &Target, exchange: &Exchange) -> Self {
        let cell = target.backend().stats.cells.of(worker.id);
        cell.started.increment();
        cell.under_way.begin();
        if exchange.authentic {
            cell.weighed.increment();
        }
        Self {
            worker: worker.clone(),
            target: target.clone(),
            received: exchange.received,
            authentic: exchange.authentic,
            status: None,
            sent: 0,
            heard: 0,
            left: false,
            end: End::Open,
            ended: Cell::new(None),
            counted: false,
            slot: None,
            log: None,
        }
    }

    /// It has a response, which goes to the client; the access log wants the request's body.
    pub(super) fn answered(&mut self, status: StatusCode, exchange: &mut Exchange) {
        self.status = Some(status);
        self.slot = exchange.slot.take();
        self.log = exchange.log.take().map(|log| (log, exchange.body.clone()));
    }

    /// The client left; the rest of the body is read for those who resend.
    pub(super) fn client_left(&mut self) {
        self.left = true;
        if let Some((line, _)) = &mut self.log {
            line.client_left();
        }
    }

    /// Whose it is.
    pub(super) fn worker(&self) -> Rc<Worker> {
        self.worker.clone()
    }

    /// How long an answer that nobody waits for may take from now on.
    pub(super) fn patience(&self) -> Duration {
        self.target.pool().config.deadline
    }

    /// So many bytes of the body went to the client.
    pub(super) fn sent(&mut self, bytes: usize) {
        if !self.left {
            self.sent += bytes as u64;
        }
    }

    /// The body came to its end.
    pub(super) fn complete(&mut self) {
        self.end = End::Complete;
    }

    /// It has become a tunnel, which is counted apart: as a request it is answered.
    pub(super) fn switched(&mut self) {
        let cell = self.target.backend().stats.cells.of(self.worker.id);
        cell.ended.increment();
        cell.under_way.end();
        self.slot = None;
        cell.responses[0].increment();
        self.counted = true;
    }

    /// The tunnel that it became has ended, after so many bytes from the client and to it.
    pub(super) fn tunnelled(&mut self, end: TunnelEnd, bytes: (u64, u64)) {
        self.end = End::Tunnel(end);
        (self.heard, self.sent) = bytes;
    }

    /// The backend broke off the body.
    pub(super) fn broken(&mut self) {
        self.end = End::Broken;
    }

    /// Begins to wait for the next part of the response body, no longer than `limit`.
    pub(super) fn wait_for_part(&self, limit: Duration) -> Wait {
        let now = self.now();
        self.worker.waits.watch(Terms::of_a_part(self.target.backend().id, now + limit), None, now)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.end == End::Complete
    }

    /// The moment it is, or, once the body has ended, when that was noticed.
    pub(super) fn now(&self) -> Moment {
        let now = self.ended.get().unwrap_or_else(|| self.worker.clock.now());
        if self.end != End::Open {
            self.ended.set(Some(now));
        }
        now
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let backend = self.target.backend();
        let cell = backend.stats.cells.of(self.worker.id);
        if !self.counted {
            cell.ended.increment();
            cell.under_way.end();
        }
        let Some(status) = self.status else { return };
        let now = self.now();
        if let Some((line, body)) = &mut self.log {
            let bytes = (body.as_ref().map_or(self.heard, |body| body.received()), self.sent);
            let outcome = self.end.as_str();
            line.end(Ended { now, status, bytes, target: Some(&self.target), outcome });
        }
        if self.counted {
            return;
        }
        if self.end == End::Broken {
            cell.failed.increment();
            if self.target.pool().config.evidence.counts(Sign::Stream, self.authentic) {
                self.worker.tell(&self.target, EvidenceKind::Failed(Sign::Stream));
            }
        } else {
            let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
            cell.responses[class].increment();
        }
        // A tunnel lasts as long as its two ends like: that is no latency.
        if status != StatusCode::SWITCHING_PROTOCOLS {
            cell.observe_latency(now.since(self.received));
        }
    }
}
