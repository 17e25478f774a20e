//! What a guard means.

use super::findings::Place;
use super::raw_guard::{RawGuard, RawGuardTable};
use super::resolve::Outside;
use super::types_guard::GuardConfig;
use super::{address, guard_tokens};

/// The guard of a route with this path; `preset` is whether its pool's kind has one. None is off.
pub(super) fn validate(
    place: &Place<'_>,
    raw: Option<&RawGuard>,
    preset: bool,
    route: &str,
    outside: &Outside<'_>,
) -> Option<GuardConfig> {
    let none = RawGuardTable::default();
    let raw = match raw {
        Some(RawGuard::Switch(false)) => return None,
        None if !preset => return None,
        Some(RawGuard::Switch(true)) | None => &none,
        Some(RawGuard::Table(table)) => table,
    };
    let open = place.key("open");
    let paths = raw.open.iter().flatten().enumerate();
    let paths = paths.filter_map(|(at, path)| open.index(at).take(address::path(path)).map(|()| path.clone()));
    let paths: Vec<String> = paths.collect();
    for (at, path) in raw.open.iter().flatten().enumerate().filter(|(_, path)| paths.contains(path)) {
        if below(route, path) {
            let hint = "guard = false says so where it is meant; else name the paths that the bot serves to others";
            open.index(at).warning("everything on this route is let through unchecked", hint);
        } else if !below(path, route) {
            let hint = format!("a whole path, such as \"{}/healthz\"", route.trim_end_matches('/'));
            open.index(at).warning(format!("no request of this route ({route}) has this path"), hint);
        }
    }
    Some(GuardConfig { open: paths, tokens: guard_tokens::validate(place, raw, outside).map(Box::new) })
}

/// Whether a path is that prefix, or goes on below it at a segment border.
fn below(path: &str, prefix: &str) -> bool {
    let rest = path.trim_end_matches('/').strip_prefix(prefix.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
