//! Traffic Manager profiles: `Microsoft.Network/trafficManagerProfiles`.
//!
//! A profile answers with names: it knows where probes go, and nothing of the port, scheme and Host header that clients
//! use. <https://learn.microsoft.com/azure/templates/microsoft.network/trafficmanagerprofiles>.

use std::collections::HashMap;

use serde_json::Value;

use super::body::{at, is, last, list, member, number, text};
use super::draft::{Backend, Draft, Names, Note, Pool, Probe, Route, seconds, url};
use super::resources::{self, Resource};
use super::{ImportError, Imported, write};
use crate::config;

const PROFILE: &str = "microsoft.network/trafficmanagerprofiles";
/// How deep profiles may stand in each other. Azure allows ten.
const DEEPEST: usize = 10;
/// Most endpoints of a profile, those of profiles in it counted. Azure allows 200 each.
const MOST: usize = 500;

/// A config from a document with Traffic Manager profiles: a pool for each that no other one contains.
///
/// # Errors
/// [`ImportError`].
pub fn traffic_manager(json: &str) -> Result<Imported, ImportError> {
    let mut draft = Draft::default();
    let resources = resources::read(json, &mut draft.notes)?;
    let profiles: Vec<&Resource> = resources.iter().filter(|resource| resource.kind == PROFILE).collect();
    if profiles.is_empty() {
        let wanted = "Traffic Manager profile (Microsoft.Network/trafficManagerProfiles)";
        return Err(ImportError::Nothing { wanted, found: resources::kinds(&resources) });
    }
    let mut referred: HashMap<String, Vec<(&Resource, &str)>> = HashMap::new();
    for profile in &profiles {
        for id in list(profile.properties(), "endpoints").filter_map(nested) {
            referred.entry(last(id).to_ascii_lowercase()).or_default().push((profile, id));
        }
    }
    let all = Profiles { profiles: &profiles, resources: &resources, referred };
    let mut names = Names::default();
    for profile in &profiles {
        if !all.is_nested(profile) {
            all.import(profile, &mut names, &mut draft);
        }
    }
    if draft.pools.is_empty() {
        let told: Vec<String> = draft.notes.iter().map(Note::to_string).collect();
        return Err(ImportError::NoBackends(told.join("; ")));
    }
    draft.title.insert(0, "Made by `botgate import traffic-manager`.".to_owned());
    draft.notes.push(Note::new(
        "all profiles",
        "clients meet botgate's certificate and address from now on: point the name that they use at it, instead of at \
         Traffic Manager; the regions no longer need that certificate",
    ));
    Ok(write::write(draft))
}

struct Profiles<'a> {
    profiles: &'a [&'a Resource],
    resources: &'a [Resource],
    /// Which profile refers to which id, by the last name in it: documents may hold thousands.
    referred: HashMap<String, Vec<(&'a Resource, &'a str)>>,
}

impl<'a> Profiles<'a> {
    /// Whether another profile of the document has this one as an endpoint.
    fn is_nested(&self, profile: &Resource) -> bool {
        let mut by_name = self.referred.get(&last(profile.name()).to_ascii_lowercase()).into_iter().flatten();
        let referred = by_name.any(|(by, id)| !std::ptr::eq(*by, profile) && profile.is_at(id));
        // Two that contain each other are both taken for the outer one: neither is lost.
        referred && !self.contains_itself(profile)
    }

    fn contains_itself(&self, profile: &Resource) -> bool {
        let mut seen: Vec<&Resource> = Vec::new();
        let mut left: Vec<&Resource> = self.inner(profile).collect();
        while let Some(inner) = left.pop() {
            if std::ptr::eq(inner, profile) {
                return true;
            }
            if !seen.iter().any(|known| std::ptr::eq(*known, inner)) {
                seen.push(inner);
                left.extend(self.inner(inner));
            }
        }
        false
    }

    /// The profiles of the document that are endpoints of this one.
    fn inner(&self, profile: &'a Resource) -> impl Iterator<Item = &'a Resource> {
        list(profile.properties(), "endpoints").filter_map(nested).filter_map(|id| self.find(id))
    }

    fn find(&self, id: &str) -> Option<&'a Resource> {
        self.profiles.iter().copied().find(|profile| profile.is_at(id))
    }

