//! How often something may happen: a burst, and one more from time to time (the generic cell rate algorithm).

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Most that are told apart; past that the one that is nearest to being forgotten is.
const MOST: usize = 4096;

/// A limit for each of many. Memory is bounded, whoever comes.
#[derive(Debug)]
pub(super) struct Limiter<K> {
    burst: u32,
    every: Duration,
    /// When each would have used up what it has had, at the allowed rate.
    seen: Mutex<HashMap<K, Instant>>,
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    /// `burst` at once, and one more after each `every`.
    pub(super) fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, seen: Mutex::default() }
    }

    /// Whether there is room for one more; else how long to wait.
    ///
    /// # Errors
    /// The time until there is.
    pub(super) fn look(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let used = self.lock().get(key).copied();
        self.room(used, now).map(drop)
    }

    /// Takes one; where there is no room, takes none and tells how long to wait.
    ///
    /// # Errors
    /// The time until there is.
    pub(super) fn take(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let mut seen = self.lock();
        let used = self.room(seen.get(key).copied(), now)?;
        if seen.len() >= MOST && !seen.contains_key(key) {
            seen.retain(|_, used| *used > now);
            // Under attack from very many addresses only.
            if seen.len() >= MOST
                && let Some(least) = seen.iter().min_by_key(|(_, used)| **used).map(|(key, _)| key.clone())
            {
                seen.remove(&least);
            }
        }
        seen.insert(key.clone(), used + self.every);
        Ok(())
    }

    /// When what was had is used up, if there is room for one more.
    fn room(&self, used: Option<Instant>, now: Instant) -> Result<Instant, Duration> {
        let used = used.unwrap_or(now).max(now);
        let ahead = (used - now).saturating_sub(self.every * self.burst.saturating_sub(1));
        if ahead.is_zero() { Ok(used) } else { Err(ahead) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Instant>> {
        // A panic in between leaves at worst one entry behind.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one caller's address: an IPv4 address, or the /64 that an IPv6 one is in, of which a host has all.
pub(super) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_each_time() {
        let limiter = Limiter::new(3, SECOND);
        let now = Instant::now();
        assert!((0..3).all(|_| limiter.take(&"a", now).is_ok()));
        assert_eq!(limiter.take(&"a", now), Err(SECOND));
        assert_eq!(limiter.look(&"a", now + SECOND / 2), Err(SECOND / 2));
        assert_eq!(limiter.take(&"b", now), Ok(()), "another one has a burst of its own");
        assert_eq!(limiter.take(&"a", now + SECOND), Ok(()));
        assert_eq!(limiter.take(&"a", now + SECOND), Err(SECOND));
        let later = now + SECOND * 60;
        assert!(
            (0..3).all(|_| limiter.take(&"a", later).is_ok()),
            "what was not used does not add up beyond the burst"
        );
        assert!(limiter.take(&"a", later).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_does_not_grow_its_memory() {
        let limiter = Limiter::new(1, SECOND);
        let now = Instant::now();
        for key in 0..3 * MOST {
            assert!(limiter.take(&key, now + Duration::from_micros(key as u64)).is_ok());
        }
        assert!(limiter.lock().len() <= MOST);
        let last = 3 * MOST - 1;
        assert!(limiter.look(&last, now).is_err(), "the latest are the ones that are remembered");
    }

    #[test]
    fn neighbours_are_told_apart_by_what_a_host_cannot_change() {
        let of = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
