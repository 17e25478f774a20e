//! What a pool's kind presets. Every key of it can be set by hand.

use std::time::Duration;

use super::types_pool::StatusSet;
use crate::model::{PoolKind, Replay};

/// The defaults that differ by kind.
pub(super) struct Preset {
    pub(super) deadline: Duration,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) replay: Replay,
    pub(super) retry_status: StatusSet,
    pub(super) rounds: u32,
    pub(super) max_body: u64,
    /// Statuses that count as evidence against a backend: what it says of itself, not of the request. 501 is a bot's
    /// answer to an invoke that it does not know, 429 asks for patience.
    pub(super) evidence_status: StatusSet,
    /// Whether its routes are guarded.
    pub(super) guard: bool,
}

/// The defaults of a kind.
pub(super) fn preset(kind: PoolKind) -> Preset {
    const MIB: u64 = 1 << 20;
    match kind {
        PoolKind::Http => Preset {
            deadline: Duration::from_secs(30),
            attempt_timeout: None,
            replay: Replay::Safe,
            retry_status: StatusSet(Vec::new()),
            rounds: 1,
            max_body: 10 * MIB,
            evidence_status: StatusSet(Vec::new()),
            guard: false,
        },
        // The channel gives up after 15 s: an answer after that is an answer to nobody.
        PoolKind::Bot => Preset {
            deadline: Duration::from_secs(14),
            attempt_timeout: None,
            replay: Replay::Keyed,
            retry_status: StatusSet(vec![502..=504]),
            // A message that is given up is lost to the channels that do not resend.
            rounds: 6,
            max_body: MIB,
            evidence_status: StatusSet(vec![502..=504]),
            guard: true,
        },
        // Its POSTs are questions: asking another region twice changes nothing.
        PoolKind::QuestionAnswering => Preset {
            deadline: Duration::from_secs(10),
            attempt_timeout: Some(Duration::from_secs(3)),
            replay: Replay::All,
            retry_status: StatusSet(vec![429..=429, 500..=504]),
            rounds: 1,
            max_body: 10 * MIB,
            evidence_status: StatusSet(vec![500..=500, 502..=504]),
            guard: false,
        },
    }
}
