//! The health of a backend.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What probes and evidence say about a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// No verdict yet: eligible, after every healthy backend.
    #[default]
    Unknown,
    /// `rise` probes in a row were good (one is enough for the first verdict).
    Healthy,
    /// `fall` probes in a row were bad, or live traffic said so.
    Unhealthy,
}

impl Health {
    /// The word used in logs, metrics and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
