//! Whether a standby is really in step, as it is told and shown.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BackendName, ParityGate};

/// What parity checks say of a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ParityVerdict {
    /// No check looks at it.
    #[default]
    Unchecked,
    /// It was not asked yet, or could not be asked, or there is nothing to compare it with.
    Unknown,
    /// It is in step.
    InStep,
    /// It is not.
    Drifted,
}

impl ParityVerdict {
    /// The word used in logs and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Unknown => "unknown",
            Self::InStep => "in-step",
            Self::Drifted => "drifted",
        }
    }

    /// The value of the metric: 1 in step, 0 drifted, -1 unknown; none when no check looks at it.
    pub const fn metric(self) -> Option<f64> {
        match self {
            Self::Unchecked => None,
            Self::Unknown => Some(-1.0),
            Self::InStep => Some(1.0),
            Self::Drifted => Some(0.0),
        }
    }
}

impl fmt::Display for ParityVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A parity check as the admin API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ParityView {
    /// The name of the check.
    pub name: String,
    /// What it asks for, in words.
    pub rule: String,
    /// What it may decide: `prefer`, `require` or `report`.
    #[schema(value_type = String)]
    pub gate: ParityGate,
    /// When the last round of questions ended (RFC 3339, UTC); none before the first.
    pub last: Option<String>,
    /// The backends that it looks at, in order of priority.
    pub backends: Vec<BackendParityView>,
}

/// What a parity check found at one backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BackendParityView {
    /// The backend.
    pub backend: BackendName,
    /// What the check says of it.
    pub verdict: ParityVerdict,
    /// What was found there, shortened; none when nothing was.
    pub value: Option<String>,
    /// Why the verdict is `unknown` or `drifted`; none when it is neither.
    pub why: Option<String>,
}
