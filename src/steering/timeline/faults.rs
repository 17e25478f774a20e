//! What one fault of a script came to.

use std::time::Duration;

use serde::Serialize;

use super::entry::{maybe_millis, millis};
use crate::config::Condition;
use crate::model::{BackendName, PoolName};

/// What one fault came to. Times are from its beginning unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaultReport {
    /// When it began, from the start of the script.
    #[serde(rename = "at_ms", serialize_with = "millis")]
    pub at: Duration,
    /// The pool.
    pub pool: PoolName,
    /// The backend.
    pub backend: BackendName,
    /// The fault, in the script's words.
    pub does: String,
    /// How long it lasted; none: to the end.
    #[serde(rename = "lasted_ms", serialize_with = "maybe_millis")]
    pub lasted: Option<Duration>,
    /// Until its first sign; none: nobody noticed.
    #[serde(rename = "found_ms", serialize_with = "maybe_millis")]
    pub found: Option<Duration>,
    /// Until the backend was given up.
    #[serde(rename = "given_up_ms", serialize_with = "maybe_millis")]
    pub given_up: Option<Duration>,
    /// Until the pool moved away from the backend.
    #[serde(rename = "moved_ms", serialize_with = "maybe_millis")]
    pub moved: Option<Duration>,
    /// Where to.
    pub moved_to: Option<BackendName>,
    /// Until the pool was back on the backend.
    #[serde(rename = "back_ms", serialize_with = "maybe_millis")]
    pub back: Option<Duration>,
    /// The simulated requests that met it.
    pub clients: Clients,
    /// What any request that meets such a fault is in for, one sentence for each rule that bounds it.
    pub bounds: Vec<String>,
    #[serde(skip)]
    pub(super) condition: Condition,
}

/// The simulated requests that met a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Clients {
    /// How many met it.
    pub met: u64,
    /// How many of them another backend answered.
    pub elsewhere: u64,
    /// How many failed: no response, or an error.
    pub failed: u64,
    /// The longest that one of them waited for its response or its failure.
    #[serde(rename = "slowest_ms", serialize_with = "millis")]
    pub slowest: Duration,
}
