//! Placeholder until the journal's own branch is merged.
use crate::config::JournalConfig;
use crate::model::{JournalEntry, JournalQuery, PoolName};
use std::collections::{HashMap, VecDeque};
use std::path::Path;

use futures_util::future::BoxFuture;
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
    drills: Vec<(String, String)>,
}
impl Journal {
    pub(super) fn open(_: &Path, _: &JournalConfig) -> (Self, Restored) {
        Self::in_memory()
    }
    pub(super) fn in_memory() -> (Self, Restored) {
        (
            Self { next: 0, acks: VecDeque::new(), all: vec![], saved: HashMap::new(), drills: vec![] },
            Restored::default(),
        )
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
    pub(super) fn put_drill(&mut self, id: &str, document: String) {
        match self.drills.iter_mut().find(|(known, _)| known == id) {
            Some((_, kept)) => *kept = document,
            None => self.drills.push((id.to_owned(), document)),
        }
    }
    pub(super) fn drill(&self, id: Option<&str>) -> BoxFuture<'static, Result<Option<String>, String>> {
        let found = self.drills.iter().rev().find(|(known, _)| id.is_none_or(|id| id == known));
        let found = found.map(|(_, document)| document.clone());
        Box::pin(async move { Ok(found) })
    }
    pub(super) fn drills(&self, limit: usize) -> BoxFuture<'static, Result<Vec<String>, String>> {
        let all = self.drills.iter().rev().take(limit).map(|(_, document)| document.clone()).collect();
        Box::pin(async move { Ok(all) })
    }
}
