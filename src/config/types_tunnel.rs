//! The validated rules by which tunnels (WebSockets and other upgrades) end.

use std::time::Duration;

use crate::model::TunnelPolicy;

/// How long the tunnels of a pool may last, and what becomes of them when the pool moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelConfig {
    /// Longest time without a byte either way.
    pub idle: Duration,
    /// Longest life; none: no limit.
    pub total: Option<Duration>,
    /// Bounds the end of one tunnel: the rest of the frame under way, and the peers' part of the closing handshake.
    pub close_grace: Duration,
    /// When the pool moves down the order of priority, or the backend of a tunnel is given up or taken away.
    pub on_failover: TunnelPolicy,
    /// When the pool moves up the order of priority.
    pub on_failback: TunnelPolicy,
    /// The pace of [`TunnelPolicy::Drain`], and of a shutdown.
    pub drain: TunnelDrainConfig,
}

/// The pace at which tunnels are closed, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelDrainConfig {
    /// After this long every one of them is told to close, however many there are.
    pub over: Duration,
    /// How many are closed in a second, over all workers, as long as `over` allows it; at least 1.
    pub per_second: u32,
}

impl Default for TunnelConfig {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(600),
            total: None,
            close_grace: Duration::from_secs(5),
            on_failover: TunnelPolicy::Close,
            on_failback: TunnelPolicy::Drain,
            drain: TunnelDrainConfig::default(),
        }
    }
}

impl Default for TunnelDrainConfig {
    fn default() -> Self {
        Self { over: Duration::from_secs(120), per_second: 20 }
    }
}
