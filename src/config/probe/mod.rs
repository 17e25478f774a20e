//! What a probe means: `http` here and `tcp`, those that speak the language of an application in files of their own.

mod activity;
mod question;

use std::time::Duration;

use super::defaulted::{deadline, number};
use super::findings::{Place, fault};
use super::raw_probe::{RawProbe, RawProbeConnection, RawProbeKind, RawProbeMethod, RawProbeTable};
use super::resolve::Outside;
use super::types_pool::StatusSet;
use super::types_probe::{BodyCheck, HttpProbe, ProbeConfig, ProbeKind};
use super::{address, values};

pub(super) use question::check_backends;

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
    // What makes a bot think, or a search engine search, is asked more rarely: live traffic finds trouble sooner anyway.
    let (interval, timeout) = match raw.kind {
        Some(RawProbeKind::Activity) => (5, 2),
        Some(RawProbeKind::Question) => (10, 3),
        Some(RawProbeKind::Http | RawProbeKind::Tcp) | None => (2, 1),
    };
    let interval = deadline(&place.key("interval"), raw.interval.as_ref(), Duration::from_secs(interval));
    let timeout = deadline(&place.key("timeout"), raw.timeout.as_ref(), Duration::from_secs(timeout));
    if interval < SHORTEST {
        let hint = "\"2s\" is the default; live traffic that finds trouble has a backend probed at once anyway";
        place.key("interval").error(format!("{interval:?} between probes is shorter than {SHORTEST:?}"), hint);
    }
    if timeout > interval {
        let message = format!("{timeout:?} is longer than interval ({interval:?})");
        let at = if raw.timeout.is_some() { "timeout" } else { "interval" };
        place.key(at).warning(message, "a hanging backend is found later than the interval suggests");
    }
    let kind = kind(place, raw, outside)?;
    Some(ProbeConfig {
        kind,
        interval,
        timeout,
        fall: number(raw.fall, 2),
        rise: number(raw.rise, 3),
        jitter: raw.jitter.unwrap_or(0.1),
    })
}

fn kind(place: &Place<'_>, raw: &RawProbeTable, outside: &Outside<'_>) -> Option<ProbeKind> {
    let kind = raw.kind.unwrap_or(RawProbeKind::Http);
    foreign_keys(place, raw, kind);
    match kind {
        RawProbeKind::Tcp => Some(ProbeKind::Tcp),
        RawProbeKind::Http => Some(ProbeKind::Http(http(place, raw, outside))),
        RawProbeKind::Activity => Some(ProbeKind::Activity(Box::new(activity::validate(place, raw, outside)?))),
        RawProbeKind::Question => question::validate(place, raw, outside).map(ProbeKind::Question),
    }
}

/// Reports every key that says nothing to a probe of this kind.
fn foreign_keys(place: &Place<'_>, raw: &RawProbeTable, kind: RawProbeKind) {
    use RawProbeKind::{Activity, Http, Question, Tcp};
    let keys: [(&str, bool, &[RawProbeKind]); 18] = [
        ("connection", raw.connection.is_some(), &[Http]),
        ("method", raw.method.is_some(), &[Http]),
        ("path", raw.path.is_some(), &[Http, Activity, Question]),
        ("headers", raw.headers.is_some(), &[Http, Activity, Question]),
        ("status", raw.status.is_some(), &[Http, Activity]),
        ("contains", raw.contains.is_some(), &[Http, Activity, Question]),
        ("json", raw.json.is_some(), &[Http]),
        ("pointer", raw.pointer.is_some(), &[Activity]),
        ("equals", raw.equals.is_some(), &[Activity]),
        ("text", raw.text.is_some(), &[Activity]),
        ("channel_id", raw.channel_id.is_some(), &[Activity]),
        ("conversation", raw.conversation.is_some(), &[Activity]),
        ("from", raw.from.is_some(), &[Activity]),
        ("recipient", raw.recipient.is_some(), &[Activity]),
        ("service_url", raw.service_url.is_some(), &[Activity]),
        ("sign", raw.sign.is_some(), &[Activity]),
        ("question", raw.question.is_some(), &[Question]),
        ("min_score", raw.min_score.is_some(), &[Question]),
    ];
    for (name, _, kinds) in keys.iter().filter(|(_, written, kinds)| *written && !kinds.contains(&kind)) {
        let place = place.key(name);
        match (kind, kinds.first()) {
            (Tcp, Some(Http)) => {
                place.error("a probe of kind \"tcp\" sends no request", "leave it out, or use kind = \"http\"");
            }
            (_, Some(other)) => {
                let hint = format!("leave it out, or use kind = \"{}\"", word(*other));
                place.error(format!("a probe of kind \"{}\" has no use for it", word(kind)), hint);
            }
            (_, None) => {}
        }
    }
}

const fn word(kind: RawProbeKind) -> &'static str {
    match kind {
        RawProbeKind::Http => "http",
        RawProbeKind::Tcp => "tcp",
        RawProbeKind::Activity => "activity",
        RawProbeKind::Question => "question",
    }
}

/// Reports a path and query that is none.
fn check_path(place: &Place<'_>, path: &str) {
    let before_query = path.split('?').next().unwrap_or_default();
    let good = path.bytes().all(|b| b.is_ascii_graphic()) && !path.contains('#');
    let checked = if good {
        address::path(before_query)
    } else {
        Err(fault(format!("{path:?} is no path"), "ASCII without spaces and fragment; escape others as %XX"))
    };
    place.key("path").take(checked);
}

/// The statuses that are good.
fn statuses(place: &Place<'_>, raw: &RawProbeTable) -> StatusSet {
    let status = raw.status.as_ref().and_then(|raw| place.key("status").take(values::statuses(raw)));
    status.unwrap_or_else(|| StatusSet(vec![200..=299]))
}

/// Reports a JSON pointer that is none.
fn check_pointer(place: &Place<'_>, pointer: &str) {
    if !pointer.is_empty() && !pointer.starts_with('/') {
        place.error("a JSON pointer begins with a slash (RFC 6901)", format!("\"/{pointer}\""));
    }
}

fn http(place: &Place<'_>, raw: &RawProbeTable, outside: &Outside<'_>) -> HttpProbe {
    let head = matches!(raw.method, Some(RawProbeMethod::Head));
    let path = raw.path.as_deref().unwrap_or("/healthz");
    check_path(place, path);
    HttpProbe {
        method: if head { http::Method::HEAD } else { http::Method::GET },
        path: path.to_owned(),
        headers: outside.headers(&place.key("headers"), raw.headers.as_ref()),
        status: statuses(place, raw),
        body: body(place, raw, head),
        keep: !matches!(raw.connection, Some(RawProbeConnection::New)),
    }
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
            check_pointer(&place.key("json").key("pointer"), &pointer);
            Some(BodyCheck::Json { pointer, equals: check.equals.clone()? })
        }
        (None, None) => None,
    }
}
