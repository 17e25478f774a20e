//! How many connections each address has open at a listener, over all workers.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::Source;

/// A power of two: workers that accept in the same moment seldom meet.
const SHARDS: usize = 64;

/// How long an address that flooded may not connect again: what it began costs its backends connections, and a client that is
/// cut and comes back at once would begin it as often as it likes.
const BARRED: Duration = Duration::from_secs(30);
/// A shard with more addresses than this is looked through for those that are barred no more.
const MANY: usize = 1024;

/// What an address has.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    open: usize,
    barred: Option<Instant>,
}

impl Taken {
    fn is_nothing(&self, now: Instant) -> bool {
        self.open == 0 && self.barred.is_none_or(|until| until <= now)
    }
}

/// Open connections by where they come from. Touched when a connection begins and ends, never by a request; an address
/// without a connection takes no room, so it is bounded by the listener's own cap.
#[derive(Debug)]
pub(in crate::server) struct Addresses {
    shards: [Mutex<HashMap<Source, Taken>>; SHARDS],
    /// Keyed by chance, so that nobody can choose addresses that meet.
    hasher: RandomState,
}

impl Default for Addresses {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }
}

impl Addresses {
    fn shard(&self, source: Source) -> MutexGuard<'_, HashMap<Source, Taken>> {
        let at = self.hasher.hash_one(source) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection from there, which [`Self::leave`] gives back; false when it has `most` already, or is
    /// barred.
    pub(in crate::server) fn enter(&self, source: Source, most: usize, now: Instant) -> bool {
        match self.shard(source).entry(source) {
            Entry::Occupied(mut taken) => {
                let taken = taken.get_mut();
                if taken.open >= most || taken.barred.is_some_and(|until| now < until) {
                    return false;
                }
                taken.open += 1;
                taken.barred = None;
            }
            Entry::Vacant(_) if most == 0 => return false,
            Entry::Vacant(first) => {
                first.insert(Taken { open: 1, barred: None });
            }
        }
        true
    }

    /// Takes no connection from there for a while; those that it has go on.
    pub(in crate::server) fn bar(&self, source: Source, now: Instant) {
        let mut shard = self.shard(source);
        if shard.len() > MANY {
            shard.retain(|_, taken| !taken.is_nothing(now));
        }
        shard.entry(source).or_default().barred = Some(now + BARRED);
    }

    /// Gives a place back.
    pub(in crate::server) fn leave(&self, source: Source) {
        let mut shard = self.shard(source);
        if let Entry::Occupied(mut taken) = shard.entry(source) {
            taken.get_mut().open = taken.get().open.saturating_sub(1);
            if taken.get().open == 0 && taken.get().barred.is_none() {
                taken.remove();
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
        let now = Instant::now();
        assert!(addresses.enter(one, 2, now) && addresses.enter(one, 2, now));
        assert!(!addresses.enter(one, 2, now));
        assert!(addresses.enter(two, 2, now), "another address has places of its own");
        addresses.leave(one);
        assert!(addresses.enter(one, 2, now));
        for source in [one, one, two] {
            addresses.leave(source);
        }
        assert!(addresses.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }

    #[test]
    fn an_address_that_flooded_is_barred_for_a_while_and_then_forgotten() {
        let (addresses, one) = (Addresses::default(), Source::from(IpAddr::from([192, 0, 2, 1])));
        let now = Instant::now();
        assert!(addresses.enter(one, 9, now) && addresses.enter(one, 9, now));
        addresses.bar(one, now);
        addresses.leave(one);
        assert!(!addresses.enter(one, 9, now + BARRED / 2), "also while another connection of its is open");
        addresses.leave(one);
        assert!(!addresses.enter(one, 9, now + BARRED / 2));
        let later = now + BARRED;
        assert!(addresses.enter(one, 9, later));
        addresses.leave(one);
        assert!(addresses.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
        // Those that never come back are swept out by others.
        for host in 0..100_000_u32 {
            addresses.bar(Source::from(IpAddr::from(host.to_be_bytes())), now);
        }
        for host in 100_000..200_000_u32 {
            addresses.bar(Source::from(IpAddr::from(host.to_be_bytes())), later);
        }
        let held: usize = addresses.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(held <= 100_000 + SHARDS * MANY, "{held}");
    }
}