    fn import(&self, profile: &'a Resource, names: &mut Names, draft: &mut Draft) {
        let about = profile.name().to_owned();
        let properties = profile.properties();
        let mut notes = Vec::new();
        let mut note = |text: String| notes.push(Note::new(&about, text));
        if is(properties, "profileStatus", "Disabled") {
            note("the profile is disabled: it is imported all the same".to_owned());
        }
        let method = text(properties, "trafficRoutingMethod").unwrap_or("Priority");
        if !method.eq_ignore_ascii_case("Priority") {
            note(format!(
                "its routing method is {method}: botgate sends all requests to one region at a time, by the priority of the \
                 endpoints"
            ));
        }
        let (probe, tls_probe) = probe(properties, &mut note);
        let mut backends = Vec::new();
        let mut backend_names = Names::default();
        self.backends(profile, 0, &mut backend_names, &mut backends, &mut notes);
        draft.notes.append(&mut notes);
        if !backends.iter().any(Backend::serves) {
            draft.notes.push(Note::new(about, "no endpoint has an address that is known: no pool is made of it"));
            return;
        }
        if !tls_probe {
            draft.notes.push(Note::new(
                &about,
                "it was probed without TLS; botgate probes where it sends requests, which is https on port 443 unless you \
                 write another `url`",
            ));
        }
        let name = names.take(&about, "pool");
        let fqdn = at(properties, &["dnsConfig"]).and_then(|dns| text(dns, "fqdn"));
        draft.title.push(format!(
            "Traffic Manager profile {about}{}",
            fqdn.map(|name| format!(" ({name})")).unwrap_or_default()
        ));
        let first = draft.routes.is_empty();
        if first {
            draft.routes.push(Route {
                host: None,
                path: "/".to_owned(),
                pool: name.clone(),
                comment: Some("host = \"bot.contoso.com\"    # the name that clients use; without it, any".to_owned()),
            });
        } else {
            // Names on which the profiles can be told apart are not in the document: only who clients ask for is.
            let host = fqdn.filter(|host| config::is_route_host(host)).map(str::to_owned);
            let taken = draft.routes.iter().any(|route| route.host == host);
            if taken || host.is_none() {
                draft.notes.push(Note::new(&about, "add a [[route]] with the name that clients of this profile use"));
            } else {
                let comment = Some("put the name here that clients of this profile use".to_owned());
                draft.routes.push(Route { host, path: "/".to_owned(), pool: name.clone(), comment });
            }
        }
        draft.pools.push(Pool { name, comment: format!("profile {about}"), deadline: None, probe, backends });
    }

    /// The endpoints of a profile by priority, and in the place of a profile among them its own.
    fn backends(
        &self,
        profile: &'a Resource,
        depth: usize,
        names: &mut Names,
        backends: &mut Vec<Backend>,
        notes: &mut Vec<Note>,
    ) {
        let mut endpoints: Vec<Endpoint<'a>> = list(profile.properties(), "endpoints").map(Endpoint::of).collect();
        // Endpoints may be resources of their own: …/trafficManagerProfiles/azureEndpoints.
        for below in self.resources.iter().filter(|resource| resource.is_below(profile)) {
            let known = |endpoint: &Endpoint<'_>| last(endpoint.name).eq_ignore_ascii_case(below.name());
            if !endpoints.iter().any(known) {
                let kind = below.kind.rsplit('/').next().unwrap_or_default();
                endpoints.push(Endpoint { name: below.name(), kind, properties: below.properties() });
            }
        }
        let priority = |endpoint: &Endpoint<'_>| number(endpoint.properties, "priority").unwrap_or(u64::MAX);
        endpoints.sort_by_key(priority);
        for endpoint in endpoints {
            if backends.len() >= MOST {
                notes.push(Note::new(profile.name(), format!("only its first {MOST} endpoints were taken")));
                return;
            }
            let inner = endpoint.nested().and_then(|id| self.find(id));
            if let Some(inner) = inner.filter(|inner| depth < DEEPEST && !std::ptr::eq(*inner, profile)) {
                notes.push(Note::new(
                    endpoint.name,
                    format!(
                        "the endpoints of the nested profile {} stand in its place; minChildEndpoints and its own monitoring \
                         do not carry over",
                        inner.name()
                    ),
                ));
                if !is(endpoint.properties, "endpointStatus", "Disabled") {
                    self.backends(inner, depth + 1, names, backends, notes);
                }
                continue;
            }
            backends.push(backend(&endpoint, names, notes));
        }
    }
}

struct Endpoint<'a> {
    name: &'a str,
    /// `azureEndpoints`, `externalEndpoints`, `nestedEndpoints`.
    kind: &'a str,
    properties: &'a Value,
}

impl<'a> Endpoint<'a> {
    fn of(value: &'a Value) -> Self {
        let properties = member(value, "properties").filter(|properties| properties.is_object()).unwrap_or(value);
        let name = member(value, "name").and_then(Value::as_str).unwrap_or_default();
        Self { name, kind: last(text(value, "type").unwrap_or_default()), properties }
    }

    /// The id of the profile that it is.
    fn nested(&self) -> Option<&'a str> {
        let id = text(self.properties, "targetResourceId")?;
        let is_profile = id.to_ascii_lowercase().contains(PROFILE);
        (self.kind.eq_ignore_ascii_case("nestedEndpoints") || is_profile).then_some(id)
    }
}

