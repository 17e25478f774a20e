//! When a pool moves, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::raw_values::{RawDuration, RawShare, RawWindow};
use crate::model::{FailbackMode, WhenUnavailable};

/// The way back to the first priority.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Failback")]
pub(super) struct RawFailback {
    /// Who decides, once `hold` is over: nobody has to ("auto"), an operator ("approve"), the clock ("window"); or there
    /// is no way back but an operator's failback ("never"). Default "auto".
    pub(super) mode: Option<FailbackMode>,
    /// How long the first priority must stay ready first: healthy, and in step where parity is checked. Default "60s".
    pub(super) hold: Option<RawDuration>,
    /// When a pool of mode "window" may move back, in UTC. At least one then.
    pub(super) windows: Option<Vec<RawWindow>>,
}

/// More than `failovers` within `within` latches the pool: it stays where it is until an operator releases it.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Flap")]
pub(super) struct RawFlap {
    /// The budget. Default 3.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) failovers: Option<u64>,
    /// Its span. Default "1h".
    pub(super) within: Option<RawDuration>,
}

/// What is true of a pin unless the operator says otherwise.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Pin")]
pub(super) struct RawPin {
    /// Whether a pin gives way when its backend becomes unavailable. Default false.
    pub(super) yield_when_down: Option<bool>,
}

/// The pool that this one moves together with: its name, or a table.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(
    rename = "Follow",
    title = "the name of a pool or a table",
    extend("examples" = ["bot-api", {"pool": "bot-api", "when_unavailable": "stay"}])
)]
pub(super) enum RawFollow {
    Name(String),
    Table(RawFollowTable),
}

/// The pool that this one moves together with, and what to do where it cannot.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FollowTable")]
pub(super) struct RawFollowTable {
    /// The name of that pool. Its backends bear the same names as those of this one.
    #[schemars(required)]
    pub(super) pool: Option<String>,
    /// What to do when this pool's backend of that name is not available. Default "stay".
    pub(super) when_unavailable: Option<WhenUnavailable>,
}

/// Rehearsals of a failover.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Drill")]
pub(super) struct RawDrill {
    /// Weekly windows in UTC: a drill begins by itself, once in each. Default: none, only by hand.
    pub(super) schedule: Option<Vec<RawWindow>>,
    /// How long one lasts. Default "10m".
    #[serde(rename = "for")]
    pub(super) lasts: Option<RawDuration>,
    /// Given up when more than this share of its requests fail … Default "1%".
    pub(super) max_error_rate: Option<RawShare>,
    /// … or when its p99 is more than this many times that of the hour before. More than 1, at most 1000. Default 3.0.
    #[schemars(extend("exclusiveMinimum" = 1), range(max = 1000))]
    pub(super) max_slowdown: Option<f64>,
}
