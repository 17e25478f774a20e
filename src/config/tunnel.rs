//! What the keys mean that say how tunnels end.

use super::defaulted::{deadline, number};
use super::findings::Place;
use super::raw_tunnel::{RawTunnel, RawTunnelDrain};
use super::types_tunnel::{TunnelConfig, TunnelDrainConfig};
use super::values::brief;
use crate::model::TunnelPolicy;

/// The limits and policies of a pool's tunnels.
pub(super) fn validate(place: &Place<'_>, raw: Option<&RawTunnel>) -> TunnelConfig {
    let none = RawTunnel::default();
    let raw = raw.unwrap_or(&none);
    let default = TunnelConfig::default();
    let idle = deadline(&place.key("idle"), raw.idle.as_ref(), default.idle);
    let total = raw.total.as_ref().map(|total| deadline(&place.key("total"), Some(total), default.idle));
    if let Some(total) = total.filter(|total| raw.idle.is_some() && idle >= *total) {
        let message = format!("{} is not shorter than total ({}) and has no effect", brief(idle), brief(total));
        place.key("idle").warning(message, "make it shorter than total, or leave it out");
    }
    let on_failover = raw.on_failover.unwrap_or(default.on_failover);
    let on_failback = raw.on_failback.unwrap_or(default.on_failback);
    let drain = drain(&place.key("drain"), raw.drain.as_ref());
    if raw.drain.is_some() && on_failover != TunnelPolicy::Drain && on_failback != TunnelPolicy::Drain {
        let hint = "on_failover = \"drain\" or on_failback = \"drain\" keeps to it; a shutdown does in any case";
        place.key("drain").warning("no move of the pool drains its tunnels", hint);
    }
    let close_grace = deadline(&place.key("close_grace"), raw.close_grace.as_ref(), default.close_grace);
    TunnelConfig { idle, total, close_grace, on_failover, on_failback, drain }
}

fn drain(place: &Place<'_>, raw: Option<&RawTunnelDrain>) -> TunnelDrainConfig {
    let default = TunnelDrainConfig::default();
    let Some(raw) = raw else { return default };
    TunnelDrainConfig {
        over: deadline(&place.key("over"), raw.over.as_ref(), default.over),
        per_second: number(raw.per_second, default.per_second).max(1),
    }
}
