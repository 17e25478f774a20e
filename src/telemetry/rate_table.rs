//! Rates of requests by a key, for all workers together.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::model::Moment;

/// Sets of four: a key is in one of the four places of its set, on one cache line.
const SETS: usize = 1 << 14;
const WAYS: usize = 4;
/// The low bits of a place: the moment, in microseconds, up to which its key has used up its rate. 8.9 years.
const TIME: u64 = (1 << 48) - 1;

/// How much of its rate each key has used: the generic cell rate algorithm (ITU-T I.371), one word per key.
///
/// Lock-free and of fixed size (512 KiB once a rate is limited, nothing before): 65,536 keys. A key that finds its set full
/// takes the place of the one that is closest to having saved up its rate: a flood of keys makes limits laxer, never
/// stricter. Keys are told apart by 30 bits of a hash that nobody can predict: with 65,536 others about, a
/// key shares its rate with one of them by a chance of 1 in 16,000.
#[derive(Debug, Default)]
pub struct RateTable {
    places: OnceLock<Box<[AtomicU64]>>,
    hasher: RandomState,
}

impl RateTable {
    /// Takes one request of a key's rate: `per_second` (at least 1), of which `burst` may be saved up.
    ///
    /// # Errors
    /// The rate is used up; how long until there is room for one.
    pub fn take(&self, key: impl Hash, now: Moment, per_second: u32, burst: Duration) -> Result<(), Duration> {
        let places = self.places.get_or_init(|| (0..SETS * WAYS).map(|_| AtomicU64::new(0)).collect());
        let hash = self.hasher.hash_one(key);
        let set = (hash >> 16) as usize % SETS * WAYS;
        // 0 is a place that was never used.
        let tag = (hash & 0xFFFF).max(1) << 48;
        let now = now.since_origin().as_micros() as u64 & TIME;
        let cost = (1_000_000 / u64::from(per_second.max(1))).max(1);
        let saved = (burst.as_micros() as u64).max(cost);
        for _ in 0..8 {
            let Some((place, seen)) = find(&places[set..set + WAYS], tag) else { return Ok(()) };
            let used = if seen & !TIME == tag { (seen & TIME).max(now) } else { now };
            let next = used + cost;
            if next > now + saved {
                return Err(Duration::from_micros(next - now - saved));
            }
            if place.compare_exchange_weak(seen, tag | (next & TIME), Relaxed, Relaxed).is_ok() {
                return Ok(());
            }
        }
        // Others took the place eight times over: one request more does not matter.
        Ok(())
    }
}

/// The place of a tag, or the one that it may take.
fn find(set: &[AtomicU64], tag: u64) -> Option<(&AtomicU64, u64)> {
    let seen = || set.iter().map(|place| (place, place.load(Relaxed)));
    seen().find(|(_, seen)| seen & !TIME == tag).or_else(|| seen().min_by_key(|(_, seen)| seen & TIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(millis))
    }

    #[test]
    fn what_was_saved_up_may_come_at_once_and_then_only_the_rate() {
        let table = RateTable::default();
        let taken = (0..100).take_while(|_| table.take("a", at(10_000), 10, 2 * S).is_ok()).count();
        assert_eq!(taken, 20);
        assert_eq!(table.take("a", at(10_000), 10, 2 * S), Err(S / 10));
        assert_eq!(table.take("b", at(10_000), 10, 2 * S), Ok(()), "another key has a rate of its own");
        let over_ten_seconds = (10_000..20_000).filter(|now| table.take("a", at(*now), 10, 2 * S).is_ok()).count();
        assert!((99..=100).contains(&over_ten_seconds), "{over_ten_seconds}");
    }

    #[test]
    fn a_flood_of_keys_makes_no_limit_stricter() {
        let table = RateTable::default();
        let limited = (0..300_000).filter(|key| table.take(key, at(1000 + key / 100), 1, S).is_err()).count();
        // Each meets some 65,536 others.
        assert!(limited < 100, "{limited} of 300,000 keys shared the rate of another");
    }
}
