//! The validated limits of what clients may take: connections, time, requests, memory.

use std::time::Duration;

/// The least pace at which bytes must move while botgate waits for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinRate {
    /// Bytes per second; 0 asks for nothing.
    pub bytes: u64,
    /// How long a client may wait before its pace counts, and over which span it is measured.
    pub grace: Duration,
}

impl MinRate {
    /// Asks for nothing.
    pub const NONE: Self = Self { bytes: 0, grace: Duration::MAX };

    /// Whether `moved` bytes are too few for so long a wait.
    pub fn is_missed(&self, moved: u64, waited: Duration) -> bool {
        self.bytes > 0 && waited > self.grace && (moved as f64) < self.bytes as f64 * waited.as_secs_f64()
    }
}

/// What the clients of a listener may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Most connections at once from one IPv4 address or IPv6 /64; none: no cap of its own.
    pub per_address: Option<usize>,
    /// Pace of a request body, over the time for which it was waited for.
    pub body: MinRate,
    /// Pace at which a client reads, while it does not take all that it could have.
    pub read: MinRate,
}

/// What the clients of a pool may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most requests at once, from the end of a head to the end of its response; none: no cap.
    pub in_flight: Option<u64>,
    /// Most attempts at once at one backend; none: no cap.
    pub per_backend: Option<u64>,
    /// Requests from one IPv4 address or IPv6 /64; none: any number.
    pub per_address: Option<RateLimit>,
    /// Requests with the same `Authorization`; none: any number.
    pub per_token: Option<RateLimit>,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { in_flight: Some(10_000), per_backend: Some(10_000), per_address: None, per_token: None }
    }
}

/// A rate of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests per second in the long run; at least 1.
    pub per_second: u32,
    /// For how long a client may have saved them up: so many seconds' worth may come at once.
    pub burst: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_missed_only_past_its_grace() {
        let rate = MinRate { bytes: 100, grace: Duration::from_secs(5) };
        assert!(!rate.is_missed(0, Duration::from_secs(5)));
        assert!(rate.is_missed(599, Duration::from_secs(6)));
        assert!(!rate.is_missed(600, Duration::from_secs(6)));
        assert!(!MinRate::NONE.is_missed(0, Duration::from_secs(1 << 40)));
    }
}
