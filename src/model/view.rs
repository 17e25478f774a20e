//! What the admin API answers: built by control, served by admin, read by the operator's commands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BackendName, Cause, Health, ParityView, Phase, PoolName};

/// A pool as the admin API shows it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PoolView {
    /// The name of the pool.
    pub name: PoolName,
    /// Where its state machine stands.
    pub phase: Phase,
    /// The backend that requests go to now; none when all are down and the policy is to reject.
    pub active: Option<BackendName>,
    /// Grows by one at every switch.
    pub epoch: u64,
    /// When the pool entered its phase (RFC 3339, UTC).
    pub since: String,
    /// Why the pool is as it is, in one sentence.
    pub reason: String,
    /// The backends, in order of priority.
    pub backends: Vec<BackendView>,
    /// The parity checks, in order of the config.
    #[serde(default)]
    pub parity: Vec<ParityView>,
}

/// A backend as the admin API shows it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BackendView {
    /// The name of the backend.
    pub name: BackendName,
    /// Its URL; never with credentials.
    pub url: String,
    /// Its priority: 1 is first.
    pub priority: u32,
    /// What probes and evidence say.
    pub health: Health,
    /// Whether it could take over now.
    pub ready: bool,
    /// Whether an operator took it out.
    pub drained: bool,
    /// Requests under way on it.
    pub in_flight: u64,
    /// The addresses it is reached at now.
    pub addresses: Vec<String>,
    /// Its probes; none when probing is off.
    pub probe: Option<ProbeView>,
}

/// The probes of a backend.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ProbeView {
    /// When the last probe ended (RFC 3339, UTC); none before the first.
    pub last: Option<String>,
    /// How many probes in a row ended as the last one did.
    pub consecutive: u32,
    /// Why the last probe failed; none when it was good.
    pub error: Option<String>,
}

/// A decision of steering, as the event stream shows it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DecisionView {
    /// When (RFC 3339, UTC).
    pub at: String,
    /// The pool.
    pub pool: PoolName,
    /// The phase after the decision.
    pub phase: Phase,
    /// The active backend after the decision.
    pub active: Option<BackendName>,
    /// The active backend before the decision.
    pub before: Option<BackendName>,
    /// The epoch after the decision.
    pub epoch: u64,
    /// Why.
    pub cause: Cause,
    /// The same in one readable line.
    pub text: String,
}

/// How a reload ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum ReloadOutcome {
    /// The new config serves.
    Applied {
        /// What changed, one line each; empty when nothing did.
        changes: Vec<String>,
        /// Keys that changed but take a restart to have effect.
        needs_restart: Vec<String>,
        /// Warnings of the new config.
        warnings: Vec<String>,
    },
    /// The new config is bad: nothing changed.
    Rejected {
        /// Every error, as `botgate check` prints it.
        errors: Vec<String>,
    },
}
