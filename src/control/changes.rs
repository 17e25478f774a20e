//! What a reload changes, in words.

use std::collections::HashMap;

use crate::config::{Config, HostPattern, ListenerConfig, PoolConfig, RouteConfig};

/// What is different in `next`, one line each.
pub(super) fn changes(old: &Config, next: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    route_changes(old, next, &mut lines);
    for pool in &next.pools {
        match old.pools.iter().find(|old| old.name == pool.name) {
            None => lines.push(format!("pool {}: added", pool.name)),
            Some(old) => pool_changes(old, pool, &mut lines),
        }
    }
    let gone = old.pools.iter().filter(|old| next.pools.iter().all(|pool| pool.name != old.name));
    lines.extend(gone.map(|pool| format!("pool {}: removed", pool.name)));
    if old.listeners != next.listeners {
        lines.push("listener: changed".into());
    }
    if old.dns != next.dns {
        lines.push("dns: changed".into());
    }
    if old.journal != next.journal {
        lines.push("journal: changed".into());
    }
    if old.admin.token != next.admin.token
        || old.admin.tokens != next.admin.tokens
        || old.admin.oidc != next.admin.oidc
        || old.admin.tls != next.admin.tls
        || old.admin.hosts != next.admin.hosts
    {
        lines.push("admin: who may ask changed".into());
    }
    if old.admin.activity_text != next.admin.activity_text {
        lines.push(format!("admin.activity_text: {}", next.admin.activity_text));
    }
    lines
}

fn route_changes(old: &Config, next: &Config, lines: &mut Vec<String>) {
    // By a map each: thousands of routes compared with all others would hold control up, probes too.
    let (before, after) = (by_place(&old.routes), by_place(&next.routes));
    for route in &next.routes {
        let words = match before.get(&place(route)) {
            None => "added".to_owned(),
            Some(old) if *old == route => continue,
            Some(old) => {
                let mut parts = Vec::new();
                if old.pool != route.pool {
                    parts.push(format!("now to {}", route.pool));
                }
                if old.guard != route.guard {
                    parts.push("guard changed".to_owned());
                }
                if old.max_body != route.max_body {
                    parts.push("max_body changed".to_owned());
                }
                parts.join(", ")
            }
        };
        lines.push(format!("route {}: {words}", name(route)));
    }
    let gone = old.routes.iter().filter(|old| !after.contains_key(&place(old)));
    lines.extend(gone.map(|route| format!("route {}: removed", name(route))));
}

/// What makes a route the same one in two configs.
fn place(route: &RouteConfig) -> (&HostPattern, &str) {
    (&route.host, &route.path)
}

fn by_place(routes: &[RouteConfig]) -> HashMap<(&HostPattern, &str), &RouteConfig> {
    routes.iter().map(|route| (place(route), route)).collect()
}

/// A route as its config writes it: host, if it names one, and path.
fn name(route: &RouteConfig) -> String {
    match &route.host {
        HostPattern::Any => route.path.clone(),
        HostPattern::Exact(host) => format!("{host}{}", route.path),
        HostPattern::Below(host) => format!("*.{host}{}", route.path),
    }
}

fn pool_changes(old: &PoolConfig, next: &PoolConfig, lines: &mut Vec<String>) {
    let name = &next.name;
    for backend in &next.backends {
        let line = match old.backends.iter().find(|old| old.name == backend.name) {
            None => "added".to_owned(),
            Some(old) if old.url != backend.url => format!("now at {}, its health starts unknown", backend.url),
            Some(old) if old != backend => "changed".to_owned(),
            Some(_) => continue,
        };
        lines.push(format!("pool {name}, backend {}: {line}", backend.name));
    }
    let gone = old.backends.iter().filter(|old| next.backends.iter().all(|backend| backend.name != old.name));
    lines.extend(gone.map(|backend| format!("pool {name}, backend {}: removed", backend.name)));
    let rules = |pool: &PoolConfig| PoolConfig { backends: Vec::new(), ..pool.clone() };
    if rules(old) != rules(next) {
        lines.push(format!("pool {name}: rules changed"));
    }
}

