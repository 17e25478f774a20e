//! What waits to be written, between control and the writer. Its lock is held for moments, never over a use of the disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::types::{Ack, Record, Ticket};
use crate::config::JournalConfig;
use crate::model::{JournalEntry, JournalQuery, Utc};

/// Records that may wait. Past that, those that a later one of the same pool stands for are dropped.
pub(super) const CAPACITY: usize = 4_096;
/// Records written in one transaction.
const BATCH: usize = 256;
/// A disk that takes nothing for so long is said to be slow.
const SLOW: Duration = Duration::from_secs(1);

/// Something to write.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Entry(Arc<Record>),
    Drill { id: Arc<str>, at: Utc, document: Arc<str> },
}

impl Work {
    /// Whether a later piece of work says all that a restart needs to know of this.
    fn stands_for(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::Entry(later), Self::Entry(earlier)) => later.entry.pool == earlier.entry.pool,
            (Self::Drill { id: later, .. }, Self::Drill { id: earlier, .. }) => later == earlier,
            _ => false,
        }
    }
}

/// One piece of work as the writer takes it.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) work: Work,
    /// Whether it took effect before it was durable.
    pub(super) late: bool,
    /// Whether it was tried before: a commit whose answer was lost may have been one.
    pub(super) retried: bool,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    item: Item,
    /// Whether its acknowledgement was given.
    answered: bool,
    since: Instant,
}

/// What the writer is to do next.
#[derive(Debug)]
pub(super) enum Next {
    Write(Vec<Item>),
    /// Keep other rules.
    Rules(JournalConfig),
    /// A reader found the file damaged.
    Look,
    /// The time that was given is over.
    Due,
    /// Nothing more is to come.
    Stop,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Waiting>,
    /// How many at the front are being written.
    writing: usize,
    /// What is wrong with the disk; while it is, every record is answered at once.
    fault: Option<String>,
    /// Records lost since the disk was well.
    lost: u64,
    rules: Option<JournalConfig>,
    look: bool,
    stop: bool,
}

/// What control and the writer share.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    pub(super) written: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) lost: AtomicU64,
    /// A disk of so many pages, for tests; 0 is no limit, and at the highest number the writer dies.
    #[cfg(test)]
    pub(super) pages: AtomicU64,
}

