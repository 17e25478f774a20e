//! Pools that move together: whom a pool follows, and whether it can.

use std::collections::HashSet;

use super::findings::Place;
use super::pool_names::PoolNames;
use super::raw::RawConfig;
use super::raw_policy::RawFollow;
use super::raw_pool::RawPool;
use super::shape;
use super::types_policy::FollowConfig;
use crate::model::WhenUnavailable;

/// What was written; none when it names no pool.
pub(super) fn config(raw: &RawFollow) -> Option<FollowConfig> {
    let when_unavailable = match raw {
        RawFollow::Name(_) => None,
        RawFollow::Table(table) => table.when_unavailable,
    };
    Some(FollowConfig { pool: target(raw)?.into(), when_unavailable: when_unavailable.unwrap_or_default() })
}

fn target(raw: &RawFollow) -> Option<&str> {
    match raw {
        RawFollow::Name(name) => Some(name),
        RawFollow::Table(table) => table.pool.as_deref(),
    }
}

/// Whether the followed pools exist, have backends of the same names, and lead to a pool that decides for itself.
pub(super) fn check(pools: &Place<'_>, raw: &RawConfig, names: &PoolNames<'_>) {
    let mut reported = HashSet::new();
    for (index, pool) in raw.pool.iter().flatten().enumerate() {
        let Some(follow) = &pool.follow else { continue };
        let Some(leader_name) = target(follow) else { continue };
        let place = pools.index(index);
        let at = match follow {
            RawFollow::Name(_) => place.key("follow"),
            RawFollow::Table(_) => place.key("follow").key("pool"),
        };
        let Some(leader) = names.check(&at, leader_name) else { continue };
        let Some(name) = pool.name.as_deref() else { continue };
        if name == leader_name {
            at.error("a pool cannot follow itself", "name another pool, or leave the key out");
            continue;
        }
        if let Some(circle) = circle(name, names)
            && circle.iter().all(|name| reported.insert(*name))
        {
            let message = format!("pools follow each other in a circle: {} → {name}", circle.join(" → "));
            at.error(message, "one of them must decide for itself: leave out its `follow`");
        }
        same_names(&place, &at, pool, leader_name, leader);
        if pool.drill.as_ref().and_then(|drill| drill.schedule.as_ref()).is_some_and(|windows| !windows.is_empty()) {
            let message = format!("this pool moves with {leader_name:?}: a drill of its own would part them");
            let hint = format!("give the schedule to {leader_name:?}, and both are rehearsed");
            place.key("drill").key("schedule").warning(message, hint);
        }
    }
}

/// The pools that are met by following from `start`, if that leads back to it.
fn circle<'r>(start: &'r str, names: &PoolNames<'r>) -> Option<Vec<&'r str>> {
    let mut met = vec![start];
    let mut at = start;
    loop {
        at = target(names.get(at)?.follow.as_ref()?)?;
        if at == start {
            return Some(met);
        }
        if met.contains(&at) {
            return None;
        }
        met.push(at);
    }
}

/// A region is known by the name of its backend: those that have no partner cannot be followed to.
fn same_names(place: &Place<'_>, at: &Place<'_>, pool: &RawPool, leader_name: &str, leader: &RawPool) {
    let (Some(own), Some(theirs)) = (backends(pool), backends(leader)) else { return };
    if !own.iter().any(|name| theirs.contains(name)) {
        let hint = "it moves to the backend of the same name, upper and lower case told apart";
        let hint = format!("{hint}; {leader_name:?} has: {}", theirs.join(", "));
        at.error(format!("this pool and {leader_name:?} have no backend name in common"), hint);
        return;
    }
    let mut meant = HashSet::new();
    for (index, name) in own.iter().enumerate().filter(|(_, name)| !theirs.contains(name)) {
        let place = place.key("backend").index(index).key("name");
        let close = shape::closest(name, theirs.iter().copied()).filter(|close| !own.contains(close));
        meant.extend(close);
        let hint = match close {
            Some(close) => format!("did you mean {close:?}?"),
            None => format!("it is not moved to by following; {leader_name:?} has: {}", theirs.join(", ")),
        };
        place.warning(format!("{leader_name:?}, which this pool follows, has no backend {name:?}"), hint);
    }
    let rule = pool.follow.as_ref().and_then(config).map(|follow| follow.when_unavailable).unwrap_or_default();
    let then = match rule {
        WhenUnavailable::Stay => "stays where it is",
        WhenUnavailable::Priority => "goes to its own best backend by priority",
    };
    // A misspelt name is one mistake, not a missing one as well.
    for name in theirs.iter().filter(|name| !own.contains(name) && !meant.contains(*name)) {
        let message = format!("{leader_name:?} can move to {name:?}, where this pool has no backend");
        at.warning(message, format!("this pool then {then}: when_unavailable = \"{}\"", rule.as_str()));
    }
}

/// The names of a pool's backends, when each has one that could be read.
fn backends(pool: &RawPool) -> Option<Vec<&str>> {
    pool.backend.as_ref()?.iter().map(|backend| backend.name.as_deref()).collect()
}
