//! The rules of a pool, as steering needs them.

use std::time::Duration;

use crate::config::PoolConfig;
use crate::model::{AllDown, BackendName, FailbackMode, WhenBothBad, WhenUnavailable, Window};

/// The rules by which one pool is steered. Immutable; a reload brings a new one.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The backends, in any order; steering speaks of them by their index here.
    pub backends: Vec<BackendPolicy>,
    /// How probes become a verdict; none when probing is off.
    pub probes: Option<ProbePolicy>,
    /// How live traffic becomes a verdict.
    pub evidence: EvidencePolicy,
    /// Who decides on the way back, and when.
    pub failback: FailbackPolicy,
    /// When moving becomes flapping.
    pub flap: FlapPolicy,
    /// What to do when no backend is available.
    pub all_down: AllDown,
    /// Where the pool is when the active backend and every standby are bad.
    pub when_both_bad: WhenBothBad,
    /// For a pool that follows another: what to do when its backend in the region moved to is not available.
    pub follow: Option<WhenUnavailable>,
}

/// A backend, as steering needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendPolicy {
    /// Unique in the pool.
    pub name: BackendName,
    /// 1 is first; equal priorities stand in order of writing.
    pub priority: u32,
}

/// How probes become a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbePolicy {
    /// Bad probes in a row that make a backend unhealthy; at least 1.
    pub fall: u32,
    /// Good probes in a row that make it healthy again; at least 1.
    pub rise: u32,
}

/// How live traffic becomes a verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvidencePolicy {
    /// This many failed attempts within `within` are a verdict; none: never …
    pub failures: Option<u32>,
    /// The span in which they are counted.
    pub within: Duration,
    /// … if they are at least this share (0 to 1) of the attempts in that span.
    pub share: f64,
    /// How long the verdict stands before good probes may lift it.
    pub recover: Duration,
}

/// Who decides on the way back, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailbackPolicy {
    /// Who.
    pub mode: FailbackMode,
    /// How long a backend of better priority must be ready, without interruption, before the pool moves back to it.
    pub hold: Duration,
    /// When, for mode `window`.
    pub windows: Vec<Window>,
}

/// When moving becomes flapping: more than `failovers` of steering's own within `within` latch the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlapPolicy {
    /// The budget; at least 1.
    pub failovers: u32,
    /// Its span.
    pub within: Duration,
}

impl From<&PoolConfig> for Policy {
    fn from(pool: &PoolConfig) -> Self {
        let backend = |b: &crate::config::BackendConfig| BackendPolicy { name: b.name.clone(), priority: b.priority };
        Self {
            backends: pool.backends.iter().map(backend).collect(),
            probes: pool.probe.as_ref().map(|probe| ProbePolicy { fall: probe.fall.max(1), rise: probe.rise.max(1) }),
            evidence: EvidencePolicy {
                failures: pool.evidence.failures,
                within: pool.evidence.within,
                share: pool.evidence.share,
                recover: pool.evidence.recover,
            },
            failback: FailbackPolicy {
                mode: pool.failback.mode,
                hold: pool.failback.hold,
                windows: pool.failback.windows.clone(),
            },
            flap: FlapPolicy { failovers: pool.flap.failovers.max(1), within: pool.flap.within },
            all_down: pool.all_down,
            when_both_bad: pool.when_both_bad,
            follow: pool.follow.as_ref().map(|follow| follow.when_unavailable),
        }
    }
}
