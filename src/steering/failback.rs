//! The way back to a better priority.

use super::choice::Field;
use super::{Standing, Steering};
use crate::model::{FailbackMode, Moment, Now, Phase, Utc};

/// What is to be done about the way back, while the active backend is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failback {
    /// The active backend is the first priority.
    Home,
    /// Nothing of better priority is ready.
    NoneBetter,
    /// One is ready, and its hold runs.
    Hold,
    /// Its hold is over: move.
    Go(usize),
    /// Its hold is over: an operator is to approve the move.
    Ask(usize),
    /// The move is left to somebody or to a later time: stay, in this phase.
    Stay(Phase),
}

/// Follows the candidate of best priority only: a hold that is over on a second choice is not used while the first
/// choice holds, since that would move twice.
pub(super) fn assess(field: &Field<'_>, standing: &Standing, active: usize, now: Now) -> Failback {
    if field.home() == Some(active) {
        return Failback::Home;
    }
    if standing.away {
        return Failback::Stay(Phase::AwaitingApproval);
    }
    let Some(candidate) = field.better(active) else { return Failback::NoneBetter };
    let rules = &field.policy.failback;
    let over = held_until(field, standing, candidate).is_some_and(|until| until <= now.at);
    match (over, rules.mode) {
        (_, FailbackMode::Never) => Failback::Stay(Phase::FailedOver),
        (false, _) => Failback::Hold,
        (true, FailbackMode::Auto) => Failback::Go(candidate),
        (true, FailbackMode::Approve) => Failback::Ask(candidate),
        (true, FailbackMode::Window) if rules.windows.iter().any(|window| window.contains(now.utc)) => {
            Failback::Go(candidate)
        }
        (true, FailbackMode::Window) => Failback::Stay(Phase::Holding),
    }
}

/// When the hold of a ready backend is over.
pub(super) fn held_until(field: &Field<'_>, standing: &Standing, candidate: usize) -> Option<Moment> {
    let since = field.backends.get(candidate)?.sound_since?;
    Some(standing.hold_from.map_or(since, |from| from.max(since)) + field.policy.failback.hold)
}

impl Steering {
    /// When the pool will move back by itself, if nothing changes until then.
    pub fn failback_at(&self, now: Now) -> Option<Moment> {
        let (field, rules) = (self.field(), &self.policy().failback);
        if self.phase() != Phase::Holding || !matches!(rules.mode, FailbackMode::Auto | FailbackMode::Window) {
            return None;
        }
        let held = held_until(&field, self.standing(), field.better(self.active()?)?)?.max(now.at);
        if rules.mode == FailbackMode::Auto {
            return Some(held);
        }
        let from = now.utc_of(held);
        let opens: Option<Utc> = rules.windows.iter().map(|window| window.opens(from)).min();
        opens.map(|opens| now.moment_of(opens).max(held))
    }

    /// When the hold that runs is over, whatever comes after it.
    pub(super) fn hold_over_at(&self) -> Option<Moment> {
        if self.phase() != Phase::Holding {
            return None;
        }
        let field = self.field();
        held_until(&field, self.standing(), field.better(self.active()?)?)
    }
}
