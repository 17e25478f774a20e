//! What live traffic says about a backend.

use serde::{Deserialize, Serialize};

use super::BackendId;

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
    /// An attempt failed, by the backend's fault, in this way.
    Failed(Sign),
    /// The backend answered with a status of `evidence.status`.
    Status(u16),
    /// An attempt waits for its response head longer than `evidence.suspect_after`. No failure: a reason to look.
    Slow,
}

/// A way in which an attempt fails by the backend's fault.
///
/// Whatever a client does, it cannot make a dial or a handshake fail: these two count for requests of unknown senders
/// too. The others count only where the sender is known, or where nobody checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// No connection.
    Dial,
    /// No TLS.
    Tls,
    /// The connection broke after the request was written, before the response head.
    Broken,
    /// No response head within `attempt_timeout` or `deadline`.
    Timeout,
    /// The response body broke off or stalled.
    Stream,
}

impl Sign {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Dial, Self::Tls, Self::Broken, Self::Timeout, Self::Stream];

    /// The word used in config, logs and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dial => "dial",
            Self::Tls => "tls",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::Stream => "stream",
        }
    }

    /// Whether it shows before anything of a request reached the backend: no sender can bring it about.
    pub const fn is_before_the_request(self) -> bool {
        matches!(self, Self::Dial | Self::Tls)
    }
}
