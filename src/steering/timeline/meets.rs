//! What a probe and a request meet, as the condition of a backend is.

use std::time::Duration;

use fastrand::Rng;

use crate::config::{Condition, ProbeConfig, ProbeKind};
use crate::model::Moment;

/// What becomes of what is sent to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    /// The dial is refused at once.
    Refused,
    /// The request was read, the connection is reset at once.
    Reset,
    /// What it asks for, after so long.
    Served(Duration),
    /// This status, at once.
    Status(u16),
    /// Nothing, until the condition changes.
    Silence,
}

/// What a request meets.
pub(super) fn meet(condition: Condition, random: &mut Rng) -> Meeting {
    match condition {
        Condition::Well => Meeting::Served(Duration::ZERO),
        Condition::Down => Meeting::Refused,
        Condition::Hang => Meeting::Silence,
        Condition::Slow(by) => Meeting::Served(by),
        Condition::Status(status) => Meeting::Status(status),
        Condition::Reset => Meeting::Reset,
        Condition::Flaky(share) if random.f64() < share => Meeting::Status(503),
        Condition::Flaky(_) => Meeting::Served(Duration::ZERO),
    }
}

/// How a probe ends, and after how long.
pub(super) fn probe(probe: &ProbeConfig, condition: Condition, random: &mut Rng) -> Probed {
    let ends = |after, result| Probed { after, result, silent: false };
    let bad = |error: String| ends(Duration::ZERO, Err(error));
    let late = || ends(probe.timeout, Err(format!("no answer within {:?}", probe.timeout)));
    match (meet(condition, random), &probe.kind) {
        (Meeting::Refused, _) => bad("connection refused".to_owned()),
        // A connection is enough for it, and a backend that hangs accepts them all.
        (_, ProbeKind::Tcp) => ends(Duration::ZERO, Ok(())),
        (Meeting::Reset, _) => bad("no response: connection reset".to_owned()),
        (Meeting::Silence, _) => Probed { silent: true, ..late() },
        (Meeting::Served(after), _) if after >= probe.timeout => late(),
        (Meeting::Served(after), _) => ends(after, Ok(())),
        (Meeting::Status(status), kind) if kind.takes(status) => ends(Duration::ZERO, Ok(())),
        (Meeting::Status(status), _) => bad(format!("status {status}")),
    }
}

/// A probe under way.
pub(super) struct Running {
    /// Tells it from those before and after it.
    pub(super) number: u64,
    pub(super) began: Moment,
    pub(super) probed: Probed,
}

/// How a probe ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probed {
    /// From its start.
    pub(super) after: Duration,
    pub(super) result: Result<(), String>,
    /// Whether it waits for a backend that answers nothing.
    pub(super) silent: bool,
}
