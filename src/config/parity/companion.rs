//! Whom a parity check asks: for each backend the service beside it, or the backend itself.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};

use super::presets::Preset;
use super::raw::{RawCompanion, RawMethod, RawParity};
use super::types::{ParityRequest, ParityRule};
use crate::config::findings::{Fault, Place, fault};
use crate::config::resolve::Outside;
use crate::config::{BackendConfig, BackendUrl, address, shape};

/// What the questions of a check depend on.
pub(super) struct Asking<'a> {
    pub(super) preset: Option<&'a Preset>,
    pub(super) rule: Option<&'a ParityRule>,
    /// The backends of the pool, valid or not.
    pub(super) names: &'a [&'a str],
    /// Those that are valid.
    pub(super) backends: &'a [BackendConfig],
    /// Whether a header is taken of the answer.
    pub(super) header: bool,
}

/// The questions of a check, in the order of the backends; none when something is wrong with one of them.
pub(super) fn requests(
    place: &Place<'_>,
    raw: &RawParity,
    asking: &Asking<'_>,
    outside: &Outside<'_>,
) -> Option<Vec<ParityRequest>> {
    let mut good = strangers(place, raw, asking.names) & subject(place, raw, asking.preset);
    let (method, body) = method_and_body(place, raw, asking.header)?;
    if let Some(path) = &raw.path {
        place.key("path").take(path_and_query(path))?;
    }
    let headers = outside.headers(&place.key("headers"), raw.headers.as_ref());
    let mut requests = Vec::new();
    for backend in asking.backends {
        let entry = raw.backends.as_ref().and_then(|all| all.get(backend.name.as_str()));
        let here = place.key("backends").key(backend.name.as_str());
        let found = match entry.filter(|entry| entry.url.is_some()) {
            Some(entry) => companion(&here, raw, entry, backend, asking.preset, outside),
            None => itself(&here, raw, entry, backend, asking, outside),
        };
        match found {
            Asked::Nobody => {}
            Asked::Wrong => good = false,
            Asked::Well { service, companion, path, own } => {
                let mut headers = headers.clone();
                headers.retain(|(name, _)| own.iter().all(|(other, _)| other != name));
                headers.extend(own);
                if body.is_some() && headers.iter().all(|(name, _)| name != header::CONTENT_TYPE) {
                    headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
                }
                let (backend, method, body) = (backend.name.clone(), method.clone(), body.clone());
                requests.push(ParityRequest { backend, service, companion, method, path, headers, body });
            }
        }
    }
    if good && requests.is_empty() && !asking.backends.is_empty() && !place.is_broken() {
        place.absent("the parity check asks nobody", "give it a `path`, or a table `backends` with a `url` for each");
        good = false;
    }
    good.then_some(requests)
}

/// How one backend is asked.
enum Asked {
    /// Not at all, and need not be.
    Nobody,
    /// What is written is wrong, and was reported.
    Wrong,
    /// So.
    Well { service: Arc<BackendConfig>, companion: bool, path: String, own: Vec<(HeaderName, HeaderValue)> },
}

/// Reports companions of backends that the pool does not have.
fn strangers(place: &Place<'_>, raw: &RawParity, names: &[&str]) -> bool {
    let mut good = true;
    for stranger in raw.backends.iter().flatten().map(|(name, _)| name).filter(|name| !names.contains(&name.as_str())) {
        let hint = match shape::closest(stranger, names.iter().copied()) {
            Some(close) => format!("did you mean {close:?}?"),
            None => format!("its backends are: {}", names.join(", ")),
        };
        place.key("backends").key(stranger).error(format!("the pool has no backend {stranger:?}"), hint);
        good = false;
    }
    good
}

/// Reports every `of` that nothing asks for.
fn subject(place: &Place<'_>, raw: &RawParity, preset: Option<&Preset>) -> bool {
    if preset.is_some_and(|preset| preset.of.is_some()) && raw.path.is_none() {
        return true;
    }
    let entries = raw.backends.iter().flatten().filter(|(_, entry)| entry.of.is_some());
    let entries = entries.map(|(name, _)| place.key("backends").key(name));
    let written: Vec<Place<'_>> = raw.of.iter().map(|_| place.clone()).chain(entries).collect();
    for place in &written {
        let hint = "leave it out: it fills the path of a preset that has a place for it";
        place.key("of").error("nothing here is `of` something", hint);
    }
    written.is_empty()
}

fn method_and_body(place: &Place<'_>, raw: &RawParity, header: bool) -> Option<(Method, Option<Bytes>)> {
    let method = match (raw.method, &raw.body) {
        (Some(RawMethod::Post), _) | (None, Some(_)) => Method::POST,
        (Some(RawMethod::Head), _) => Method::HEAD,
        (Some(RawMethod::Get) | None, _) => Method::GET,
    };
    if raw.body.is_some() && method != Method::POST {
        place.key("body").error(format!("{method} sends no body"), "method = \"POST\", or leave `method` out");
        return None;
    }
    if method == Method::HEAD && !header {
        place.key("method").error("an answer to HEAD has no body", "take = { header = \"…\" }, or method = \"GET\"");
        return None;
    }
    let body = raw.body.as_ref().map(|body| match body {
        serde_json::Value::String(text) => Bytes::from(text.clone()),
        json => Bytes::from(json.to_string()),
    });
    Some((method, body))
}

