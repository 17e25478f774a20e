//! Whether a pool takes one more request, of this client and at all.

use std::net::IpAddr;

use crate::model::{Moment, Source};
use crate::proxy::client::Client;
use crate::proxy::head::items;
use crate::proxy::refuse::Refusal;
use crate::proxy::target::{PoolRef, Target};
use crate::snapshot::{Backend, Pool};
use crate::telemetry::{UnderWay, WorkerId};
use crate::wire::{Fields, Known};

/// A request's place among those under way in its pool; given back when it is dropped.
pub(in crate::proxy) struct Slot {
    pool: PoolRef,
    worker: WorkerId,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pool.get().stats.cells.of(self.worker).under_way.end();
    }
}

/// Whether the pool takes a request with this head, of this client.
///
/// # Errors
/// 429 to a client that sends too many, 503 to all when too many are under way: nothing of it has been read yet but its head.
pub(in crate::proxy) fn admit(
    pool: &PoolRef,
    worker: WorkerId,
    client: &Client,
    fields: &Fields,
    now: Moment,
) -> Result<Slot, Refusal> {
    let Pool { stats, config, .. } = pool.get();
    let (limits, cell) = (&config.limits, stats.cells.of(worker));
    if let Some(limit) = limits.per_address
        && let Some(source) = source(client, fields)
        && let Err(wait) = stats.addresses.take(source, now, limit.per_second, limit.burst)
    {
        cell.limited_addresses.increment();
        return Err(Refusal::TooMany(wait));
    }
    if let Some(limit) = limits.per_token
        && let Some(token) = fields.get(Known::Authorization)
        && let Err(wait) = stats.tokens.take(token, now, limit.per_second, limit.burst)
    {
        cell.limited_tokens.increment();
        return Err(Refusal::TooMany(wait));
    }
    if let Some(most) = limits.in_flight
        && UnderWay::is_full(&stats.cells, worker, most, now, |cell| &cell.under_way)
    {
        cell.shed.increment();
        return Err(Refusal::Busy);
    }
    cell.under_way.begin();
    Ok(Slot { pool: pool.clone(), worker })
}

/// Whether a backend of this pool has as many attempts under way as it may.
pub(in crate::proxy) fn is_full(pool: &Pool, backend: &Backend, worker: WorkerId, now: Moment) -> bool {
    pool.config
        .limits
        .per_backend
        .is_some_and(|most| UnderWay::is_full(&backend.stats.cells, worker, most, now, |cell| &cell.under_way))
}

/// Whether a backend takes one more attempt.
///
/// # Errors
/// It has as many as it may.
pub(in crate::proxy) fn has_room(target: &Target, worker: WorkerId, now: Moment) -> Result<(), Refusal> {
    if is_full(target.pool(), target.backend(), worker, now) {
        target.backend().stats.cells.of(worker).shed.increment();
        return Err(Refusal::Busy);
    }
    Ok(())
}

/// Where a request comes from: what a trusted proxy says of it, and nowhere when that one says nothing.
fn source(client: &Client, fields: &Fields) -> Option<Source> {
    if !client.trusted {
        return Some(client.peer.ip().into());
    }
    // The last that no trusted proxy wrote of another one: what stands before it, anybody may have made up.
    let told = fields.all(Known::XForwardedFor).rev().flat_map(|list| items(list).rev());
    let mut addresses = told.map(|item| std::str::from_utf8(item).ok()?.parse::<IpAddr>().ok());
    addresses.find(|address| address.is_none_or(|address| !client.trusts(address))).flatten().map(Source::from)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::config::Network;

    fn said(trusted: bool, told: &[&[u8]]) -> Option<String> {
        let networks = vec![Network { address: "10.0.0.0".parse().unwrap(), prefix: 8 }];
        let client = Client { peer: "10.0.0.1:5".parse().unwrap(), trusted, networks, ..Client::stranger() };
        let mut fields = Fields::default();
        told.iter().for_each(|told| fields.add(Known::XForwardedFor, HeaderValue::from_bytes(told).unwrap()));
        source(&client, &fields).map(|source| source.to_string())
    }

    #[test]
    fn only_trusted_proxies_say_where_a_request_comes_from() {
        assert_eq!(said(false, &[b"192.0.2.1"]).as_deref(), Some("10.0.0.1"));
        assert_eq!(said(true, &[b"192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(said(true, &[b"1.1.1.1, 192.0.2.1", b"10.9.9.9"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(said(true, &[b"1.1.1.1, nonsense"]), None);
        assert_eq!(said(true, &[b"\x80, 192.0.2.1"]).as_deref(), Some("192.0.2.1"), "no way around a limit");
        assert_eq!(said(true, &[]), None);
    }
}
