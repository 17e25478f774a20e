//! What the admin API answers: built by control, served by admin, read by the operator's commands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BackendName, Cause, Direction, Health, ParityView, Phase, PoolName, Utc};

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
    /// When the pool entered its phase.
    pub since: Utc,
    /// Why the pool is as it is, in one sentence.
    pub reason: String,
    /// The pin; none when no operator holds a backend active.
    pub pin: Option<PinView>,
    /// The drill under way.
    pub drill: Option<RunView>,
    /// Whether the flap budget is spent: the pool moves back by itself no more until it is released.
    pub latched: bool,
    /// The flap budget.
    pub flap: FlapView,
    /// When it moves back by itself, if nothing changes until then.
    pub failback_at: Option<Utc>,
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
    /// What it lacks to be ready, one sentence each.
    pub lacks: Vec<String>,
    /// Whether an operator took it out.
    pub drained: bool,
    /// Requests under way on it.
    pub in_flight: u64,
    /// Tunnels (WebSockets and other upgrades) open on it; not among the requests under way.
    #[serde(default)]
    pub tunnels: u64,
    /// The addresses it is reached at now.
    pub addresses: Vec<String>,
    /// Its probes; none when probing is off.
    pub probe: Option<ProbeView>,
}

/// An operator holds a backend active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PinView {
    /// Which.
    pub backend: BackendName,
    /// Until then; none: until released.
    pub until: Option<Utc>,
    /// Whether it gives way when its backend becomes unavailable and another is not.
    pub yield_when_down: bool,
    /// Who, and why.
    pub note: String,
}

/// A drill under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunView {
    /// Its name in the journal.
    pub id: String,
    /// The backend that took over.
    pub target: BackendName,
    /// The backend that it took over from, and gives back to.
    pub origin: BackendName,
    /// When it ends.
    pub until: Utc,
    /// Who, and why.
    pub note: String,
}

/// How much of the flap budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlapView {
    /// Failovers of steering's own within the span.
    pub failovers: usize,
    /// How many there may be: one more latches the pool.
    pub budget: u32,
    /// The span, in seconds.
    pub within_seconds: u64,
}

/// How an order was carried out.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OrderView {
    /// What was done, in one line.
    pub done: String,
    /// Whether it is in the journal; if not, a restart may forget it, and botgate's log says why.
    pub journalled: bool,
    /// The pool afterwards.
    pub pool: PoolView,
}

/// Whether botgate should get traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether the first round of probes is over.
    pub ready: bool,
    /// What does not work as it should, one sentence each; does not make it unready.
    pub trouble: Vec<String>,
}

/// The probes of a backend.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ProbeView {
    /// When the last probe ended; none before the first.
    pub last: Option<Utc>,
    /// How many probes in a row ended as the last one did.
    pub consecutive: u32,
    /// Why the last probe failed; none when it was good.
    pub error: Option<String>,
}

/// A decision of steering, as the event stream shows it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DecisionView {
    /// When.
    pub at: Utc,
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
    /// Which way the switch went; none when the active backend did not change.
    pub direction: Option<Direction>,
    /// Why.
    pub cause: Cause,
    /// Who: `steering`, or the operator and the interface they used.
    pub actor: String,
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
