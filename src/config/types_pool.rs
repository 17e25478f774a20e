//! A validated pool: how requests to its backends are tried, probed and judged.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::parity::ParityConfig;
use super::types_backend::BackendConfig;
use super::types_limits::PoolLimits;
use super::types_policy::{DrillConfig, FailbackConfig, FlapConfig, FollowConfig, PinConfig};
use super::types_probe::ProbeConfig;
use super::types_tunnel::TunnelConfig;
use super::types_unavailable::UnavailableConfig;
use crate::model::{AllDown, PoolKind, PoolName, Replay, Sign, WhenBothBad};

/// The backends that can serve a route, and the rules by which one of them is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolConfig {
    /// Unique name.
    pub name: PoolName,
    /// Which presets it was built from.
    pub kind: PoolKind,
    /// Bounds all attempts of a request, up to the response head.
    pub deadline: Duration,
    /// Bounds one attempt, from the request being written to the response head; none leaves it to `deadline`.
    pub attempt_timeout: Option<Duration>,
    /// Bounds the connection to a backend: TCP and TLS.
    pub dial_timeout: Duration,
    /// Longest pause within a response body.
    pub stream_timeout: Duration,
    /// How long an unused connection to a backend is kept.
    pub keep_alive: Duration,
    /// Which requests may be tried elsewhere once written.
    pub replay: Replay,
    /// Bodies up to this many bytes are held for a replay.
    pub replay_buffer: usize,
    /// What is remembered of the activities delivered, with `replay = "keyed"`.
    pub ledger: LedgerConfig,
    /// When and how often a request is tried elsewhere.
    pub retry: RetryConfig,
    /// Active health checks; none is off.
    pub probe: Option<ProbeConfig>,
    /// What live traffic may decide.
    pub evidence: EvidenceConfig,
    /// The way back to the first priority.
    pub failback: FailbackConfig,
    /// When moving becomes flapping.
    pub flap: FlapConfig,
    /// What to do when no backend is available.
    pub all_down: AllDown,
    /// What clients are told when no backend serves them.
    pub unavailable: UnavailableConfig,
    /// Where the pool is when the active backend and every standby are bad.
    pub when_both_bad: WhenBothBad,
    /// What is true of a pin unless the operator says otherwise.
    pub pin: PinConfig,
    /// The pool that this one moves together with.
    pub follow: Option<FollowConfig>,
    /// Open connections that each worker keeps to every standby; 0 keeps none.
    pub warm: u32,
    /// How tunnels end.
    pub tunnel: TunnelConfig,
    /// Rehearsals.
    pub drill: DrillConfig,
    /// What clients may take of it.
    pub limits: PoolLimits,
    /// Whether the backends are really in step.
    pub parity: Vec<ParityConfig>,
    /// In order of priority; at least one.
    pub backends: Vec<BackendConfig>,
}

/// When and how often a request is tried elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryConfig {
    /// Statuses by which a backend says that it did not serve the request.
    pub status: StatusSet,
    /// How often every backend may be tried for one request, with growing pauses between the rounds; at least 1.
    pub rounds: u32,
    /// Retries are at most this share of live requests (0.2 is 20 %) …
    pub budget: f64,
    /// … plus this many per second.
    pub floor: u32,
}

/// The bounds of what a pool remembers of the activities delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerConfig {
    /// Most activities, in flight and done; 0 remembers none.
    pub entries: usize,
    /// How long an outcome is remembered.
    pub age: Duration,
    /// Most bytes of all answers kept.
    pub bytes: usize,
    /// Most bytes of the body of one.
    pub answer: usize,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self { entries: 65_536, age: Duration::from_secs(120), bytes: 64 << 20, answer: 64 << 10 }
    }
}

/// A set of HTTP statuses, as inclusive ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusSet(pub Vec<RangeInclusive<u16>>);

impl StatusSet {
    /// Whether `status` is in the set.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

/// What live traffic may decide.
#[derive(Clone, Debug, PartialEq)]
pub struct EvidenceConfig {
    /// An attempt that waits this long for its head makes its backend a suspect, which is probed at once.
    pub suspect_after: Duration,
    /// This many failed attempts within `within` make a backend unhealthy whatever its probes say; none: never …
    pub failures: Option<u32>,
    /// The span in which failures are counted.
    pub within: Duration,
    /// … if they are at least this share (0 to 1) of its attempts in that span.
    pub share: f64,
    /// How long such a verdict stands before good probes may lift it.
    pub recover: Duration,
    /// Which failed attempts are failures in this sense.
    pub signs: Vec<Sign>,
    /// Statuses that are failures in this sense.
    pub status: StatusSet,
}

impl EvidenceConfig {
    /// Whether an attempt that failed so speaks against its backend. `authentic` is whether the sender is known, or nobody
    /// checks who it is.
    pub fn counts(&self, sign: Sign, authentic: bool) -> bool {
        (authentic || sign.is_before_the_request()) && self.signs.contains(&sign)
    }

    /// How long a backend must have kept a request waiting before its end at the pool's `deadline` speaks against it.
    pub fn fair_wait(&self, deadline: Duration) -> Duration {
        self.suspect_after.min(deadline / 2)
    }
}
