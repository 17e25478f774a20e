//! What the keys mean that say how much clients may take.

use std::time::Duration;

use super::defaulted::deadline;
use super::findings::Place;
use super::raw::{RawConfig, RawListener};
use super::raw_limits::RawPoolLimits;
use super::raw_values::RawSize;
use super::types::RouteConfig;
use super::types_limits::{ListenerLimits, MinRate, PoolLimits, RateLimit};
use super::values::{self, brief};

/// Least bytes that can be asked for within one grace: reading shows in steps of half of this.
const LEAST: u64 = 64 << 10;

/// Where so few connections are taken, one address may have all of them unless it is said otherwise.
const FEW: usize = 1_000;

/// The limits of a listener that takes `most` connections.
pub(super) fn listener(place: &Place<'_>, raw: &RawListener, most: usize) -> ListenerLimits {
    let written = raw.max_connections_per_address;
    let per_address =
        written.map_or(most.div_ceil(2).max(FEW), |written| usize::try_from(written).unwrap_or(usize::MAX));
    if written.is_some() && per_address > most {
        let message = format!("{per_address} is more than max_connections ({most}) and has no effect");
        place.key("max_connections_per_address").warning(message, "make it a part of max_connections, or 0 for no cap");
    }
    let grace = deadline(&place.key("rate_grace"), raw.rate_grace.as_ref(), Duration::from_secs(20));
    let rate = |key: &str, raw: Option<&RawSize>, default: u64| {
        let written = raw.and_then(|raw| place.key(key).take(values::size(raw)));
        MinRate { bytes: written.unwrap_or(default), grace }
    };
    let read = rate("min_read_rate", raw.min_read_rate.as_ref(), 4 << 10);
    if read.bytes > 0 && read.bytes as f64 * grace.as_secs_f64() < LEAST as f64 {
        let key = if raw.rate_grace.is_some() { "rate_grace" } else { "min_read_rate" };
        let message = format!("{} bytes per second are less than 64KiB in {}", read.bytes, brief(grace));
        let hint = "a longer rate_grace, a higher min_read_rate, or 0 for no minimum: reading shows in steps of 32KiB";
        place.key(key).error(message, hint);
    }
    ListenerLimits {
        per_address: Some(per_address).filter(|most| *most > 0),
        body: rate("min_body_rate", raw.min_body_rate.as_ref(), 256),
        read,
    }
}

/// Whether every body that a guard may read finds room in what may be held at all.
pub(super) fn held(place: &Place<'_>, raw: &RawConfig, bytes: u64, routes: &[RouteConfig]) {
    let read = routes.iter().filter(|route| route.guard.is_some()).map(|route| route.max_body).max();
    if let Some(longest) = read.filter(|longest| *longest > bytes) {
        let place = if raw.held_bodies.is_some() { place.key("held_bodies") } else { place.key("route") };
        let message = format!(
            "a guarded route takes bodies of {longest} bytes, and {bytes} may be held: such are always refused"
        );
        place.warning(message, "a larger held_bodies, many times that; or a smaller max_body");
    }
}

/// The limits of a pool.
pub(super) fn pool(place: &Place<'_>, raw: Option<&RawPoolLimits>) -> PoolLimits {
    let none = RawPoolLimits::default();
    let raw = raw.unwrap_or(&none);
    let default = PoolLimits::default();
    let cap = |raw: Option<u64>, default: Option<u64>| raw.or(default).filter(|most| *most > 0);
    let burst = deadline(&place.key("burst"), raw.burst.as_ref(), Duration::from_secs(5));
    if raw.burst.is_some() && raw.per_address.unwrap_or(0) == 0 && raw.per_token.unwrap_or(0) == 0 {
        place
            .key("burst")
            .warning("no rate is limited: it has no effect", "set per_address or per_token, or leave it out");
    }
    if burst < Duration::from_secs(1) {
        place
            .key("burst")
            .error(format!("{} is too short", brief(burst)), "at least \"1s\": one request must fit in it");
    }
    let rate = |raw: Option<u64>| {
        let per_second = u32::try_from(raw.unwrap_or(0)).unwrap_or(u32::MAX);
        (per_second > 0).then_some(RateLimit { per_second, burst })
    };
    let in_flight = cap(raw.in_flight, default.in_flight);
    let per_backend = cap(raw.per_backend, default.per_backend);
    if let (Some(_), Some(backend), Some(all)) =
        (raw.per_backend, per_backend, in_flight.filter(|_| raw.in_flight.is_some()))
        && backend > all
    {
        let message = format!("{backend} is more than in_flight ({all}) and has no effect");
        place.key("per_backend").warning(message, "make it no more than in_flight, or leave it out");
    }
    PoolLimits { in_flight, per_backend, per_address: rate(raw.per_address), per_token: rate(raw.per_token) }
}
