//! The report of a drill, as it is kept, shown and read.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BackendName, PoolName, Utc};

/// What became of one rehearsed failover, or what it is doing now.
///
/// Counted are the requests that **ended** during the drill: from the publication of the move to that of the move back. Two
/// borders need a rule. A request that waited on the origin when the pool moved, and ended there after it, is counted, with
/// the origin. A request that waited on the target when the pool moved back is followed to its end (for the pool's deadline
/// at most) and counted, with the target. So the target's counts are those of every request that it served for the drill.
/// Not counted is a request whose client went away before there was a response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrillReport {
    /// Its name: the pool, and when it began or was planned.
    pub id: String,
    /// The pool.
    pub pool: PoolName,
    /// The pools that follow it and moved along.
    #[serde(default)]
    pub followers: Vec<PoolName>,
    /// How far it is.
    pub state: DrillState,
    /// Who: an operator and their interface, or `schedule`.
    pub by: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// The backend that gave up its traffic, and got it back; none before the drill began.
    pub origin: Option<BackendName>,
    /// The backend that took over; none before the drill began, unless it was asked for.
    pub target: Option<BackendName>,
    /// How long it was to last, in seconds.
    pub lasts_seconds: u64,
    /// The window that it was to begin in; none when it was started by hand, at once.
    pub window: Option<DrillWindow>,
    /// When the pool moved.
    pub began: Option<Utc>,
    /// When the pool moved back, or where else it ended.
    pub ended: Option<Utc>,
    /// From the order to the publication of the move, in milliseconds.
    pub move_ms: Option<f64>,
    /// From the decision to end it to the publication of the move back, in milliseconds; none when it did not move back.
    pub move_back_ms: Option<f64>,
    /// How it ended.
    pub ending: Option<DrillEnding>,
    /// Why it ended so, in words.
    pub why: Option<String>,
    /// Whether the limits were kept and the pool is back; none before the end, and when it never began.
    pub verdict: Option<Verdict>,
    /// What the drill was given up for.
    pub limits: DrillLimits,
    /// The service level of the hour before, or of as much of it as botgate ran.
    pub before: ServiceLevel,
    /// The service level during the drill.
    pub during: ServiceLevel,
    /// The requests of [`DrillReport::during`] by the backend that ended them.
    pub backends: Vec<BackendCount>,
    /// Connections dialed to the target during the drill.
    pub dialed: u64,
    /// Connections to the origin that were closed during the drill.
    pub hung_up: u64,
    /// What was found, one sentence each.
    pub findings: Vec<String>,
    /// How often botgate was started again while it was under way.
    #[serde(default)]
    pub restarts: u32,
}

/// How far a drill is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DrillState {
    /// It waits for its window.
    Planned,
    /// The pool is on the target.
    UnderWay,
    /// It is over; requests that are still under way on the target are followed to their end.
    Closing,
    /// The report is final.
    Ended,
}

/// How a drill ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DrillEnding {
    /// Its time was over.
    Over,
    /// It was given up, because it hurt or because of a real failure.
    Aborted,
    /// An operator ended it.
    Stopped,
    /// botgate ended, and did not find it under way when it was started again.
    Interrupted,
    /// It did not begin within its window.
    Skipped,
    /// An operator called it off before it began.
    Cancelled,
}

impl DrillEnding {
    /// The word used in logs, metrics and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Aborted => "aborted",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a drill says about the standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It served within the limits, and the pool is back.
    Pass,
    /// It did not.
    Fail,
}

/// When a drill that was not started at once may begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DrillWindow {
    /// As it was written.
    pub text: String,
    /// Not before.
    pub opens: Utc,
    /// Not after, and over by then.
    pub closes: Utc,
}

/// What a drill is given up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrillLimits {
    /// A larger share of failed requests, 0 to 1.
    pub max_error_rate: f64,
    /// A p99 of more than this many times that of the hour before.
    pub max_slowdown: f64,
}

/// How well a pool was served over a span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceLevel {
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that failed: a 5xx of a backend, an error of botgate's own, a response that broke off.
    pub failed: u64,
    /// Attempts beyond the first of a request, rescues aside.
    pub retried: u64,
    /// Requests taken from a backend that was given up and sent to another.
    pub rescued: u64,
    /// Failed of all, 0 to 1; 0 without requests.
    pub error_rate: f64,
    /// Half of the responses took no longer, in milliseconds; interpolated between the bounds of the buckets.
    pub p50_ms: Option<f64>,
    /// 99 % of the responses took no longer, in milliseconds.
    pub p99_ms: Option<f64>,
    /// Responses by latency, one count for each bucket of `botgate_request_seconds`.
    pub latency: Vec<u64>,
}

/// The requests that one backend ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackendCount {
    /// The backend; none: no backend could be tried.
    pub name: Option<BackendName>,
    /// All of them.
    pub requests: u64,
    /// Responses by class: 1xx and 2xx, 3xx, 4xx, 5xx.
    pub responses: [u64; 4],
    /// Those that ended with an error of botgate's own, or whose response broke off.
    pub failed: u64,
}