/// The keys whose values differ from those that the process was started with, and that only a restart can apply.
pub(super) fn needs_restart(started: &Config, next: &Config) -> Vec<String> {
    let binds = |config: &Config| {
        let all = config.listeners.iter();
        let mut all: Vec<_> = all.map(|listener: &ListenerConfig| listener.bind).collect();
        all.sort_unstable();
        all
    };
    let mut keys = Vec::new();
    let mut key = |changed: bool, name: &str| keys.extend(changed.then(|| name.to_owned()));
    key(started.state_dir != next.state_dir, "state_dir");
    key(started.workers != next.workers, "workers");
    key(started.account != next.account, "user, group");
    key(started.shutdown_grace != next.shutdown_grace, "shutdown_grace");
    key(started.access_log != next.access_log, "access_log");
    key(started.admin.bind != next.admin.bind, "admin.bind");
    key(binds(started) != binds(next), "listener.bind");
    for listener in &next.listeners {
        let Some(old) = started.listeners.iter().find(|old| old.bind == listener.bind) else { continue };
        let mut key = |changed: bool, name: &str| key(changed, &format!("listener {}: {name}", listener.bind));
        key(old.certificates.is_some() != listener.certificates.is_some(), "tls");
        key(old.proxy_protocol != listener.proxy_protocol, "proxy_protocol");
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n[[route]]\npool = \"p\"\n[[pool]]\nname = \"p\"\n\
        [[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n";

    fn config(top: &str, in_pool: &str) -> Config {
        let text = TEXT.replace("name = \"p\"\n", &format!("name = \"p\"\n{in_pool}\n"));
        crate::config::parse("botgate.toml", &format!("{top}\n{text}"), "".as_ref(), &|_| None).unwrap().config
    }

    #[test]
    fn how_long_the_journal_keeps_is_live_and_where_it_lives_takes_a_restart() {
        let old = config("", "");
        let next = config("state_dir = \"elsewhere\"\njournal = { max_age = \"2d\" }", "");
        assert_eq!(changes(&old, &next), ["journal: changed"]);
        assert_eq!(needs_restart(&old, &next), ["state_dir"]);
        assert!(changes(&next, &next).is_empty() && needs_restart(&next, &next).is_empty());
    }

    #[test]
    fn a_route_is_told_by_its_name_and_what_is_new_about_it() {
        let with = |route: &str| {
            let text = TEXT.replace("[[route]]\n", &format!("[[route]]\n{route}\n"));
            crate::config::parse("botgate.toml", &text, "".as_ref(), &|_| None).unwrap().config
        };
        let old = with("path = \"/api\"");
        let next = with("path = \"/api\"\nguard = true\nmax_body = \"1KiB\"");
        assert_eq!(changes(&old, &next), ["route /api: guard changed, max_body changed"]);
        let next = with("path = \"/api\"\nhost = \"*.contoso.com\"");
        assert_eq!(changes(&old, &next), ["route *.contoso.com/api: added", "route /api: removed"]);
    }

    #[test]
    fn showing_what_users_wrote_is_live_and_told() {
        let old = config("", "");
        let next = config("[admin]\nactivity_text = true", "");
        assert_eq!(changes(&old, &next), ["admin.activity_text: true"]);
        assert!(needs_restart(&old, &next).is_empty());
    }

    #[test]
    fn who_may_ask_the_admin_listener_is_live_and_where_it_listens_takes_a_restart() {
        let old = config("", "");
        let next = config("[admin]\nbind = \"127.0.0.1:1\"\ntoken = \"0123456789abcdef\"", "");
        assert_eq!(changes(&old, &next), ["admin: who may ask changed"]);
        assert_eq!(needs_restart(&old, &next), ["admin.bind"]);
    }

    #[test]
    fn when_a_pool_moves_is_live() {
        let old = config("", "");
        for line in [
            "failback.mode = \"approve\"",
            "flap.failovers = 1",
            "when_both_bad = \"priority\"",
            "pin.yield_when_down = true",
            "drill.for = \"5m\"",
            "tunnel.idle = \"5m\"",
        ] {
            let next = config("", line);
            assert_eq!(changes(&old, &next), ["pool p: rules changed"], "{line}");
            assert!(needs_restart(&old, &next).is_empty(), "{line}");
        }
    }
}
