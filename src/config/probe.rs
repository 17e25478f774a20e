//! What a probe means.

use std::time::Duration;

use super::defaulted::{deadline, number};
use super::findings::{Place, fault};
use super::raw_values::{RawProbe, RawProbeKind, RawProbeMethod, RawProbeTable};
use super::resolve::Outside;
use super::types_pool::{BodyCheck, HttpProbe, ProbeConfig, ProbeKind, StatusSet};
use super::{address, values};

/// Probes that follow each other faster keep both ends busy and find nothing sooner: a suspect is probed at once anyway.
const SHORTEST: Duration = Duration::from_millis(10);

/// The probe of a pool; none is off.
pub(super) fn validate(place: &Place<'_>, raw: Option<&RawProbe>, outside: &Outside<'_>) -> Option<ProbeConfig> {
    let none = RawProbeTable::default();
    let raw = match raw {
        Some(RawProbe::Switch(false)) => return None,
        Some(RawProbe::Switch(true)) | None => &none,
        Some(RawProbe::Table(table)) => table,
    };
    let interval = deadline(&place.key("interval"), raw.interval.as_ref(), Duration::from_secs(2));
    let timeout = deadline(&place.key("timeout"), raw.timeout.as_ref(), Duration::from_secs(1));
    if interval < SHORTEST {
        let hint = "\"2s\" is the default; live traffic that finds trouble has a backend probed at once anyway";
        place.key("interval").error(format!("{interval:?} between probes is shorter than {SHORTEST:?}"), hint);
    }
    if timeout > interval {
        let message = format!("{timeout:?} is longer than interval ({interval:?})");
        let at = if raw.timeout.is_some() { "timeout" } else { "interval" };
        place.key(at).warning(message, "a hanging backend is found later than the interval suggests");
    }
    Some(ProbeConfig {
        kind: kind(place, raw, outside),
        interval,
        timeout,
        fall: number(raw.fall, 2),
        rise: number(raw.rise, 3),
        jitter: raw.jitter.unwrap_or(0.1),
    })
}

fn kind(place: &Place<'_>, raw: &RawProbeTable, outside: &Outside<'_>) -> ProbeKind {
    if let Some(RawProbeKind::Tcp) = raw.kind {
        let http_only = [
            ("method", raw.method.is_some()),
            ("path", raw.path.is_some()),
            ("headers", raw.headers.is_some()),
            ("status", raw.status.is_some()),
            ("contains", raw.contains.is_some()),
            ("json", raw.json.is_some()),
        ];
        for (name, _) in http_only.iter().filter(|(_, written)| *written) {
            place.key(name).error("a probe of kind \"tcp\" sends no request", "leave it out, or use kind = \"http\"");
        }
        return ProbeKind::Tcp;
    }
    let head = matches!(raw.method, Some(RawProbeMethod::Head));
    let path = raw.path.as_deref().unwrap_or("/healthz");
    let before_query = path.split('?').next().unwrap_or_default();
    let good = path.bytes().all(|b| b.is_ascii_graphic()) && !path.contains('#');
    let checked = if good {
        address::path(before_query)
    } else {
        Err(fault(format!("{path:?} is no path"), "ASCII without spaces and fragment; escape others as %XX"))
    };
    place.key("path").take(checked);
    let status = raw.status.as_ref().and_then(|raw| place.key("status").take(values::statuses(raw)));
    ProbeKind::Http(HttpProbe {
        method: if head { http::Method::HEAD } else { http::Method::GET },
        path: path.to_owned(),
        headers: outside.headers(&place.key("headers"), raw.headers.as_ref()),
        status: status.unwrap_or_else(|| StatusSet(vec![200..=299])),
        body: body(place, raw, head),
    })
}

fn body(place: &Place<'_>, raw: &RawProbeTable, head: bool) -> Option<BodyCheck> {
    for (name, written) in [("contains", raw.contains.is_some()), ("json", raw.json.is_some())] {
        if head && written {
            place.key(name).error("an answer to HEAD has no body", "use method = \"GET\"");
        }
    }
    match (&raw.contains, &raw.json) {
        (Some(_), Some(_)) => {
            place.key("json").error("a probe checks its body in one way", "keep either `contains` or `json`");
            None
        }
        (Some(text), None) if text.is_empty() => {
            place.key("contains").error("every body contains nothing", "give a text, or leave the key out");
            None
        }
        (Some(text), None) => Some(BodyCheck::Contains(text.clone())),
        (None, Some(check)) => {
            let pointer = check.pointer.clone()?;
            if !pointer.is_empty() && !pointer.starts_with('/') {
                let hint = format!("\"/{pointer}\"");
                place.key("json").key("pointer").error("a JSON pointer begins with a slash (RFC 6901)", hint);
            }
            Some(BodyCheck::Json { pointer, equals: check.equals.clone()? })
        }
        (None, None) => None,
    }
}
