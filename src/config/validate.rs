//! What a config means as a whole: listeners, routes, and what refers to what.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::admin::{AdminConfig, RawAdmin};
use super::defaulted::{deadline, size, span};
use super::findings::Place;
use super::pool::unique_name;
use super::pool_names::PoolNames;
use super::presets::{Preset, preset};
use super::raw::{RawConfig, RawDns, RawJournal, RawListener, RawRoute};
use super::resolve::Outside;
use super::types::{
    AccessLogConfig, AccountConfig, Config, DnsConfig, HostPattern, JournalConfig, ListenerConfig, RouteConfig,
};
use super::{address, follow, guard, limits, pool, tls, values};

/// The meaning of a config. Usable only when no error was found on the way.
pub(super) fn validate(place: &Place<'_>, raw: &RawConfig, outside: &Outside<'_>) -> Config {
    let mut bound = HashMap::new();
    if raw.group.is_some() {
        outside.group_reads_keys();
    }
    // Before the listeners: its address is the one that may be a default, so a clash is told at the other.
    let admin = admin(&place.key("admin"), raw.admin.as_ref(), outside, &mut bound);
    let listeners = raw.listener.iter().flatten().enumerate();
    let listeners = listeners.filter_map(|(index, raw)| {
        let place = place.key("listener").index(index);
        listener(&place, raw, outside, &mut bound)
    });
    let listeners: Vec<ListenerConfig> = listeners.collect();
    let access_log = raw.access_log.as_ref().and_then(|raw| raw.target.as_ref()).map(|target| match target.as_str() {
        "stdout" => AccessLogConfig::Stdout,
        path => AccessLogConfig::File(outside.path(path)),
    });
    let mut pools = Vec::new();
    let mut taken = HashSet::new();
    for (index, raw) in raw.pool.iter().flatten().enumerate() {
        let place = place.key("pool").index(index);
        unique_name(&place, raw.name.as_ref(), &mut taken, "pool");
        pools.extend(pool::validate(&place, raw, outside));
    }
    let names = PoolNames::new(raw);
    follow::check(&place.key("pool"), raw, &names);
    let routes = routes(place, raw, &names, outside);
    let held_bodies = size(&place.key("held_bodies"), raw.held_bodies.as_ref(), 256 << 20);
    limits::held(place, raw, held_bodies, &routes);
    Config {
        state_dir: outside.path(raw.state_dir.as_deref().unwrap_or("state")),
        journal: journal(&place.key("journal"), raw.journal.as_ref()),
        workers: raw.workers.and_then(|workers| workers.try_into().ok()),
        account: account(place, raw),
        shutdown_grace: span(&place.key("shutdown_grace"), raw.shutdown_grace.as_ref(), Duration::from_secs(30)),
        held_bodies,
        listeners,
        admin,
        access_log,
        dns: dns(&place.key("dns"), raw.dns.as_ref()),
        routes,
        pools,
    }
}

/// Who to be. Whether there is such a user is asked where botgate runs: a config may be checked elsewhere.
fn account(place: &Place<'_>, raw: &RawConfig) -> Option<AccountConfig> {
    for (key, name) in [("user", &raw.user), ("group", &raw.group)] {
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | '/');
        if name.as_ref().is_some_and(|name| name.is_empty() || name.contains(odd)) {
            place
                .key(key)
                .error("this is no name of an account", "as in /etc/passwd or /etc/group: \"botgate\", or a number");
        }
    }
    if raw.user.is_none() && raw.group.is_some() {
        place.key("group").error("a group without a user", "set `user` as well");
    }
    Some(AccountConfig { user: raw.user.clone()?, group: raw.group.clone() })
}

