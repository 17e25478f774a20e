//! How many connections each address has open at a listener, over all workers.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::Source;

/// A power of two: workers that accept in the same moment seldom meet.
const SHARDS: usize = 64;

/// Open connections by where they come from. Touched when a connection begins and ends, never by a request; an address
/// without a connection takes no room, so it is bounded by the listener's own cap.
#[derive(Debug)]
pub(in crate::server) struct Addresses {
    shards: [Mutex<HashMap<Source, usize>>; SHARDS],
    /// Keyed by chance, so that nobody can choose addresses that meet.
    hasher: RandomState,
}

impl Default for Addresses {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }
}

impl Addresses {
    fn shard(&self, source: Source) -> MutexGuard<'_, HashMap<Source, usize>> {
        let at = self.hasher.hash_one(source) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection from there, which [`Self::leave`] gives back; false when it has `most` already.
    pub(in crate::server) fn enter(&self, source: Source, most: usize) -> bool {
        match self.shard(source).entry(source) {
            Entry::Occupied(mut open) if *open.get() < most => *open.get_mut() += 1,
            Entry::Occupied(_) => return false,
            Entry::Vacant(_) if most == 0 => return false,
            Entry::Vacant(first) => {
                first.insert(1);
            }
        }
        true
    }

    /// Gives a place back.
    pub(in crate::server) fn leave(&self, source: Source) {
        let mut shard = self.shard(source);
        if let Entry::Occupied(mut open) = shard.entry(source) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
        // What an attack has stretched is not kept for ever.
        if shard.capacity() > 1024 && shard.len() * 8 < shard.capacity() {
            shard.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn each_address_has_a_cap_of_its_own_and_leaves_nothing_behind() {
        let (addresses, one) = (Addresses::default(), Source::from(IpAddr::from([192, 0, 2, 1])));
        let two = Source::from(IpAddr::from([192, 0, 2, 2]));
        assert!(addresses.enter(one, 2) && addresses.enter(one, 2));
        assert!(!addresses.enter(one, 2));
        assert!(addresses.enter(two, 2), "another address has places of its own");
        addresses.leave(one);
        assert!(addresses.enter(one, 2));
        for source in [one, one, two] {
            addresses.leave(source);
        }
        assert!(addresses.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
