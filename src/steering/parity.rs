//! Whether a standby is in step with the active backend.

use serde::Serialize;

/// What the parity checks of a pool say of one backend, put together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BackendParity {
    /// Their verdict.
    pub verdict: ParityVerdict,
    /// Whether a check of gate `require` found it out of step.
    pub required: bool,
    /// What each check found, in words.
    pub notes: Vec<String>,
}

/// The verdict of all checks that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParityVerdict {
    /// There are no checks.
    #[default]
    None,
    /// Not all checks could be made.
    Unknown,
    /// In step.
    InStep,
    /// Out of step.
    Drifted,
}