fn listener(
    place: &Place<'_>,
    raw: &RawListener,
    outside: &Outside<'_>,
    bound: &mut HashMap<SocketAddr, String>,
) -> Option<ListenerConfig> {
    let bind = raw.bind.as_ref().and_then(|bind| place.key("bind").take(address::bind(bind)));
    claim(&place.key("bind"), bind, bound);
    let tls = tls::listener(place, raw, raw.tls.unwrap_or(true), outside);
    let written = raw.certificates.as_deref();
    let certificates = match (raw.tls.unwrap_or(true), written) {
        (true, None | Some([])) => {
            let hint = "certificates = [{ chain = \"…\", key = \"…\" }], or tls = false for plain HTTP";
            place.key("certificates").absent("a listener with TLS needs a certificate", hint);
            None
        }
        (true, Some(all)) => {
            let place = place.key("certificates");
            let all = all.iter().enumerate();
            let all = all.filter_map(|(at, it)| outside.server_certificate(&place.index(at), it, tls.ocsp_fetch));
            Some(all.collect())
        }
        (false, Some(_)) => {
            place.key("certificates").error("a listener with tls = false shows no certificate", "leave it out");
            None
        }
        (false, None) => None,
    };
    let trusted = raw.trusted.iter().flatten().enumerate();
    let trusted = trusted.filter_map(|(at, text)| place.key("trusted").index(at).take(address::network(text)));
    let trusted = trusted.collect();
    let seconds = Duration::from_secs;
    let timeout = |name, raw, default| deadline(&place.key(name), raw, seconds(default));
    let max_connections = raw.max_connections.and_then(|most| most.try_into().ok()).unwrap_or(10_000);
    Some(ListenerConfig {
        certificates,
        proxy_protocol: raw.proxy_protocol.unwrap_or(false),
        trusted,
        max_connections,
        handshake_timeout: timeout("handshake_timeout", raw.handshake_timeout.as_ref(), 10),
        header_timeout: timeout("header_timeout", raw.header_timeout.as_ref(), 10),
        body_timeout: timeout("body_timeout", raw.body_timeout.as_ref(), 30),
        idle_timeout: timeout("idle_timeout", raw.idle_timeout.as_ref(), 75),
        max_header_size: header_size(place, raw),
        client_auth: tls.client_auth,
        client_header: tls.client_header,
        cipher_order: tls.cipher_order,
        ocsp_fetch: tls.ocsp_fetch,
        hsts: tls.hsts,
        limits: limits::listener(place, raw, max_connections),
        bind: bind?,
    })
}

