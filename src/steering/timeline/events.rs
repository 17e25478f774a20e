//! What is due when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::Moment;

/// Something that is due. Those that name a number are void once it is no longer the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// An event of the script.
    Script(usize),
    /// A probe ends.
    Probe { pool: usize, backend: usize, number: u64 },
    /// A request arrives.
    Arrival { pool: usize, number: u64 },
    /// A worker tells of an attempt: failed, or slow.
    Evidence { pool: usize, backend: usize, slow: bool },
    /// An attempt has waited for `suspect_after`.
    Suspect { pool: usize, wait: u64 },
    /// The backend of a waiting attempt answers.
    Answer { pool: usize, wait: u64 },
    /// An attempt is out of time.
    Timeout { pool: usize, wait: u64 },
    /// A request is out of time.
    Deadline { pool: usize, wait: u64 },
    /// The pause before a request's next round is over.
    Round { pool: usize, rest: u64 },
}

/// What is due, by time, and in the order in which it was put in.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<(Moment, u64, Due)>>,
    count: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Moment, due: Due) {
        self.count += 1;
        self.heap.push(Reverse((at, self.count, due)));
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next one that is due by now.
    pub(super) fn pop(&mut self, now: Moment) -> Option<Due> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse((.., due))| due)
    }
}
