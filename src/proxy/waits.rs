//! What the attempts of one worker wait for, and what ends their waiting: deadlines, and the loss of their backend.
//!
//! One timer per worker looks at all of them, so that a request costs no timer of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;

use super::recording::{Awaited, Recording};
use crate::config::MinRate;
use crate::model::{AttemptPhase, BackendId, Moment};

/// How often the waiting attempts are looked at: the precision of every deadline here.
pub(super) const SWEEP: Duration = Duration::from_millis(20);

/// Why an attempt must stop waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The deadline of the request.
    Deadline,
    /// The time limit of this attempt.
    AttemptTimeout,
    /// The client sends its body too slowly.
    BodyStalled,
    /// The backend was given up; another can have the request.
    Rescue,
}

/// What an attempt is bound by.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// Whom it waits for.
    pub(super) backend: BackendId,
    /// End of all attempts.
    pub(super) deadline: Moment,
    /// Longest time without a move of the backend: a connection, a part of the body read, the response head.
    pub(super) attempt_timeout: Option<Duration>,
    /// Longest pause in the client's body.
    pub(super) body_timeout: Duration,
    /// Pace at which that body must come while it is waited for.
    pub(super) body_rate: MinRate,
    /// Keeping the request waiting this long makes the backend a suspect.
    pub(super) suspect_after: Duration,
    /// Whether the replay rule allows another attempt once the request was written.
    pub(super) replayable: bool,
    /// Whether this attempt may be cut short for a rescue at all.
    pub(super) rescuable: bool,
}

impl Terms {
    /// Waiting for the client alone: for the rest of its body.
    pub(super) const fn of_the_client(deadline: Moment, body_timeout: Duration, body_rate: MinRate) -> Self {
        Self { body_timeout, body_rate, ..Self::of_a_part(BackendId::NOBODY, deadline) }
    }

    /// Waiting for the next part of a response body, which ends by [`Verdict::Deadline`] and in no other way: nothing may
    /// be tried elsewhere any more.
    pub(super) const fn of_a_part(backend: BackendId, deadline: Moment) -> Self {
        Self {
            backend,
            deadline,
            attempt_timeout: None,
            body_timeout: Duration::MAX,
            body_rate: MinRate::NONE,
            suspect_after: Duration::MAX,
            replayable: false,
            rescuable: false,
        }
    }
}

/// The waiting attempts of one worker.
#[derive(Default)]
pub(super) struct Waits {
    entries: RefCell<Slab<Entry>>,
    /// Told when the first attempt begins to wait.
    pub(super) begun: Notify,
}

struct Entry {
    terms: Terms,
    started: Moment,
    phase: AttemptPhase,
    body: Option<Rc<Recording>>,
    suspected: bool,
    verdict: Cell<Option<Verdict>>,
    waker: Option<Waker>,
}

impl Waits {
    /// Begins to watch over an attempt.
    pub(super) fn watch(self: &Rc<Self>, terms: Terms, body: Option<Rc<Recording>>, now: Moment) -> Wait {
        let mut entries = self.entries.borrow_mut();
        if entries.is_empty() {
            self.begun.notify_one();
        }
        let key = entries.insert(Entry {
            terms,
            started: now,
            phase: AttemptPhase::Dial,
            body,
            suspected: false,
            verdict: Cell::new(None),
            waker: None,
        });
        Wait { waits: self.clone(), key }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.borrow().is_empty()
    }

    /// Ends the waiting of what is out of time, and returns the backends that have become suspects.
    pub(super) fn sweep(&self, now: Moment) -> Vec<BackendId> {
        let mut suspects = Vec::new();
        for (_, entry) in self.entries.borrow_mut().iter_mut() {
            if let Some(verdict) = entry.overdue(now) {
                entry.end(verdict);
            }
            if !entry.suspected && entry.waits_for_backend(now).is_some_and(|t| t >= entry.terms.suspect_after) {
                entry.suspected = true;
                if !suspects.contains(&entry.terms.backend) {
                    suspects.push(entry.terms.backend);
                }
            }
        }
        suspects
    }

    /// Ends the waiting on backends that were given up, where another may have the request.
    pub(super) fn rescue(&self, given_up: impl Fn(BackendId) -> bool) {
        for (_, entry) in self.entries.borrow_mut().iter_mut() {
            if given_up(entry.terms.backend) && entry.may_be_rescued() {
                entry.end(Verdict::Rescue);
            }
        }
    }
}

