//! What a guard means.

use super::findings::Place;
use super::raw_guard::{RawGuard, RawGuardTable};
use super::resolve::Outside;
use super::types_guard::GuardConfig;
use super::{address, guard_tokens};

/// The guard of a route; `preset` is whether its pool's kind has one. None is off.
pub(super) fn validate(
    place: &Place<'_>,
    raw: Option<&RawGuard>,
    preset: bool,
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
    Some(GuardConfig { open: paths.collect(), tokens: guard_tokens::validate(place, raw, outside).map(Box::new) })
}
