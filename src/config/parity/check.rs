//! What a parity check means.

use std::collections::HashSet;
use std::time::Duration;

use super::companion::{Asking, requests};
use super::presets::{Preset, preset};
use super::raw::{RawAgainst, RawDifference, RawParity, RawTake};
use super::types::{Against, Difference, ParityConfig, ParityRule, Take};
use crate::config::defaulted::deadline;
use crate::config::findings::{Fault, Place, fault};
use crate::config::raw_pool::RawPool;
use crate::config::resolve::Outside;
use crate::config::{BackendConfig, values};

/// A service is asked no more often: what is compared changes in minutes, and questions cost money.
const SHORTEST: Duration = Duration::from_secs(1);

/// The checks of a pool; `backends` are those of its backends that are valid. Checks that are not are left out.
pub(in crate::config) fn validate(
    pool: &Place<'_>,
    raw: &RawPool,
    backends: &[BackendConfig],
    outside: &Outside<'_>,
) -> Vec<ParityConfig> {
    let names: Vec<&str> = raw.backend.iter().flatten().filter_map(|backend| backend.name.as_deref()).collect();
    let mut taken = HashSet::new();
    let mut checks = Vec::new();
    for (index, raw) in raw.parity.iter().flatten().enumerate() {
        let place = pool.key("parity").index(index);
        if let Some(name) = &raw.name {
            unique(&place.key("name"), name, &mut taken);
        }
        checks.extend(check(&place, raw, &names, backends, outside));
    }
    checks
}

fn unique<'n>(place: &Place<'_>, name: &'n str, taken: &mut HashSet<&'n str>) {
    let printable = name.chars().all(|c| !c.is_control()) && name.trim() == name;
    if name.is_empty() || name.chars().count() > 64 || !printable {
        place.error(format!("{name:?} is no name of a parity check"), "1 to 64 characters: \"index size\"");
    } else if !taken.insert(name) {
        place.error(format!("there is another parity check named {name:?}"), "names are unique in a pool");
    }
}

fn check(
    place: &Place<'_>,
    raw: &RawParity,
    names: &[&str],
    backends: &[BackendConfig],
    outside: &Outside<'_>,
) -> Option<ParityConfig> {
    let preset = raw.preset.map(preset);
    let interval = deadline(&place.key("interval"), raw.interval.as_ref(), Duration::from_secs(300));
    let timeout = deadline(&place.key("timeout"), raw.timeout.as_ref(), Duration::from_secs(10));
    if interval < SHORTEST {
        place
            .key("interval")
            .error(format!("{interval:?} between rounds is shorter than {SHORTEST:?}"), "\"5m\" is the default");
    }
    if timeout > interval {
        let at = if raw.timeout.is_some() { "timeout" } else { "interval" };
        let message = format!("timeout ({timeout:?}) is longer than interval ({interval:?})");
        place.key(at).warning(message, "a service that hangs is asked more rarely than the interval says");
    }
    let take = take(&place.key("take"), raw.take.as_ref(), preset.as_ref());
    let rule = rule(place, raw, preset.as_ref());
    if rule.as_ref().is_some_and(ParityRule::needs_active) && backends.len() == 1 && names.len() == 1 {
        place.warning(
            "the pool has one backend: there is nothing to compare it with",
            "add a backend, or use `contains`",
        );
    }
    let header = matches!(take, Some(Take::Header(_)));
    let asking = Asking { preset: preset.as_ref(), rule: rule.as_ref(), names, backends, header };
    let requests = requests(place, raw, &asking, outside);
    let unit = preset.as_ref().map_or("", |preset| preset.unit);
    Some(ParityConfig {
        name: raw.name.clone()?,
        interval,
        timeout,
        gate: raw.gate.unwrap_or_default(),
        take: take?,
        rule: rule?,
        unit,
        requests: requests?,
    })
}

fn take(place: &Place<'_>, raw: Option<&RawTake>, preset: Option<&Preset>) -> Option<Take> {
    const HINT: &str = "\"body\", or one of { json = \"/a/b\" }, { xml = \"a/b\" }, { header = \"etag\" }";
    let table = match raw {
        None => return Some(preset.map_or(Take::Body, |preset| preset.take.clone())),
        Some(RawTake::Text(text)) if text == "body" => return Some(Take::Body),
        Some(RawTake::Text(text)) => return place.take(Err(fault(format!("{text:?} is nothing to take"), HINT))),
        Some(RawTake::Table(table)) => table,
    };
    match (&table.json, &table.xml, &table.header) {
        (Some(pointer), None, None) => place.key("json").take(json_pointer(pointer)).map(Take::Json),
        (None, Some(path), None) => place.key("xml").take(xml_path(path)).map(Take::Xml),
        (None, None, Some(name)) => {
            let name = name.parse().map_err(|_| fault("this is no header name", "letters, digits and \"-\""));
            place.key("header").take(name).map(Take::Header)
        }
        (None, None, None) => place.take(Err(fault("nothing is taken of the answer", HINT))),
        _ => place.take(Err(fault("one value is taken of an answer", HINT))),
    }
}

