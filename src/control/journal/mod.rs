//! Placeholder until the journal's own branch is merged.
use crate::config::JournalConfig;
use crate::model::{JournalEntry, JournalQuery, PoolName};
use std::collections::{HashMap, VecDeque};
use std::path::Path;
pub(super) struct Record {
    pub(super) entry: JournalEntry,
    pub(super) saved: String,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(pub(super) u64);
pub(super) struct Ack {
    pub(super) ticket: Ticket,
    pub(super) durable: bool,
}
#[derive(Default)]
pub(super) struct Restored {
    pub(super) pools: HashMap<PoolName, String>,
    pub(super) notes: Vec<String>,
}
pub(super) struct Journal {
    next: u64,
    acks: VecDeque<Ack>,
    all: Vec<JournalEntry>,
    saved: HashMap<PoolName, String>,
}
impl Journal {
    pub(super) fn open(_: &Path, _: &JournalConfig) -> (Self, Restored) {
        Self::in_memory()
    }
    pub(super) fn in_memory() -> (Self, Restored) {
        (Self { next: 0, acks: VecDeque::new(), all: vec![], saved: HashMap::new() }, Restored::default())
    }
    pub(super) fn submit(&mut self, record: Record) -> Ticket {
        self.next += 1;
        self.saved.insert(record.entry.pool.clone(), record.saved);
        self.all.push(record.entry);
        self.acks.push_back(Ack { ticket: Ticket(self.next), durable: true });
        Ticket(self.next)
    }
    pub(super) async fn acknowledged(&mut self) -> Ack {
        match self.acks.pop_front() {
            Some(ack) => ack,
            None => std::future::pending().await,
        }
    }
    pub(super) fn try_acknowledged(&mut self) -> Option<Ack> {
        self.acks.pop_front()
    }
    pub(super) fn trouble(&self) -> Option<String> {
        None
    }
    pub(super) fn set_rules(&self, _: &JournalConfig) {}
    pub(super) fn query(
        &self,
        _: JournalQuery,
    ) -> impl Future<Output = Result<Vec<JournalEntry>, String>> + Send + 'static {
        let all = self.all.clone();
        async move { Ok(all.into_iter().rev().collect()) }
    }
}
