//! Azure Front Door: `Microsoft.Cdn/profiles` and what stands below them.
//!
//! An origin group becomes a pool, a route of an endpoint a route for each of its domains and patterns.
//! <https://learn.microsoft.com/azure/templates/microsoft.cdn/profiles>.

use serde_json::Value;

use super::body::{at, is, list, number, text};
use super::draft::{Backend, Draft, Names, Note, Pool, Probe, Route, seconds, url};
use super::resources::{self, Resource};
use super::{ImportError, Imported, write};
use crate::config;

const PROFILE: &str = "microsoft.cdn/profiles";
const GROUP: &str = "microsoft.cdn/profiles/origingroups";
const ORIGIN: &str = "microsoft.cdn/profiles/origingroups/origins";
const DOMAIN: &str = "microsoft.cdn/profiles/customdomains";
const ROUTE: &str = "microsoft.cdn/profiles/afdendpoints/routes";
/// What has no counterpart.
const OTHERS: [(&str, &str); 3] = [
    ("microsoft.cdn/profiles/rulesets/rules", "rules do not carry over"),
    ("microsoft.cdn/profiles/securitypolicies", "the web application firewall does not carry over"),
    ("microsoft.cdn/profiles/secrets", "certificates do not carry over: export them to files"),
];
/// Most routes of a config that is made: domains times patterns can be many.
const MOST_ROUTES: usize = 2000;
/// Most characters of the notes told when nothing was made.
const MOST_TOLD: usize = 2000;

/// A config from a document with a Front Door profile (Standard, Premium).
///
/// # Errors
/// [`ImportError`].
pub fn front_door(json: &str) -> Result<Imported, ImportError> {
    let mut draft = Draft::default();
    let resources = resources::read(json, &mut draft.notes)?;
    if of(&resources, GROUP).next().is_none() {
        let wanted =
            "origin group (Microsoft.Cdn/profiles/originGroups; a classic Front Door has to be migrated first)";
        return Err(ImportError::Nothing { wanted, found: resources::kinds(&resources) });
    }
    let mut groups = Vec::new();
    let mut names = Names::default();
    for group in of(&resources, GROUP) {
        if let Some(pool) = pool(group, &resources, &mut names, &mut draft.notes) {
            groups.push((group, pool.name.clone()));
            draft.pools.push(pool);
        }
    }
    if draft.pools.is_empty() {
        let told: Vec<String> = draft.notes.iter().map(Note::to_string).collect();
        return Err(ImportError::NoBackends(told.join("; ").chars().take(MOST_TOLD).collect()));
    }
    for route in of(&resources, ROUTE) {
        routes(route, &resources, &groups, &mut draft);
    }
    if draft.routes.is_empty() {
        let pool = draft.pools[0].name.clone();
        draft.notes.push(Note::new(
            &pool,
            "no route of the document leads to it: it gets every request; write your own routes",
        ));
        draft.routes.push(Route { host: None, path: "/".to_owned(), pool, comment: None });
    }
    for (kind, lost) in OTHERS {
        for resource in of(&resources, kind).take(20) {
            draft.notes.push(Note::new(resource.name(), lost));
        }
    }
    draft.title.insert(0, "Made by `botgate import front-door`.".to_owned());
    for profile in of(&resources, PROFILE).take(20) {
        draft.title.push(format!("Front Door profile {}", profile.name()));
    }
    Ok(write::write(draft))
}

fn of<'a>(resources: &'a [Resource], kind: &str) -> impl Iterator<Item = &'a Resource> {
    resources.iter().filter(move |resource| resource.kind == kind)
}

