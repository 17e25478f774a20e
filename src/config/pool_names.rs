//! The names by which routes and pools refer to pools.

use std::collections::BTreeMap;

use super::findings::Place;
use super::raw::RawConfig;
use super::raw_pool::RawPool;
use super::shape;

/// The pools of a config by name, as they are written.
pub(super) struct PoolNames<'r> {
    pools: BTreeMap<&'r str, &'r RawPool>,
    /// Whether every name could be read: one that could not may be the one that is meant.
    complete: bool,
}

impl<'r> PoolNames<'r> {
    pub(super) fn new(raw: &'r RawConfig) -> Self {
        let all = || raw.pool.iter().flatten();
        Self {
            pools: all().filter_map(|pool| Some((pool.name.as_deref()?, pool))).collect(),
            complete: raw.pool.is_some() && all().all(|pool| pool.name.is_some()),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'r RawPool> {
        self.pools.get(name).copied()
    }

    /// The pool of that name; reports at `place` when there is none.
    pub(super) fn check(&self, place: &Place<'_>, name: &str) -> Option<&'r RawPool> {
        let found = self.get(name);
        if found.is_none() && self.complete {
            let names = || self.pools.keys().copied();
            let hint = match shape::closest(name, names()) {
                Some(close) => format!("did you mean {close:?}?"),
                None => format!("the pools are: {}", names().collect::<Vec<_>>().join(", ")),
            };
            place.absent(format!("there is no pool {name:?}"), hint);
        }
        found
    }
}
