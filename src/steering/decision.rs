//! What goes into the machine, and what comes out.

use serde::Serialize;

use super::{BackendParity, Policy, Tally};
use crate::model::{BackendName, Cause, Direction, Health, Moment, Phase};

/// Something that was seen. Backends are meant by their index in the policy.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// A probe ended; the error says why it was bad.
    Probe {
        /// Which backend.
        backend: usize,
        /// How.
        result: Result<(), String>,
    },
    /// Live traffic since the last such observation.
    Evidence {
        /// Which backend.
        backend: usize,
        /// What was counted.
        counted: Tally,
    },
    /// Live traffic gives a reason to look: no verdict, but the first sign from which a failover is timed.
    Suspect {
        /// Which backend.
        backend: usize,
    },
    /// Parity checks were made.
    Parity {
        /// Which backend.
        backend: usize,
        /// What they say.
        parity: BackendParity,
    },
    /// The pool that this one follows is active in a region.
    Followed {
        /// The backend of this pool in that region; none: it has none there.
        region: Option<usize>,
        /// What happened there, in words.
        note: String,
    },
    /// A drill is to be given up, because it hurts.
    DrillHurts {
        /// How, in words.
        why: String,
    },
    /// Time went by.
    Tick,
    /// A new config was applied.
    Reload {
        /// The new rules.
        policy: Policy,
        /// For each backend of the new rules: its index in the old ones when its identity did not change.
        kept: Vec<Option<usize>>,
    },
}

/// What one observation or order led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// A change of the active backend or of the phase, an order that was carried out, or the end of what was forced.
    pub decision: Option<Decision>,
    /// Backends, by index, whose health changed, with the health before.
    pub health: Vec<(usize, Health)>,
}

/// A change of the active backend, of the phase, or an order; and what it was made from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The active backend before.
    pub before: Option<BackendName>,
    /// The active backend after.
    pub after: Option<BackendName>,
    /// The phase before.
    pub phase_before: Phase,
    /// The phase after.
    pub phase: Phase,
    /// The epoch after: one more than before if the active backend changed.
    pub epoch: u64,
    /// Why.
    pub cause: Cause,
    /// Who gave the order; none: steering's own.
    pub actor: Option<String>,
    /// Which way the switch goes; none when the active backend did not change, and at the start.
    pub direction: Option<Direction>,
    /// Why, in words.
    pub reason: String,
    /// The first sign of the trouble that a failover answers.
    #[serde(skip)]
    pub first_sign: Option<Moment>,
    /// The state of every backend when it was made.
    pub grounds: Vec<BackendGrounds>,
}

impl Decision {
    /// Whether the active backend changed. A backend of the same name at a new URL is another one.
    pub fn is_switch(&self) -> bool {
        self.direction.is_some()
    }
}

impl std::fmt::Display for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |name: &Option<BackendName>| name.as_ref().map_or("none", BackendName::as_str).to_owned();
        match self.direction {
            Some(direction) => {
                let (before, after) = (name(&self.before), name(&self.after));
                write!(f, "{} {before} → {after} (epoch {}): ", direction.as_str(), self.epoch)?;
            }
            None => write!(f, "{} on {} (epoch {}): ", self.phase, name(&self.after), self.epoch)?,
        }
        f.write_str(&self.reason)
    }
}

/// The state of one backend when a decision was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendGrounds {
    /// The backend.
    pub name: BackendName,
    /// Its health.
    pub health: Health,
    /// Whether an operator took it out.
    pub drained: bool,
    /// Whether it was ready to take over.
    pub ready: bool,
    /// How many probes in a row ended as the last one did.
    pub probes: u32,
    /// Why the last probe failed.
    pub probe_error: Option<String>,
    /// The last probes, oldest first.
    pub samples: Vec<ProbeSample>,
    /// What live traffic said within the span.
    pub evidence: Tally,
    /// What its parity checks said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parity: Vec<String>,
    /// Why it is not the active one; none when it is.
    pub rejected: Option<String>,
}

/// One probe that a decision was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProbeSample {
    /// How long before the decision it ended, in milliseconds.
    pub ago_ms: u64,
    /// Why it was bad; none when it was good.
    pub error: Option<String>,
}