impl Queue {
    /// Empty, with a fault until the file is open.
    pub(super) fn new(fault: String) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            writing: 0,
            fault: Some(fault),
            lost: 0,
            rules: None,
            look: false,
            stop: false,
        };
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            written: AtomicU64::new(0),
            late: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            #[cfg(test)]
            pages: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes work in, and gives the acknowledgements that are clear already.
    pub(super) fn submit(&self, ticket: Ticket, work: Work) -> [Option<Ack>; 2] {
        let mut state = self.lock();
        let dropped = if state.waiting.len() >= CAPACITY { state.make_room() } else { None };
        let entry = matches!(work, Work::Entry(_));
        let broken = state.fault.is_some();
        let item = Item { work, late: broken && entry, retried: false };
        state.waiting.push_back(Waiting { ticket, item, answered: broken || !entry, since: Instant::now() });
        let dropped = dropped.and_then(|waiting| {
            self.lost.fetch_add(1, Relaxed);
            state.lost += 1;
            if state.lost.is_power_of_two() {
                tracing::error!(lost = state.lost, "the journal has no room left in memory: decisions are lost");
            }
            (!waiting.answered).then_some(Ack { ticket: waiting.ticket, durable: false })
        });
        drop(state);
        self.wake.notify_one();
        [dropped, (broken && entry).then_some(Ack { ticket, durable: false })]
    }

    /// Marks a record as having taken effect before it was durable, unless it is durable already.
    pub(super) fn went_ahead(&self, ticket: Ticket) {
        let mut state = self.lock();
        if let Some(waiting) = state.waiting.iter_mut().rev().find(|waiting| waiting.ticket == ticket) {
            waiting.item.late = true;
        }
    }

    pub(super) fn set_rules(&self, rules: JournalConfig) {
        self.lock().rules = Some(rules);
        self.wake.notify_one();
    }

    /// Asks the writer to look whether the file is damaged.
    pub(super) fn look(&self) {
        self.lock().look = true;
        self.wake.notify_one();
    }

    /// Lets the writer end when it has written all, or cannot.
    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.wake.notify_one();
    }

    /// What is wrong, and what waits because of it.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.lock();
        let count = state.waiting.len();
        let mut text = match &state.fault {
            Some(fault) => fault.clone(),
            None => {
                let oldest = state.waiting.iter().find(|waiting| !waiting.answered)?;
                let age = oldest.since.elapsed();
                if age < SLOW && state.lost == 0 {
                    return None;
                }
                format!("the journal's disk has taken nothing for {} s: check it", age.as_secs())
            }
        };
        if count > 0 {
            text += &format!("; decisions waiting in memory to be written: {count}");
        }
        if state.lost > 0 {
            text += &format!("; decisions lost, because more waited than have room: {}", state.lost);
        }
        Some(text)
    }

    /// The entries that wait and were asked for, newest first.
    pub(super) fn entries(&self, query: &JournalQuery) -> Vec<JournalEntry> {
        if query.before.is_some() {
            return Vec::new();
        }
        let state = self.lock();
        let entries = state.waiting.iter().rev().filter_map(|waiting| match &waiting.item.work {
            Work::Entry(record) => Some((&record.entry, waiting.item.late)),
            Work::Drill { .. } => None,
        });
        let wanted = entries.filter(|(entry, _)| {
            query.pool.as_ref().is_none_or(|pool| *pool == entry.pool)
                && query.since.is_none_or(|since| entry.at >= since)
        });
        wanted
            .take(query.limit.min(super::reader::ENTRIES))
            .map(|(entry, late)| JournalEntry { late: late || entry.late, ..entry.clone() })
            .collect()
    }

    /// Id and document of the drills that wait, newest first.
    pub(super) fn drills(&self) -> Vec<(String, String)> {
        let state = self.lock();
        let drills = state.waiting.iter().rev().filter_map(|waiting| match &waiting.item.work {
            Work::Drill { id, document, .. } => Some((id.to_string(), document.to_string())),
            Work::Entry(_) => None,
        });
        drills.collect()
    }

    /// For the writer: waits for something to do, until `due` at most. While the disk is not well, only `due` counts.
    pub(super) fn next(&self, due: Instant) -> Next {
        let mut state = self.lock();
        loop {
            if let Some(rules) = state.rules.take() {
                return Next::Rules(rules);
            }
            if state.stop && (state.waiting.is_empty() || state.fault.is_some()) {
                return Next::Stop;
            }
            if std::mem::take(&mut state.look) {
                return Next::Look;
            }
            if state.fault.is_none() && !state.waiting.is_empty() {
                return Next::Write(state.begin());
            }
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Due;
            }
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// For the writer: takes the oldest, though the disk may not be well.
    pub(super) fn begin(&self) -> Vec<Item> {
        self.lock().begin()
    }

    /// For the writer: what [`Queue::begin`] gave is durable, under these ids. Gives the acknowledgements, and the ids of
    /// those that took effect meanwhile.
    pub(super) fn settle(&self, batch: &[Item], ids: &[i64]) -> (Vec<Ack>, Vec<i64>) {
        let mut state = self.lock();
        state.writing = 0;
        let (mut acks, mut overtaken) = (Vec::new(), Vec::new());
        for (as_written, id) in batch.iter().zip(ids) {
            let Some(waiting) = state.waiting.pop_front() else { break };
            if let Work::Entry(_) = waiting.item.work {
                self.written.fetch_add(1, Relaxed);
                if waiting.item.late {
                    self.late.fetch_add(1, Relaxed);
                }
                if waiting.item.late && !as_written.late {
                    overtaken.push(*id);
                }
            }
            if !waiting.answered {
                acks.push(Ack { ticket: waiting.ticket, durable: true });
            }
        }
        (acks, overtaken)
    }

    /// For the writer: the disk is not well. All that wait are answered, and are late from now on. Says whether that is
    /// news.
    pub(super) fn broke(&self, fault: &str) -> (Vec<Ack>, bool) {
        let mut state = self.lock();
        let State { waiting, writing, .. } = &mut *state;
        let mut acks = Vec::new();
        for (at, waiting) in waiting.iter_mut().enumerate() {
            waiting.item.retried |= at < *writing;
            if !waiting.answered {
                waiting.answered = true;
                waiting.item.late = true;
                acks.push(Ack { ticket: waiting.ticket, durable: false });
            }
        }
        *writing = 0;
        let news = state.fault.as_deref() != Some(fault);
        state.fault = Some(fault.to_owned());
        (acks, news)
    }

    /// For the writer: the disk is well, if all is written. Says whether it is.
    pub(super) fn is_well(&self) -> bool {
        let mut state = self.lock();
        if state.waiting.is_empty() {
            state.fault = None;
            state.lost = 0;
        }
        state.fault.is_none()
    }

    #[cfg(test)]
    pub(super) fn is_writing(&self) -> bool {
        self.lock().writing > 0
    }

    /// For the writer: gives up what waits. Says how many decisions these were.
    pub(super) fn give_up(&self) -> u64 {
        let mut state = self.lock();
        let entries = state.waiting.drain(..).filter(|waiting| matches!(waiting.item.work, Work::Entry(_))).count();
        state.writing = 0;
        self.lost.fetch_add(entries as u64, Relaxed);
        entries as u64
    }
}

impl State {
    fn begin(&mut self) -> Vec<Item> {
        self.writing = self.waiting.len().min(BATCH);
        self.waiting.iter().take(self.writing).map(|waiting| waiting.item.clone()).collect()
    }

    /// Drops the oldest that a later one stands for; the oldest of all when there is none.
    fn make_room(&mut self) -> Option<Waiting> {
        let stood_for = |at: &usize| {
            let earlier = &self.waiting[*at].item.work;
            self.waiting.iter().skip(at + 1).any(|later| later.item.work.stands_for(earlier))
        };
        let at = (self.writing..self.waiting.len()).find(stood_for).unwrap_or(self.writing);
        self.waiting.remove(at)
    }
}
