//! What goes into the journal and what comes back.

use std::collections::HashMap;

use crate::model::{JournalEntry, PoolName};

/// One decision as it is written: what is shown, and what a restart needs.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::control) struct Record {
    /// What is shown. Its `id` is given when it is written; its `late` is set when it is written late.
    pub(in crate::control) entry: JournalEntry,
    /// The pool's whole steering state after the decision, as JSON.
    pub(in crate::control) saved: String,
}

/// Names a record until it is acknowledged. Grows by one with every record that is submitted to a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::control) struct Ticket(pub(super) u64);

/// What became of a record. Every record is acknowledged once, in the order of submission unless some were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) struct Ack {
    /// The record.
    pub(in crate::control) ticket: Ticket,
    /// Whether it survives a loss of power from now on. If not, it waits in memory for the disk to be well again, or was
    /// lost: [`super::Journal::trouble`] says which.
    pub(in crate::control) durable: bool,
}

/// What a journal held when it was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::control) struct Restored {
    /// The newest state saved for each pool that ever decided anything.
    pub(in crate::control) pools: HashMap<PoolName, String>,
    /// What was wrong with the file and what was done about it, a sentence each, for the log.
    pub(in crate::control) notes: Vec<String>,
}