impl Entry {
    fn end(&mut self, verdict: Verdict) {
        if self.verdict.get().is_none() {
            self.verdict.set(Some(verdict));
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }

    /// How long the backend has kept the request waiting; none while it is the client who must send more.
    fn waits_for_backend(&self, now: Moment) -> Option<Duration> {
        match self.awaited() {
            Awaited::Backend(since) => Some(now.since(since.max(self.started))),
            Awaited::Client(_) => None,
        }
    }

    fn awaited(&self) -> Awaited {
        match &self.body {
            // A dial that hangs is as suspect as a head that does not come; nobody has asked the client for its body.
            Some(body) if self.phase >= AttemptPhase::Send => body.awaits(),
            _ => Awaited::Backend(self.started),
        }
    }

    fn overdue(&self, now: Moment) -> Option<Verdict> {
        if now >= self.terms.deadline {
            return Some(Verdict::Deadline);
        }
        if let (Some(limit), Some(waited)) = (self.terms.attempt_timeout, self.waits_for_backend(now))
            && waited >= limit
        {
            return Some(Verdict::AttemptTimeout);
        }
        let silent = matches!(self.awaited(), Awaited::Client(since) if now.since(since) >= self.terms.body_timeout);
        (silent || self.is_slow(now)).then_some(Verdict::BodyStalled)
    }

    /// Whether the client, for whom it waits, sends its body too slowly.
    fn is_slow(&self, now: Moment) -> bool {
        let Some(body) = self.body.as_ref().filter(|_| matches!(self.awaited(), Awaited::Client(_))) else {
            return false;
        };
        self.terms.body_rate.is_missed(body.received(), body.waited_for_client(now))
    }

    fn may_be_rescued(&self) -> bool {
        let body_is_whole = self.body.as_ref().is_none_or(|body| body.is_whole());
        self.terms.rescuable && body_is_whole && (self.phase < AttemptPhase::Send || self.terms.replayable)
    }
}

/// One attempt's place among the waiting. Dropped when it ends.
pub(super) struct Wait {
    waits: Rc<Waits>,
    key: usize,
}

impl Wait {
    /// The attempt has come this far.
    pub(super) fn reached(&self, phase: AttemptPhase, now: Moment) {
        if let Some(entry) = self.waits.entries.borrow_mut().get_mut(self.key) {
            entry.phase = phase;
            entry.started = now;
        }
    }

    /// How far the attempt came.
    pub(super) fn phase(&self) -> AttemptPhase {
        self.waits.entries.borrow().get(self.key).map_or(AttemptPhase::Wait, |entry| entry.phase)
    }

    /// How long its backend has kept it waiting; zero while it is the client who must send more.
    pub(super) fn waited(&self, now: Moment) -> Duration {
        let entries = self.waits.entries.borrow();
        entries.get(self.key).and_then(|entry| entry.waits_for_backend(now)).unwrap_or_default()
    }

    /// Ready when the attempt must stop.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Verdict> {
        let mut entries = self.waits.entries.borrow_mut();
        let Some(entry) = entries.get_mut(self.key) else { return Poll::Pending };
        if let Some(verdict) = entry.verdict.get() {
            return Poll::Ready(verdict);
        }
        if !entry.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            entry.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.waits.entries.borrow_mut().try_remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            backend: BackendId(1),
            deadline: at(1000),
            attempt_timeout: Some(Duration::from_millis(500)),
            body_timeout: Duration::from_secs(1),
            body_rate: MinRate::NONE,
            suspect_after: Duration::from_millis(250),
            replayable: true,
            rescuable: true,
        }
    }

    fn at(millis: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(millis))
    }

    fn verdict(wait: &Wait) -> Option<Verdict> {
        match wait.poll(&Context::from_waker(Waker::noop())) {
            Poll::Ready(verdict) => Some(verdict),
            Poll::Pending => None,
        }
    }

    #[test]
    fn an_attempt_that_waits_long_is_suspect_once_then_out_of_time() {
        let waits = Rc::new(Waits::default());
        let wait = waits.watch(terms(), None, at(0));
        wait.reached(AttemptPhase::Send, at(10));
        assert_eq!(waits.sweep(at(200)), []);
        assert_eq!(waits.sweep(at(260)), [BackendId(1)]);
        assert_eq!(waits.sweep(at(280)), [], "a suspect is named once");
        assert_eq!(verdict(&wait), None);
        waits.sweep(at(510));
        assert_eq!(verdict(&wait), Some(Verdict::AttemptTimeout));
    }

    #[test]
    fn only_what_may_be_tried_elsewhere_is_rescued() {
        let waits = Rc::new(Waits::default());
        let keyed = waits.watch(terms(), None, at(0));
        let plain = waits.watch(Terms { replayable: false, ..terms() }, None, at(0));
        let unsent = waits.watch(Terms { replayable: false, ..terms() }, None, at(0));
        let other = waits.watch(Terms { backend: BackendId(2), ..terms() }, None, at(0));
        for wait in [&keyed, &plain, &other] {
            wait.reached(AttemptPhase::Send, at(1));
        }
        waits.rescue(|id| id == BackendId(1));
        assert_eq!(verdict(&keyed), Some(Verdict::Rescue));
        assert_eq!(verdict(&plain), None, "it may have acted: not ours to send twice");
        assert_eq!(verdict(&unsent), Some(Verdict::Rescue));
        assert_eq!(verdict(&other), None);
    }

    #[test]
    fn an_attempt_that_ended_leaves_nothing_behind() {
        let waits = Rc::new(Waits::default());
        drop(waits.watch(terms(), None, at(0)));
        assert!(waits.is_empty());
    }
}
