//! What the clients of a pool may take, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::raw_values::RawDuration;

/// What clients may take of a pool.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Limits")]
pub(super) struct RawPoolLimits {
    /// Most requests at once, over all workers; past that they are answered 503 with Retry-After. WebSockets do not count.
    /// 0 is no cap. Default 10000.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub(super) in_flight: Option<u64>,
    /// Most requests at once at one backend, over all workers, likewise. 0 is no cap. Default 10000.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub(super) per_backend: Option<u64>,
    /// Requests per second from one IPv4 address or IPv6 /64, over all workers; past that they are answered 429 with
    /// Retry-After. 0 is any number. Default 0.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(super) per_address: Option<u64>,
    /// Requests per second with the same Authorization, likewise. 0 is any number. Default 0.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(super) per_token: Option<u64>,
    /// How many seconds' worth of requests may come at once after a quiet time. Default "5s".
    pub(super) burst: Option<RawDuration>,
}
