//! Explains a pool to whoever is on call: what happened, what it means for users, what to do, what would make it move.
//!
//! Pure: from the machine and a moment to sentences. Control adds the last decisions out of the journal.

mod advice;
mod holds;
mod moves;
mod tell;
#[cfg(test)]
mod tests;
mod way_back;

use std::time::Duration;

use super::Steering;
use crate::model::{ExplainView, FlapView, Now, PoolName};

/// What an explanation needs to know of a pool beside its machine.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The name of the pool.
    pub pool: &'a PoolName,
    /// From the start of one probe to the start of the next; none when probing is off.
    pub interval: Option<Duration>,
    /// The pool that this one follows.
    pub follows: Option<&'a PoolName>,
}

impl Steering {
    /// How much of the flap budget is spent.
    pub fn flap(&self, now: Now) -> FlapView {
        let rules = self.policy().flap;
        FlapView {
            failovers: self.standing().spent(rules, now.at),
            budget: rules.failovers,
            within_seconds: rules.within.as_secs(),
        }
    }

    /// Why the pool is as it is, what would make it move, and what to do. Its decisions are for the caller to add.
    pub fn explained(&self, setting: Setting<'_>, now: Now) -> ExplainView {
        let tell = tell::Tell { machine: self, setting, now };
        ExplainView {
            at: now.utc,
            pool: setting.pool.clone(),
            phase: self.phase(),
            since: self.since(),
            active: self.active().and_then(|active| self.name(active)),
            active_since: None,
            active_because: None,
            epoch: self.epoch(),
            summary: tell.summary(),
            reason: self.reason().to_owned(),
            users: tell.users(),
            advice: tell.advice(),
            holds: tell.holds(),
            moves: tell.moves().into_iter().chain([tell.budget()]).collect(),
            failback: tell.way_back(),
            backends: tell.backends(),
            flap: self.flap(now),
            decisions: Vec::new(),
            trouble: Vec::new(),
        }
    }
}
