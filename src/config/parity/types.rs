//! A parity check, validated: what is asked of whom, what is taken of the answers, and how they compare.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method};

use crate::config::types_backend::BackendConfig;
use crate::model::{BackendName, ParityGate};

/// A check of whether the backends of a pool are in step.
#[derive(Clone, Debug, PartialEq)]
pub struct ParityConfig {
    /// Unique in its pool; printable, at most 64 characters.
    pub name: String,
    /// From the start of one round of questions to the start of the next; at least a second.
    pub interval: Duration,
    /// Bounds one question.
    pub timeout: Duration,
    /// What the check may decide.
    pub gate: ParityGate,
    /// What is taken of an answer.
    pub take: Take,
    /// How the values compare.
    pub rule: ParityRule,
    /// What a number counts ("documents"); empty where nobody knows.
    pub unit: &'static str,
    /// The questions, in the order of the pool's backends. Where values are compared with the active's there is one for
    /// each backend; otherwise at least one.
    pub requests: Vec<ParityRequest>,
}

impl ParityConfig {
    /// The hosts that are asked: those of companions and, where a backend is asked itself, its own.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.requests.iter().map(|request| request.service.url.host.as_str())
    }
}

/// One question to one backend, or to the service beside it.
#[derive(Clone, PartialEq)]
pub struct ParityRequest {
    /// The backend that the answer speaks for.
    pub backend: BackendName,
    /// Whom to ask, with which headers and TLS: the backend itself, or its companion under the backend's name.
    pub service: Arc<BackendConfig>,
    /// Whether it is a companion.
    pub companion: bool,
    /// GET, HEAD or POST.
    pub method: Method,
    /// Path and query. The query may hold a credential: never printed.
    pub path: String,
    /// Sent as well as the service's own. Values are marked sensitive.
    pub headers: Vec<(HeaderName, http::HeaderValue)>,
    /// The body; only with POST.
    pub body: Option<Bytes>,
}

impl fmt::Debug for ParityRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParityRequest")
            .field("backend", &self.backend)
            .field("service", &self.service)
            .field("companion", &self.companion)
            .field("method", &self.method)
            .field("path", &self.path.split('?').next().unwrap_or_default())
            .finish_non_exhaustive()
    }
}

/// What is taken of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// The whole body, without white space around it.
    Body,
    /// The value at a JSON pointer (RFC 6901). A `*` stands for every element of an array: no element bears that name.
    Json(String),
    /// The text of the elements on a path below the root element: `GeoReplication/LastSyncTime`.
    Xml(String),
    /// A response header.
    Header(HeaderName),
}

/// How values compare.
#[derive(Clone, Debug, PartialEq)]
pub enum ParityRule {
    /// The same as the active's; arrays as sets.
    Equal,
    /// Times: not further behind than this.
    MaxLag {
        /// How far.
        lag: Duration,
        /// Behind what.
        against: Against,
    },
    /// Numbers: not further from the active's than this.
    MaxDifference(Difference),
    /// Texts: this one is in it.
    Contains(String),
}

impl ParityRule {
    /// Whether a value means something only beside the active's.
    pub fn needs_active(&self) -> bool {
        match self {
            Self::Equal | Self::MaxDifference(_) => true,
            Self::MaxLag { against, .. } => *against == Against::Active,
            Self::Contains(_) => false,
        }
    }
}

/// What a time is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The active's: for times at which something was published. Of several the newest counts.
    Active,
    /// The time it is: for times up to which a copy is complete. Of several the oldest counts.
    Now,
}

/// How far two numbers may be apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Difference {
    /// So much.
    Absolute(f64),
    /// This share of the active's; 0.05 is 5 %.
    Share(f64),
}
