//! A script of a simulation, as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::raw_values::RawDuration;

/// A script of faults and orders.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Script")]
pub(super) struct RawScript {
    /// How long the simulation goes on: "10m".
    #[serde(rename = "for")]
    #[schemars(required)]
    pub(super) lasts: Option<RawDuration>,
    /// What the wall clock shows at its start.
    pub(super) start: Option<RawTime>,
    /// Makes the chances of flaky backends repeatable.
    pub(super) seed: Option<u64>,
    /// Requests per second, by pool.
    pub(super) traffic: Option<BTreeMap<String, f64>>,
    /// What happens.
    pub(super) at: Option<Vec<RawEvent>>,
}

/// A time.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Time", title = "a UTC time in quotes", extend("examples" = ["2026-11-21T01:59:00Z"]))]
pub(super) struct RawTime(pub(super) String);

/// One thing that happens.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Event")]
pub(super) struct RawEvent {
    /// When, from the start: "10s".
    #[schemars(required)]
    pub(super) time: Option<RawDuration>,
    /// To which pool; left out: to every pool that has the backend.
    pub(super) pool: Option<String>,
    /// To which backend.
    pub(super) backend: Option<String>,
    /// What it does from then on: "hang", "heal".
    pub(super) does: Option<String>,
    /// What an operator orders: "drain".
    pub(super) order: Option<String>,
    /// How long the fault, the pin or the drill lasts.
    #[serde(rename = "for")]
    pub(super) lasts: Option<RawDuration>,
    /// Whether its probes are answered as if nothing were wrong.
    pub(super) spare_probes: Option<bool>,
    /// Why, in the operator's words.
    pub(super) reason: Option<String>,
    /// Whether the order is to be done although something speaks against it.
    pub(super) force: Option<bool>,
}
