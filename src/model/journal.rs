//! The durable record of every decision, as it is kept and shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BackendName, Cause, Direction, Phase, PoolName, Utc};

/// One decision and what it was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JournalEntry {
    /// Its number, growing; 0 before it is written.
    pub id: i64,
    /// When it was made.
    pub at: Utc,
    /// The pool.
    pub pool: PoolName,
    /// The phase before.
    pub phase_before: Phase,
    /// The phase after.
    pub phase: Phase,
    /// The active backend before.
    pub before: Option<BackendName>,
    /// The active backend after.
    pub after: Option<BackendName>,
    /// The epoch after.
    pub epoch: u64,
    /// Which way the switch went; none when the active backend did not change, and at a start.
    pub direction: Option<Direction>,
    /// Why.
    pub cause: Cause,
    /// Who: `steering`, or the operator and the interface they used.
    pub actor: String,
    /// Why, in words.
    pub reason: String,
    /// What the decision was made from: the state of every backend, and why the alternatives were rejected.
    #[schema(value_type = Object)]
    pub evidence: serde_json::Value,
    /// Whether it took effect before it was durable, because the disk was slow or broken.
    pub late: bool,
}

/// Which entries of the journal are asked for, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalQuery {
    /// Of this pool only.
    pub pool: Option<PoolName>,
    /// Older than this entry only; 0, the number of those that wait: what is written.
    pub before: Option<i64>,
    /// Not older than this.
    pub since: Option<Utc>,
    /// At most so many, up to 1,000.
    pub limit: usize,
}