fn pool(group: &Resource, resources: &[Resource], names: &mut Names, notes: &mut Vec<Note>) -> Option<Pool> {
    let about = group.name();
    let properties = group.properties();
    let mut origins: Vec<&Resource> = of(resources, ORIGIN).filter(|origin| origin.is_below(group)).collect();
    let priority = |origin: &&Resource| number(origin.properties(), "priority").unwrap_or(u64::MAX);
    origins.sort_by_key(priority);
    if origins.windows(2).any(|pair| priority(&pair[0]) == priority(&pair[1])) {
        notes.push(Note::new(
            about,
            "origins of one priority shared its traffic, by weight and latency; botgate sends all requests to one region at a \
             time, here in order of writing",
        ));
    }
    if is(properties, "sessionAffinityState", "Enabled") {
        notes.push(Note::new(
            about,
            "session affinity: one region serves all clients, so there is nothing to bind them to",
        ));
    }
    let plain = is_plain(group, resources, notes);
    let mut backend_names = Names::default();
    let backends: Vec<Backend> =
        origins.iter().map(|origin| backend(origin, plain, &mut backend_names, notes)).collect();
    if !backends.iter().any(Backend::serves) {
        notes.push(Note::new(about, "it has no origin that is enabled and whose host is known: no pool is made of it"));
        return None;
    }
    let probe = probe(group, notes);
    let profile = of(resources, PROFILE).find(|profile| group.is_below(profile));
    let deadline =
        profile.and_then(|profile| number(profile.properties(), "originResponseTimeoutSeconds")).and_then(seconds);
    Some(Pool { name: names.take(about, "pool"), comment: format!("origin group {about}"), deadline, probe, backends })
}

/// Whether requests are sent to a group's origins without TLS: where all of its routes say so.
fn is_plain(group: &Resource, resources: &[Resource], notes: &mut Vec<Note>) -> bool {
    let to_it = of(resources, ROUTE).filter(|route| leads_to(route, group));
    let protocols: Vec<&str> =
        to_it.map(|route| text(route.properties(), "forwardingProtocol").unwrap_or("MatchRequest")).collect();
    let plain = !protocols.is_empty() && protocols.iter().all(|protocol| protocol.eq_ignore_ascii_case("HttpOnly"));
    if plain {
        let hazard = "its routes forward without TLS, and so do the URLs here: write https where the origins have it";
        notes.push(Note::new(group.name(), hazard));
    }
    plain
}

fn leads_to(route: &Resource, group: &Resource) -> bool {
    at(route.properties(), &["originGroup"]).and_then(|to| text(to, "id")).is_some_and(|id| group.is_at(id))
}

fn backend(origin: &Resource, plain: bool, names: &mut Names, notes: &mut Vec<Note>) -> Backend {
    let (about, properties) = (origin.name(), origin.properties());
    let mut note = |text: &str| notes.push(Note::new(about, text));
    let (key, usual) = if plain { ("httpPort", 80) } else { ("httpsPort", 443) };
    let written = text(properties, "hostName");
    let url = written.and_then(|host| url(!plain, host, number(properties, key).unwrap_or(usual)));
    let off = is(properties, "enabledState", "Disabled");
    let sent = text(properties, "originHostHeader");
    let host = sent.filter(|host| written.is_none_or(|name| !name.eq_ignore_ascii_case(host)));
    if host.is_some_and(|host| !config::is_host_header(host)) {
        note("its host header is none that can be sent: left out");
    }
    let host = host.filter(|host| config::is_host_header(host)).map(str::to_owned);
    if sent.is_none() {
        note(
            "it has no host header of its own, and got the client's; botgate sends the host of `url` unless `host` is set",
        );
    }
    let mut comment = None;
    if url.is_none() {
        comment = Some("its host name is not in the document".to_owned());
        note("its host name is not in the document: it is a comment in the config, to be filled in");
    } else if off {
        comment = Some("disabled in Front Door".to_owned());
        note("it is disabled: it is a comment in the config");
    }
    if is(properties, "enforceCertificateNameCheck", "Disabled") {
        note("the name in its certificate was not checked; botgate checks it: set `server_name` if it is another");
    }
    if at(properties, &["sharedPrivateLinkResource"]).is_some() {
        note("it is reached by a private link of Front Door: botgate needs a way of its own to it");
    }
    Backend { name: names.take(about, "origin"), url, host, comment, off }
}

