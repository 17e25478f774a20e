//! Whom of the workers another asks for a connection.
//!
//! Each worker has connections of its own, so that none waits for another. Where requests are few that has a price: one that
//! comes to a worker without a connection would dial, for two or three round trips, while its sibling holds one that nobody
//! uses. So a worker that misses asks the sibling that seems to have one. A miss where no sibling has any costs a look at
//! one number of each; what is asked waits in a queue that is bounded, and never for longer than a dial takes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::reach::Made;
use super::socket::Parked;
use crate::model::BackendId;
use crate::telemetry::WorkerId;

/// Backends share a number where their ids do modulo this: at worst somebody is asked who has none.
const SLOTS: usize = 256;

/// Questions that may wait for one worker: one that is stuck is asked no more.
const MOST_WAITING: usize = 8;

/// What the workers of a process know of each other's connections.
#[derive(Debug)]
pub struct Siblings(Box<[Desk]>);

/// Where one worker is asked.
#[derive(Debug)]
#[repr(align(128))]
struct Desk {
    /// How many unused connections it has. Only the worker itself writes.
    idle: [AtomicU32; SLOTS],
    inbox: Mutex<VecDeque<Ask>>,
    /// How many questions wait there.
    waiting: AtomicU32,
    arrived: Notify,
    /// Nobody sits here.
    shut: AtomicBool,
}

/// Somebody lacks a connection.
#[derive(Debug)]
pub struct Ask {
    pub(super) backend: BackendId,
    /// Whether any will do. Else the sibling's own requests come first: it gives only what nobody has used for a while.
    pub(super) any: bool,
    pub(super) reply: oneshot::Sender<Handed>,
}

/// A connection on its way to another worker.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) stream: Parked,
    pub(super) made: Made,
}

/// One worker's place among its siblings.
#[derive(Debug)]
pub struct Seat {
    siblings: Arc<Siblings>,
    own: usize,
}

impl Siblings {
    /// As many as there are workers.
    pub fn new(workers: usize) -> Arc<Self> {
        let desk = |_| Desk {
            idle: [const { AtomicU32::new(0) }; SLOTS],
            inbox: Mutex::default(),
            waiting: AtomicU32::new(0),
            arrived: Notify::new(),
            shut: AtomicBool::new(true),
        };
        Arc::new(Self((0..workers.max(1)).map(desk).collect()))
    }

    /// The place of a worker, which has no connections yet.
    pub fn seat(self: &Arc<Self>, worker: WorkerId) -> Seat {
        let seat = Seat { siblings: self.clone(), own: worker.0 % self.0.len() };
        seat.desk().clear();
        seat.desk().shut.store(false, Relaxed);
        seat
    }
}

impl Desk {
    fn inbox(&self) -> MutexGuard<'_, VecDeque<Ask>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self) {
        self.idle.iter().for_each(|idle| idle.store(0, Relaxed));
        let mut inbox = self.inbox();
        inbox.clear();
        self.told(&inbox);
    }

    fn told(&self, inbox: &VecDeque<Ask>) {
        self.waiting.store(u32::try_from(inbox.len()).unwrap_or(u32::MAX), Relaxed);
    }

    /// What it can be thought to have left of its unused connections once those who have asked have theirs.
    fn spare(&self, backend: BackendId) -> u32 {
        self.idle[slot(backend)].load(Relaxed).saturating_sub(self.waiting.load(Relaxed))
    }
}

const fn slot(backend: BackendId) -> usize {
    backend.0 as usize % SLOTS
}

impl Seat {
    /// A worker without siblings.
    pub fn alone() -> Self {
        Siblings::new(1).seat(WorkerId(0))
    }

    fn desk(&self) -> &Desk {
        &self.siblings.0[self.own]
    }

    /// How many workers there are, itself among them.
    pub(super) fn workers(&self) -> usize {
        self.siblings.0.len()
    }

    /// Of the unused connections to a backend there were so many, and are so many.
    pub(super) fn note(&self, backend: BackendId, were: usize, are: usize) {
        let idle = &self.desk().idle[slot(backend)];
        let change = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        idle.store(idle.load(Relaxed).wrapping_add(change(are)).wrapping_sub(change(were)), Relaxed);
    }