/// The service beside a backend.
fn companion(
    place: &Place<'_>,
    raw: &RawParity,
    entry: &RawCompanion,
    backend: &BackendConfig,
    preset: Option<&Preset>,
    outside: &Outside<'_>,
) -> Asked {
    let at = place.key("url");
    let Some(written) = entry.url.as_ref().and_then(|url| outside.secret(&at, url)) else { return Asked::Wrong };
    let Some((url, rest)) = at.take(service_url(&written)) else { return Asked::Wrong };
    let path = if rest.is_empty() || rest == "/" || rest.starts_with('?') {
        let Ok(path) = path_of(place, raw, Some(entry), preset) else { return Asked::Wrong };
        let path = path.unwrap_or_else(|| "/".to_owned());
        match rest.strip_prefix('?') {
            Some(query) if path.contains('?') => format!("{path}&{query}"),
            Some(query) => format!("{path}?{query}"),
            None => path,
        }
    } else {
        rest
    };
    if entry.ca.is_some() && !url.tls {
        place.key("ca").error("this needs TLS, and the URL says http", "use https, or leave the key out");
        return Asked::Wrong;
    }
    let ca = entry.ca.as_ref().map(|path| outside.roots(&place.key("ca"), path));
    if matches!(ca, Some(None)) {
        return Asked::Wrong;
    }
    let service =
        BackendConfig { priority: backend.priority, ..BackendConfig::service(backend.name.clone(), url, ca.flatten()) };
    let own = outside.headers(&place.key("headers"), entry.headers.as_ref());
    Asked::Well { service: Arc::new(service), companion: true, path, own }
}

/// The backend itself, where the check has a path for it.
fn itself(
    place: &Place<'_>,
    raw: &RawParity,
    entry: Option<&RawCompanion>,
    backend: &BackendConfig,
    asking: &Asking<'_>,
    outside: &Outside<'_>,
) -> Asked {
    let may = raw.path.is_some() || asking.preset.is_some_and(|preset| preset.of_backend);
    if place.is_broken() {
        return Asked::Wrong;
    }
    if !may {
        let hint = "url = \"https://…\", or a `path` of the check, which is then asked of the backend itself";
        match entry {
            Some(_) => place.key("url").absent(format!("whom to ask about {} is missing", backend.name), hint),
            // A rule that looks at each value alone may look at some of the backends only.
            None if asking.rule.is_none_or(|rule| !rule.needs_active()) => return Asked::Nobody,
            None => place.absent(format!("the parity check does not say whom to ask about {}", backend.name), hint),
        }
        return Asked::Wrong;
    }
    if entry.is_some_and(|entry| entry.ca.is_some()) {
        place.key("ca").error("this belongs to a `url`", "the backend itself is trusted as its requests are");
        return Asked::Wrong;
    }
    match path_of(place, raw, entry, asking.preset) {
        Ok(Some(path)) => {
            let own = outside.headers(&place.key("headers"), entry.and_then(|entry| entry.headers.as_ref()));
            Asked::Well { service: Arc::new(backend.clone()), companion: false, path, own }
        }
        _ => Asked::Wrong,
    }
}

/// The path of the check, or of its preset about what the check is about; none when it has neither.
fn path_of(
    place: &Place<'_>,
    raw: &RawParity,
    entry: Option<&RawCompanion>,
    preset: Option<&Preset>,
) -> Result<Option<String>, ()> {
    let (Some(preset), None) = (preset, &raw.path) else { return Ok(raw.path.clone()) };
    let of = entry.and_then(|entry| entry.of.as_ref()).or(raw.of.as_ref());
    match (preset.of, of) {
        (None, _) => Ok(Some(preset.path.to_owned())),
        (Some(_), Some(of)) if !of.is_empty() => Ok(Some(preset.path.replace("{of}", &escaped(of)))),
        (Some(what), _) => {
            let hint = format!("of = \"…\" in the check, or here where each backend has a {what} of its own");
            place.key("of").absent(format!("the preset does not know which {what} to ask for"), hint);
            Err(())
        }
    }
}

/// One segment of a path (RFC 3986, section 3.3).
fn escaped(segment: &str) -> String {
    use std::fmt::Write;
    segment.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

fn path_and_query(path: &str) -> Result<(), Fault> {
    if !path.bytes().all(|b| b.is_ascii_graphic()) || path.contains('#') {
        return Err(fault(format!("{path:?} is no path"), "ASCII without spaces and fragment; escape others as %XX"));
    }
    address::path(path.split('?').next().unwrap_or_default())
}

/// Where a service is, and the rest of its URL as written: path and query. No fault repeats any of it: it may hold
/// credentials.
pub(in crate::config) fn service_url(text: &str) -> Result<(BackendUrl, String), Fault> {
    const HINT: &str = "\"https://host/path?query\", or \"https://host\" where the check or its preset has the path";
    let scheme = text.find("://").map_or(0, |at| at + 3);
    let end = text[scheme..].find(['/', '?', '#']).map_or(text.len(), |at| scheme + at);
    let (origin, rest) = text.split_at(end);
    let url = address::backend_url(origin).map_err(|Fault { message, .. }| fault(message, HINT))?;
    let target = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let good = rest.bytes().all(|b| b.is_ascii_graphic()) && !rest.contains('#');
    if !good || target.parse::<http::uri::PathAndQuery>().is_err() {
        return Err(fault("this is no URL", HINT));
    }
    Ok((url, rest.to_owned()))
}
