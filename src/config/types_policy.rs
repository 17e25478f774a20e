//! The validated rules by which a pool moves back, is held, follows another, and is rehearsed.

use std::time::Duration;

use crate::model::{FailbackMode, PoolName, WhenUnavailable, Window};

/// The way back to the first priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailbackConfig {
    /// Who decides.
    pub mode: FailbackMode,
    /// How long the first priority must stay ready first: healthy, and in step where parity is checked.
    pub hold: Duration,
    /// When a pool of mode `window` may move back; at least one then.
    pub windows: Vec<Window>,
}

/// What is true of a pin unless the operator says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PinConfig {
    /// Whether a pin gives way when its backend becomes unavailable.
    pub yield_when_down: bool,
}

/// The pool that this one moves together with: its backends bear the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowConfig {
    /// That pool.
    pub pool: PoolName,
    /// What to do when the backend of the region moved to is not available here.
    pub when_unavailable: WhenUnavailable,
}

/// When moving becomes flapping: more than `failovers` within `within` latches the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlapConfig {
    /// The budget.
    pub failovers: u32,
    /// Its span.
    pub within: Duration,
}

/// Rehearsals of a failover.
#[derive(Clone, Debug, PartialEq)]
pub struct DrillConfig {
    /// Begins by itself in these windows, once in each; empty: only by hand.
    pub windows: Vec<Window>,
    /// How long one lasts.
    pub lasts: Duration,
    /// Given up when more than this share (0 to 1) of its requests fail …
    pub max_error_rate: f64,
    /// … or when its p99 is more than this many times that of the hour before.
    pub max_slowdown: f64,
}

impl Default for DrillConfig {
    fn default() -> Self {
        Self { windows: Vec::new(), lasts: Duration::from_secs(600), max_error_rate: 0.01, max_slowdown: 3.0 }
    }
}
