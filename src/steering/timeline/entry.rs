//! What came of a script.

use std::time::Duration;

use serde::Serialize;

use super::super::Decision;
use super::FaultReport;
use crate::model::{BackendName, Health, PoolName, Utc};

/// What came of a script.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    /// How long it goes on, in milliseconds.
    #[serde(rename = "for_ms", serialize_with = "millis")]
    pub lasts: Duration,
    /// What the wall clock shows at its start.
    pub start: Utc,
    /// Live requests per second, by pool.
    pub traffic: Vec<(PoolName, f64)>,
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// What each fault came to, in order.
    pub faults: Vec<FaultReport>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// When, in milliseconds from the start.
    #[serde(rename = "at_ms", serialize_with = "millis")]
    pub at: Duration,
    /// When, on the wall clock.
    pub utc: Utc,
    /// To which pool.
    pub pool: PoolName,
    /// What.
    #[serde(flatten)]
    pub what: Happened,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Happened {
    /// A backend behaves otherwise, as the script says.
    Fault {
        /// Which.
        backend: BackendName,
        /// How, in the script's words.
        does: String,
    },
    /// The first sign of a fault.
    Detection {
        /// Of which backend.
        backend: BackendName,
        /// What was seen, in words.
        by: String,
    },
    /// Probes or live traffic changed a verdict.
    Health {
        /// About which backend.
        backend: BackendName,
        /// The health before.
        was: Health,
        /// The health after.
        is: Health,
        /// What the last probe said, if it was bad.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Steering decided.
    Decision(Box<Decision>),
    /// An order was not carried out.
    Refused {
        /// Which, in the script's word.
        order: &'static str,
        /// What speaks against it.
        reasons: Vec<String>,
        /// Whether `force` would do it all the same.
        forcible: bool,
    },
    /// The first request failed that met a fault.
    ClientsFail {
        /// Of which backend.
        backend: BackendName,
        /// How long the request had taken by then, in milliseconds.
        #[serde(rename = "after_ms", serialize_with = "millis")]
        after: Duration,
    },
}

impl Timeline {
    /// The decisions, in order, without the starts of the pools.
    pub fn decisions(&self) -> impl Iterator<Item = (&Entry, &Decision)> {
        self.entries.iter().filter_map(|entry| match &entry.what {
            Happened::Decision(decision) if decision.cause != crate::model::Cause::Start => Some((entry, &**decision)),
            _ => None,
        })
    }
}

pub(super) fn millis<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(span.as_millis().try_into().unwrap_or(u64::MAX))
}

pub(super) fn maybe_millis<S: serde::Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => millis(span, serializer),
        None => serializer.serialize_none(),
    }
}
