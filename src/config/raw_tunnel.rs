//! How tunnels end, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::raw_values::RawDuration;
use crate::model::TunnelPolicy;

/// WebSockets and other upgrades: how long they may last, and what becomes of them when the pool moves. A WebSocket is
/// closed at a frame border by a Close frame, 1012 ("service restart") or 1001 ("going away") for `idle` and `total`.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tunnel")]
pub(super) struct RawTunnel {
    /// Longest time without a byte either way. Default "10m".
    pub(super) idle: Option<RawDuration>,
    /// Longest life. Default: no limit.
    pub(super) total: Option<RawDuration>,
    /// Bounds the end of one: the rest of the frame under way, and the peers' part of the closing handshake. Default "5s".
    pub(super) close_grace: Option<RawDuration>,
    /// What becomes of those on the old backend when the pool moves down the order of priority, and of those whose
    /// backend is given up or taken out of the config. Default "close".
    pub(super) on_failover: Option<TunnelPolicy>,
    /// … when the pool moves up the order of priority. Default "drain".
    pub(super) on_failback: Option<TunnelPolicy>,
    /// The pace of "drain", and of a shutdown.
    pub(super) drain: Option<RawTunnelDrain>,
}

/// The pace at which tunnels are closed: oldest first.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TunnelDrain")]
pub(super) struct RawTunnelDrain {
    /// After this long every one of them is told to close; where `per_second` is too slow for that, it is exceeded.
    /// Default "2m".
    pub(super) over: Option<RawDuration>,
    /// How many are closed in a second, over all workers. Default 20.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) per_second: Option<u64>,
}
