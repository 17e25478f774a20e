//! What a service received: lets a harness prove that a request was delivered once.

use std::collections::HashMap;

use serde::Serialize;

/// Keys beyond this many are counted, not kept.
const MAX_KEYS: usize = 1_000_000;

/// What a service received since its start, or since it was last forgotten.
#[derive(Debug, Default, Serialize)]
pub(super) struct Received {
    /// Requests whose head and body arrived, but for probes.
    pub(super) requests: u64,
    /// `GET /healthz`.
    pub(super) probes: u64,
    /// WebSocket sessions.
    pub(super) sessions: u64,
    /// By `Idempotency-Key`; without one, by the activity's channel, conversation and id.
    pub(super) keys: HashMap<String, Tally>,
    /// Requests with a key that came after a million others.
    pub(super) keys_not_kept: u64,
}

/// How often a request with one key came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    /// It arrived.
    pub(super) received: u32,
    /// It was acted on, and the answer was written or about to be: a fault did not turn it away.
    pub(super) answered: u32,
}

impl Received {
    /// Counts the arrival of a request with `key`.
    pub(super) fn arrived(&mut self, key: Option<&str>) {
        self.requests += 1;
        let Some(key) = key else { return };
        if let Some(tally) = self.keys.get_mut(key) {
            tally.received += 1;
        } else if self.keys.len() < MAX_KEYS {
            self.keys.insert(key.to_owned(), Tally { received: 1, answered: 0 });
        } else {
            self.keys_not_kept += 1;
        }
    }

    /// Counts that a request with `key` was acted on.
    pub(super) fn answered(&mut self, key: Option<&str>) {
        if let Some(tally) = key.and_then(|key| self.keys.get_mut(key)) {
            tally.answered += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_counted_by_key() {
        let mut received = Received::default();
        received.arrived(Some("a"));
        received.arrived(Some("a"));
        received.answered(Some("a"));
        received.arrived(None);
        assert_eq!(received.requests, 3);
        assert_eq!(received.keys["a"], Tally { received: 2, answered: 1 });
    }
}