/// The probe of a group; none where it has none.
fn probe(group: &Resource, notes: &mut Vec<Note>) -> Option<Probe> {
    let mut note = |text: &str| notes.push(Note::new(group.name(), text));
    let Some(settings) = at(group.properties(), &["healthProbeSettings"]).filter(|settings| settings.is_object())
    else {
        note(
            "it is not probed: nor does botgate. Give it a `probe`, so that a dead region is found before a request is",
        );
        return None;
    };
    // 200 alone is good there: <https://learn.microsoft.com/azure/frontdoor/health-probes>.
    let mut probe =
        Probe { status: Some("200".to_owned()), head: !is(settings, "probeRequestType", "GET"), ..Probe::default() };
    let path = text(settings, "probePath").unwrap_or("/");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if config::is_probe_path(&path) {
        probe.path = Some(path);
    } else {
        note("the path of its probe is none that can be sent: / takes its place");
        probe.path = Some("/".to_owned());
    }
    probe.interval = number(settings, "probeIntervalInSeconds").and_then(seconds);
    if let Some(balancing) = at(group.properties(), &["loadBalancingSettings"]) {
        let sample = number(balancing, "sampleSize").unwrap_or(4);
        let good = number(balancing, "successfulSamplesRequired").unwrap_or(3);
        probe.fall = sample.checked_sub(good).and_then(|bad| bad.checked_add(1)).filter(|fall| *fall <= 1000);
    }
    note(
        "probes are as rare as Front Door's; without `interval` and `fall` botgate's own (every 2 s, 2 bad ones) find a dead \
         region in seconds. Its sample of the last probes is counted here as bad ones in a row",
    );
    Some(probe)
}

/// A route for each domain and pattern of a route there.
fn routes(route: &Resource, resources: &[Resource], groups: &[(&Resource, String)], draft: &mut Draft) {
    let (about, properties) = (route.name(), route.properties());
    let notes = &mut draft.notes;
    let mut note = |text: String| notes.push(Note::new(about, text));
    if is(properties, "enabledState", "Disabled") {
        return note("it is disabled: left out".to_owned());
    }
    let Some((_, pool)) = groups.iter().find(|(group, _)| leads_to(route, group)) else {
        return note("the origin group that it leads to is not in the document, or has no origin: left out".to_owned());
    };
    if at(properties, &["cacheConfiguration"]).is_some() {
        note("botgate caches nothing".to_owned());
    }
    if list(properties, "ruleSets").next().is_some() {
        note("its rule sets do not carry over".to_owned());
    }
    if let Some(path) = text(properties, "originPath") {
        note(format!("its origin path {path:?} does not carry over: write a `rewrite` for each backend"));
    }
    let mut hosts = Vec::new();
    for domain in list(properties, "customDomains").filter_map(|domain| text(domain, "id")) {
        let found = of(resources, DOMAIN).find(|known| known.is_at(domain));
        match found.and_then(|domain| text(domain.properties(), "hostName")).filter(|host| config::is_route_host(host))
        {
            Some(host) => hosts.push(Some(host.to_ascii_lowercase())),
            None => note(format!("the name of its domain {} is not known: write it", super::body::last(domain))),
        }
    }
    if hosts.is_empty() {
        note("it has no domain whose name is known: it serves any host".to_owned());
        hosts.push(None);
    }
    let mut patterns: Vec<&str> = list(properties, "patternsToMatch").filter_map(Value::as_str).collect();
    if patterns.is_empty() {
        patterns.push("/*");
    }
    for pattern in patterns {
        let Some((path, exact)) = prefix(pattern) else {
            note(format!("its pattern {pattern:?} is no path prefix: left out"));
            continue;
        };
        if exact {
            note(format!("its pattern {pattern:?} is a prefix here: what is below it is served too"));
        }
        for host in &hosts {
            let same =
                |known: &Route| known.host == *host && known.path.trim_end_matches('/') == path.trim_end_matches('/');
            match draft.routes.iter().find(|known| same(known)) {
                // `/api` and `/api/*` are often given together.
                Some(known) if known.pool == *pool => {}
                Some(_) => note(format!("{pattern:?} is routed already: left out")),
                None if draft.routes.len() >= MOST_ROUTES => {
                    return note(format!("only the first {MOST_ROUTES} routes were taken"));
                }
                None => {
                    let comment = Some(format!("route {about}"));
                    draft.routes.push(Route { host: host.clone(), path: path.to_owned(), pool: pool.clone(), comment });
                }
            }
        }
    }
}

/// `/api/*` → `/api`, and whether nothing below it was meant; none for what is no prefix.
fn prefix(pattern: &str) -> Option<(&str, bool)> {
    let (path, exact) = match pattern.strip_suffix('*') {
        Some(path) => (path, false),
        None => (pattern, true),
    };
    // On segment borders: `/api*` would be more than `/api`.
    let bordered = exact || path.ends_with('/');
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let path = if path.is_empty() { "/" } else { path };
    (bordered && !path.contains('*') && config::is_path(path)).then_some((path, exact))
}