fn nested(endpoint: &Value) -> Option<&str> {
    Endpoint::of(endpoint).nested()
}

fn backend(endpoint: &Endpoint<'_>, names: &mut Names, notes: &mut Vec<Note>) -> Backend {
    let Endpoint { name, properties, .. } = *endpoint;
    let mut note = |text: &str| notes.push(Note::new(name, text));
    let url = text(properties, "target").and_then(|target| url(true, target, 443));
    let host = list(properties, "customHeaders").find(|header| is(header, "name", "host"));
    let host = host.and_then(|header| text(header, "value")).filter(|host| config::is_host_header(host));
    let off = is(properties, "endpointStatus", "Disabled");
    let mut comment = None;
    if url.is_none() {
        let id = text(properties, "targetResourceId").map(last);
        comment = Some(match id {
            Some(id) => format!("its address is not in the document: write the host name of {id}"),
            None => "its address is not in the document: write its host name".to_owned(),
        });
        note("its address is not in the document: it is a comment in the config, to be filled in");
    } else if off {
        comment = Some("disabled in Traffic Manager".to_owned());
        note("it is disabled: it is a comment in the config");
    } else if host.is_some() {
        comment =
            Some("Traffic Manager sent this Host header with probes; botgate sends it with every request".to_owned());
    }
    if is(properties, "alwaysServe", "Enabled") {
        note("alwaysServe: botgate probes every backend of a pool, or none (`probe = false`)");
    }
    let others = list(properties, "customHeaders").filter(|header| !is(header, "name", "host")).count();
    if others > 0 {
        note("its own probe headers do not carry over: a pool has one set of them (`probe.headers`)");
    }
    if ["geoMapping", "subnets"].iter().any(|key| list(properties, key).next().is_some()) {
        note("where its clients come from (geoMapping, subnets) is not regarded");
    }
    Backend { name: names.take(name, "endpoint"), url, host: host.map(str::to_owned), comment, off }
}

/// The probe of a profile, and whether it uses TLS as botgate will.
fn probe(properties: &Value, note: &mut impl FnMut(String)) -> (Option<Probe>, bool) {
    let Some(monitor) = at(properties, &["monitorConfig"]) else {
        note("it has no monitorConfig: botgate's default probe (GET /healthz) stands; set its `path`".to_owned());
        return (Some(Probe { path: Some("/healthz".to_owned()), ..Probe::default() }), true);
    };
    let protocol = text(monitor, "protocol").unwrap_or("HTTP");
    let tcp = protocol.eq_ignore_ascii_case("TCP");
    let tls = !protocol.eq_ignore_ascii_case("HTTP");
    let usual = if tls { 443 } else { 80 };
    if let Some(port) = number(monitor, "port").filter(|port| *port != usual) {
        note(format!("it was probed on port {port}; botgate probes on the port that requests are sent to"));
    }
    let mut probe = Probe { tcp, ..Probe::default() };
    let counted = |name: &str| number(monitor, name);
    probe.interval = counted("intervalInSeconds").or(Some(30)).and_then(seconds);
    probe.timeout = counted("timeoutInSeconds").or(Some(10)).and_then(seconds);
    probe.fall = counted("toleratedNumberOfFailures")
        .or(Some(3))
        .and_then(|most| most.checked_add(1))
        .filter(|fall| *fall <= 1000);
    note(
        "probes are as rare as Traffic Manager's; without `interval`, `timeout` and `fall` botgate's own (every 2 s, 2 bad \
         ones) find a dead region in seconds, live traffic aside. The way back takes 3 good ones and a hold of 60 s; \
         Traffic Manager took one"
            .to_owned(),
    );
    if tcp {
        return (Some(probe), true);
    }
    let path = text(monitor, "path").unwrap_or("/");
    if config::is_probe_path(path) {
        probe.path = Some(path.to_owned());
    } else {
        note("the path of its probe is none that can be sent: GET / takes its place".to_owned());
        probe.path = Some("/".to_owned());
    }
    let ranges = list(monitor, "expectedStatusCodeRanges").filter_map(|range| {
        let (low, high) = (number(range, "min")?, number(range, "max")?);
        (100 <= low && low <= high && high < 600)
            .then(|| if low == high { low.to_string() } else { format!("{low}-{high}") })
    });
    let ranges: Vec<String> = ranges.take(8).collect();
    probe.status = Some(if ranges.is_empty() { "200".to_owned() } else { ranges.join(",") });
    for header in list(monitor, "customHeaders") {
        let Some(name) = text(header, "name") else { continue };
        let value = member(header, "value").and_then(Value::as_str).unwrap_or_default();
        let twice = probe.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if config::is_header(name, value) && !twice {
            probe.headers.push((name.to_owned(), value.to_owned()));
        } else {
            note(format!("its probe header {name:?} cannot be set; a Host header is the backend's `host`"));
        }
    }
    (Some(probe), tls)
}
