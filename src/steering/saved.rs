//! What of a pool outlives the process: written with every decision, taken up at the next start.

use serde::{Deserialize, Serialize};

use super::standing::{Deadline, Failover, Pin, Run};
use super::{Standing, Steering};
use crate::model::{BackendName, Now, Phase, Utc};

/// The state of a pool that a restart brings back. Health is not part of it: probes will say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Grows by one at every switch.
    pub epoch: u64,
    /// Where the machine stood.
    pub phase: Phase,
    /// Since when.
    pub since: Utc,
    /// Why, in words.
    pub reason: String,
    /// The active backend.
    pub active: Option<BackendName>,
    /// The backends that were drained.
    #[serde(default)]
    pub drained: Vec<BackendName>,
    #[serde(default)]
    pub(super) pin: Option<SavedPin>,
    #[serde(default)]
    pub(super) drill: Option<SavedRun>,
    /// Whether the flap budget was spent.
    #[serde(default)]
    pub latched: bool,
    #[serde(default)]
    pub(super) away: bool,
    #[serde(default)]
    pub(super) forced: bool,
    #[serde(default)]
    pub(super) failovers: Vec<Utc>,
    #[serde(default)]
    pub(super) region: Option<BackendName>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedPin {
    backend: BackendName,
    until: Option<Utc>,
    yield_when_down: bool,
    note: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedRun {
    id: String,
    target: BackendName,
    origin: BackendName,
    until: Utc,
    note: String,
}

impl Steering {
    /// What the next start has to know.
    pub fn saved(&self) -> Saved {
        let standing = self.standing();
        let name = |backend: usize| self.policy().backends.get(backend).map(|b| b.name.clone());
        let drained = self.backends().iter().enumerate().filter(|(_, state)| state.drained);
        Saved {
            epoch: self.epoch(),
            phase: self.phase(),
            since: self.since(),
            reason: self.reason().to_owned(),
            active: self.active().and_then(name),
            drained: drained.filter_map(|(backend, _)| name(backend)).collect(),
            pin: standing.pin.as_ref().and_then(|pin| {
                let until = pin.until.map(|until| until.utc);
                Some(SavedPin {
                    backend: name(pin.backend)?,
                    until,
                    yield_when_down: pin.yield_when_down,
                    note: pin.note.clone(),
                })
            }),
            drill: standing.drill.as_ref().and_then(|run| {
                let (target, origin) = (name(run.target)?, name(run.origin)?);
                Some(SavedRun { id: run.id.clone(), target, origin, until: run.until.utc, note: run.note.clone() })
            }),
            latched: standing.latched,
            away: standing.away,
            forced: standing.forced,
            failovers: standing.failovers.iter().map(|past| past.utc).collect(),
            region: self.region().and_then(name),
        }
    }
}

/// Finds a backend by its name.
pub(super) type Find<'a> = &'a dyn Fn(&BackendName) -> Option<usize>;

impl Saved {
    /// What held the pool; what names a backend that is gone does so no longer.
    pub(super) fn standing(&self, find: Find<'_>, now: Now) -> Standing {
        let deadline = |utc| Deadline::at_utc(utc, now);
        let pin = self.pin.as_ref().and_then(|pin| {
            let (until, yield_when_down) = (pin.until.map(deadline), pin.yield_when_down);
            Some(Pin { backend: find(&pin.backend)?, until, yield_when_down, note: pin.note.clone() })
        });
        let drill = self.drill.as_ref().and_then(|run| {
            let (target, origin) = (find(&run.target)?, find(&run.origin)?);
            Some(Run { id: run.id.clone(), target, origin, until: deadline(run.until), note: run.note.clone() })
        });
        let past = |utc: &Utc| Failover { at: now.at, earlier: now.utc.since(*utc), utc: *utc };
        Standing {
            pin,
            drill,
            latched: self.latched,
            away: self.away,
            forced: self.forced,
            failovers: self.failovers.iter().map(past).collect(),
            hold_from: None,
        }
    }
}