    /// Asks the sibling that has most; none where none has any, or it has been asked too often.
    pub(super) fn ask(&self, backend: BackendId, any: bool) -> Option<oneshot::Receiver<Handed>> {
        let others = self.siblings.0.iter().enumerate().filter(|(at, _)| *at != self.own);
        let spare = others.map(|(_, desk)| (desk.spare(backend), desk));
        let (_, desk) = spare.filter(|(spare, _)| *spare > 0).max_by_key(|(spare, _)| *spare)?;
        let (reply, answer) = oneshot::channel();
        {
            let mut inbox = desk.inbox();
            // Under the lock: who leaves empties it afterwards.
            if desk.shut.load(Relaxed) || inbox.len() >= MOST_WAITING {
                return None;
            }
            inbox.push_back(Ask { backend, any, reply });
            desk.told(&inbox);
        }
        desk.arrived.notify_one();
        Some(answer)
    }

    /// The next question of a sibling that is still waited for. Cancel-safe.
    pub(super) async fn next(&self) -> Ask {
        let desk = self.desk();
        loop {
            let ask = {
                let mut inbox = desk.inbox();
                let ask = inbox.pop_front();
                desk.told(&inbox);
                ask
            };
            match ask {
                Some(ask) if !ask.reply.is_closed() => return ask,
                Some(_) => {}
                None => desk.arrived.notified().await,
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.desk().shut.store(true, Relaxed);
        self.desk().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKEND: BackendId = BackendId(7);

    #[tokio::test]
    async fn only_who_has_a_connection_is_asked_and_not_without_end() {
        let siblings = Siblings::new(3);
        let seats: Vec<Seat> = (0..3).map(|worker| siblings.seat(WorkerId(worker))).collect();
        assert!(seats[0].ask(BACKEND, true).is_none());
        seats[0].note(BACKEND, 0, 5);
        assert!(seats[0].ask(BACKEND, true).is_none(), "its own it knows");
        seats[1].note(BACKEND, 0, 1);
        seats[2].note(BACKEND, 0, 100);
        let mut asked: Vec<_> = (0..MOST_WAITING).filter_map(|_| seats[0].ask(BACKEND, true)).collect();
        assert_eq!((asked.len(), seats[0].ask(BACKEND, true).is_none()), (MOST_WAITING, true));
        // Those who went away are passed over.
        asked.drain(1..);
        let ask = seats[2].next().await;
        assert_eq!(ask.backend, BACKEND);
        assert!(!ask.reply.is_closed() && seats[2].desk().inbox().len() == MOST_WAITING - 1);
    }

    #[test]
    fn those_who_ask_at_once_ask_whoever_has_one_for_each() {
        let siblings = Siblings::new(4);
        let seats: Vec<Seat> = (0..4).map(|worker| siblings.seat(WorkerId(worker))).collect();
        seats[1..].iter().for_each(|seat| seat.note(BACKEND, 0, 1));
        let asked: Vec<_> = (0..5).filter_map(|_| seats[0].ask(BACKEND, true)).collect();
        assert_eq!(asked.len(), 3);
        assert!(seats[1..].iter().all(|seat| seat.desk().inbox().len() == 1));
    }

    #[tokio::test]
    async fn who_has_left_is_not_asked_and_answers_nobody() {
        let siblings = Siblings::new(2);
        let (one, two) = (siblings.seat(WorkerId(0)), siblings.seat(WorkerId(1)));
        two.note(BACKEND, 0, 1);
        let asked = one.ask(BACKEND, false).unwrap();
        drop(two);
        assert!(asked.await.is_err());
        assert!(one.ask(BACKEND, true).is_none());
        let two = siblings.seat(WorkerId(1));
        assert!(one.ask(BACKEND, true).is_none(), "who comes back has none");
        two.note(BACKEND, 0, 1);
        assert!(one.ask(BACKEND, true).is_some());
    }
}
