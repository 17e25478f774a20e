//! The phases of steering, and the causes of a move.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where the state machine of a pool stands (design, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The backend of first priority is active.
    Steady,
    /// A standby is active; the first priority is not available.
    FailedOver,
    /// The first priority is healthy again and must stay so for `failback.hold`.
    Holding,
    /// Only an operator may move back.
    AwaitingApproval,
    /// The flap budget is spent: the pool stays where it is until an operator releases it.
    Latched,
    /// An operator holds a backend active.
    Pinned,
    /// A rehearsed failover is under way.
    Drill,
    /// No backend is available.
    AllDown,
}

impl Phase {
    /// The word used in logs, metrics and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::FailedOver => "failed-over",
            Self::Holding => "holding",
            Self::AwaitingApproval => "awaiting-approval",
            Self::Latched => "latched",
            Self::Pinned => "pinned",
            Self::Drill => "drill",
            Self::AllDown => "all-down",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which way a switch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Away from a backend of better priority.
    Failover,
    /// To a backend of better priority.
    Failback,
}

impl Direction {
    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Failback => "failback",
        }
    }
}

/// Why steering changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The pool was started.
    Start,
    /// Probes failed `fall` times in a row.
    Probes,
    /// Live traffic failed.
    Evidence,
    /// The hold of a failback is over.
    HoldOver,
    /// A backend became available.
    Recovered,
    /// A backend was taken out by an operator.
    Drained,
    /// A backend was put back by an operator.
    Resumed,
    /// A new config was applied.
    Reload,
    /// An operator moved the pool away.
    Failover,
    /// An operator moved the pool back.
    Failback,
    /// An operator pinned the pool.
    Pinned,
    /// An operator released a pin or a latch.
    Unpinned,
    /// A pin was over, or gave way to a backend that died.
    PinOver,
    /// A drill began.
    Drill,
    /// A drill ended as planned.
    DrillOver,
    /// A drill was given up.
    DrillAborted,
    /// The pool that this one follows moved.
    Followed,
    /// A parity check found a backend out of step, or in step again.
    Parity,
    /// botgate was started again, and took up where it was.
    Restart,
}

impl Cause {
    /// The word used in logs, metrics and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Probes => "probes",
            Self::Evidence => "evidence",
            Self::HoldOver => "hold-over",
            Self::Recovered => "recovered",
            Self::Drained => "drained",
            Self::Resumed => "resumed",
            Self::Reload => "reload",
            Self::Failover => "failover",
            Self::Failback => "failback",
            Self::Pinned => "pinned",
            Self::Unpinned => "unpinned",
            Self::PinOver => "pin-over",
            Self::Drill => "drill",
            Self::DrillOver => "drill-over",
            Self::DrillAborted => "drill-aborted",
            Self::Followed => "followed",
            Self::Parity => "parity",
            Self::Restart => "restart",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
