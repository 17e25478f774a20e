//! What live traffic says about a backend.

use super::{AttemptPhase, BackendId};

/// One observation from the request path, sent to control over a bounded channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The backend it is about.
    pub backend: BackendId,
    /// What was seen.
    pub kind: EvidenceKind,
}

/// What was seen of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// An attempt failed, by the backend's fault, in this phase.
    Failed(AttemptPhase),
    /// The backend answered with a status of `retry.status`.
    Refused(u16),
    /// An attempt waits for its response head longer than `evidence.suspect_after`. No failure: a reason to look.
    Slow,
}