fn json_pointer(pointer: &str) -> Result<String, Fault> {
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err(fault("a JSON pointer begins with a slash (RFC 6901)", format!("\"/{pointer}\"")));
    }
    let escapes = pointer.split('~').skip(1);
    if escapes.into_iter().any(|after| !after.starts_with(['0', '1'])) {
        return Err(fault("a ~ in a JSON pointer is written ~0, and a slash in a name ~1 (RFC 6901)", "\"/a~1b\""));
    }
    Ok(pointer.to_owned())
}

fn xml_path(path: &str) -> Result<String, Fault> {
    let name = |name: &str| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "[]@*:()".contains(c));
    if path.split('/').all(name) {
        return Ok(path.to_owned());
    }
    let hint = "names of elements below the root element, without namespaces: \"GeoReplication/LastSyncTime\"";
    Err(fault(format!("{path:?} is no path of element names"), hint))
}

/// The one comparison of a check: as written, or its preset's.
fn rule(place: &Place<'_>, raw: &RawParity, preset: Option<&Preset>) -> Option<ParityRule> {
    const ONE: &str = "one of equal = true, max_lag = \"15m\", max_difference = 100, contains = \"…\"";
    let written = [
        ("equal", raw.equal.is_some()),
        ("max_lag", raw.max_lag.is_some()),
        ("max_difference", raw.max_difference.is_some()),
        ("contains", raw.contains.is_some()),
    ];
    let mut written = written.iter().filter(|(_, written)| *written).map(|(name, _)| *name);
    let (first, second) = (written.next(), written.next());
    if let Some(second) = second {
        place.key(second).error("a parity check compares in one way", format!("keep {ONE}"));
        return None;
    }
    let preset = preset.map(|preset| &preset.rule);
    let usual = match preset {
        Some(ParityRule::MaxLag { against, .. }) => *against,
        _ => Against::Active,
    };
    let against = raw.against.map_or(usual, |raw| match raw {
        RawAgainst::Active => Against::Active,
        RawAgainst::Now => Against::Now,
    });
    let rule = match first {
        None => match preset {
            Some(rule) => rule.clone(),
            None if place.is_broken() => return None,
            None => {
                place.absent("the parity check compares nothing", ONE);
                return None;
            }
        },
        Some("equal") => {
            if raw.equal == Some(false) {
                place.key("equal").error("an `equal` that is false compares nothing", ONE);
            }
            ParityRule::Equal
        }
        Some("max_lag") => {
            let lag = raw.max_lag.as_ref().and_then(|raw| place.key("max_lag").take(values::duration(&raw.0)))?;
            ParityRule::MaxLag { lag, against }
        }
        Some("max_difference") => {
            let place = place.key("max_difference");
            ParityRule::MaxDifference(raw.max_difference.as_ref().and_then(|raw| place.take(difference(raw)))?)
        }
        Some(_) => {
            let text = raw.contains.clone()?;
            if text.is_empty() {
                place.key("contains").error("every value contains nothing", "give a text that the right answer holds");
            }
            ParityRule::Contains(text)
        }
    };
    match rule {
        ParityRule::MaxLag { lag, .. } => Some(ParityRule::MaxLag { lag, against }),
        rule => {
            if raw.against.is_some() {
                place
                    .key("against")
                    .error("`against` belongs to `max_lag`", "leave it out, or compare times by max_lag");
            }
            Some(rule)
        }
    }
}

/// `100`, `"100"` or `"5%"`.
fn difference(raw: &RawDifference) -> Result<Difference, Fault> {
    let (number, share, shown) = match raw {
        RawDifference::Number(number) => (Some(*number), false, number.to_string()),
        RawDifference::Text(text) => {
            let percent = text.trim().strip_suffix('%');
            let number = percent.unwrap_or(text).trim().parse::<f64>().ok();
            (
                number.map(|number| if percent.is_some() { number / 100.0 } else { number }),
                percent.is_some(),
                format!("{text:?}"),
            )
        }
    };
    match number.filter(|number| number.is_finite() && *number >= 0.0) {
        Some(number) if share => Ok(Difference::Share(number)),
        Some(number) => Ok(Difference::Absolute(number)),
        None => {
            Err(fault(format!("{shown} is no difference"), "a number, or a percentage of the active's: 100, \"5%\""))
        }
    }
}