fn header_size(place: &Place<'_>, raw: &RawListener) -> usize {
    let place = place.key("max_header_size");
    let bytes = size(&place, raw.max_header_size.as_ref(), 32 << 10);
    // What honest clients send fits into the least; heads are held in memory, one per connection.
    if !(8 << 10..=1 << 20).contains(&bytes) {
        place.error(format!("{bytes} bytes is out of range"), "from 8KiB to 1MiB");
    }
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Two listeners cannot have one address; port 0 is never the same twice.
fn claim(place: &Place<'_>, bind: Option<SocketAddr>, bound: &mut HashMap<SocketAddr, String>) {
    let Some(bind) = bind.filter(|bind| bind.port() != 0) else { return };
    if let Some(other) = bound.get(&bind) {
        place.error(format!("{bind} is bound by {other} already"), "give each listener its own address or port");
    } else {
        bound.insert(bind, place.path().to_owned());
    }
}

fn admin(
    place: &Place<'_>,
    raw: Option<&RawAdmin>,
    outside: &Outside<'_>,
    bound: &mut HashMap<SocketAddr, String>,
) -> AdminConfig {
    let none = RawAdmin::default();
    let raw = raw.unwrap_or(&none);
    let default = SocketAddr::from(([127, 0, 0, 1], 9443));
    let bind = raw.bind.as_ref().map_or(Some(default), |bind| place.key("bind").take(address::bind(bind)));
    claim(&place.key("bind"), bind, bound);
    super::admin::validate(place, Some(raw), bind.unwrap_or(default), outside)
}

fn dns(place: &Place<'_>, raw: Option<&RawDns>) -> DnsConfig {
    let none = RawDns::default();
    let raw = raw.unwrap_or(&none);
    let servers = raw.servers.iter().flatten().enumerate();
    let servers = servers.filter_map(|(at, text)| place.key("servers").index(at).take(address::name_server(text)));
    let servers = servers.collect();
    let min_ttl = span(&place.key("min_ttl"), raw.min_ttl.as_ref(), Duration::from_secs(1));
    let max_ttl = deadline(&place.key("max_ttl"), raw.max_ttl.as_ref(), Duration::from_secs(60));
    if min_ttl > max_ttl {
        let at = if raw.min_ttl.is_some() { "min_ttl" } else { "max_ttl" };
        place.key(at).error(format!("min_ttl ({min_ttl:?}) is longer than max_ttl ({max_ttl:?})"), "swap them");
    }
    DnsConfig {
        servers,
        min_ttl,
        max_ttl,
        timeout: deadline(&place.key("timeout"), raw.timeout.as_ref(), Duration::from_secs(2)),
    }
}

fn journal(place: &Place<'_>, raw: Option<&RawJournal>) -> JournalConfig {
    let none = RawJournal::default();
    let raw = raw.unwrap_or(&none);
    let JournalConfig { max_age, max_size } = JournalConfig::default();
    let max_age = span(&place.key("max_age"), raw.max_age.as_ref(), max_age);
    if max_age < Duration::from_secs(3600) {
        place
            .key("max_age")
            .error(format!("{} is out of range", values::brief(max_age)), "at least \"1h\"; the default is \"400d\"");
    }
    let size = raw.max_size.as_ref().and_then(|raw| place.key("max_size").take(values::size(raw)));
    let max_size = size.unwrap_or(max_size);
    if !(1 << 20..=1 << 40).contains(&max_size) {
        place.key("max_size").error(format!("{max_size} bytes is out of range"), "from \"1MiB\" to \"1024GiB\"");
    }
    JournalConfig { max_age, max_size }
}

fn routes(place: &Place<'_>, raw: &RawConfig, pools: &PoolNames<'_>, outside: &Outside<'_>) -> Vec<RouteConfig> {
    let mut used = HashSet::new();
    let mut taken: HashMap<(HostPattern, String), String> = HashMap::new();
    let mut routes = Vec::new();
    for (index, raw) in raw.route.iter().flatten().enumerate() {
        let place = place.key("route").index(index);
        if let Some(name) = raw.pool.as_deref() {
            used.insert(name);
            pools.check(&place.key("pool"), name);
        }
        let kind = raw.pool.as_deref().and_then(|name| pools.get(name)).and_then(|pool| pool.kind).unwrap_or_default();
        let Some(route) = route(&place, raw, &preset(kind), outside) else { continue };
        let key = (route.host.clone(), route.path.trim_end_matches('/').to_owned());
        match taken.get(&key) {
            Some(other) => place.error(format!("{other} has the same host and path"), "leave one of them out"),
            None => {
                taken.insert(key, place.path().to_owned());
            }
        }
        routes.push(route);
    }
    for (index, pool) in raw.pool.iter().flatten().enumerate() {
        if let Some(name) = pool.name.as_deref().filter(|name| !used.contains(name)) {
            let place = place.key("pool").index(index).key("name");
            place.warning(format!("no route uses the pool {name:?}"), "add a [[route]], or leave the pool out");
        }
    }
    routes
}

fn route(place: &Place<'_>, raw: &RawRoute, preset: &Preset, outside: &Outside<'_>) -> Option<RouteConfig> {
    let host = match &raw.host {
        Some(host) => place.key("host").take(address::host_pattern(host)),
        None => Some(HostPattern::Any),
    };
    let path = raw.path.as_deref().unwrap_or("/");
    let good = place.key("path").take(address::path(path));
    let max_body = size(&place.key("max_body"), raw.max_body.as_ref(), preset.max_body);
    let guard = guard::validate(&place.key("guard"), raw.guard.as_ref(), preset.guard, path, outside);
    good?;
    Some(RouteConfig { host: host?, path: path.to_owned(), pool: raw.pool.as_deref()?.into(), max_body, guard })
}
