//! What goes into the machine, and what comes out.

use serde::Serialize;

use super::{Policy, Tally};
use crate::model::{BackendName, Cause, Direction, Health, Moment, Phase};

/// Something that was seen, or ordered. Backends are meant by their index in the policy.
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
    /// An operator takes a backend out.
    Drain {
        /// Which backend.
        backend: usize,
        /// Who, and why.
        note: String,
    },
    /// An operator puts a backend back.
    Resume {
        /// Which backend.
        backend: usize,
        /// Who, and why.
        note: String,
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

/// What one observation led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// A change of the active backend or of the phase.
    pub decision: Option<Decision>,
    /// Backends, by index, whose health changed, with the health before.
    pub health: Vec<(usize, Health)>,
}

/// A change of the active backend, of the phase, or of both, and what it was made from.
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
    /// How many probes in a row ended as the last one did.
    pub probes: u32,
    /// Why the last probe failed.
    pub probe_error: Option<String>,
    /// What live traffic said within the span.
    pub evidence: Tally,
}
