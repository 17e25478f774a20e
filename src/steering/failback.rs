//! The way back to a better priority.

use super::{BackendState, Policy, choice};
use crate::model::{FailbackMode, Moment, Phase};

/// What is to be done about the way back, while the active backend is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failback {
    /// The active backend is the first priority.
    Home,
    /// Nothing of better priority is healthy.
    NoneBetter,
    /// This one is healthy, and its hold runs.
    Hold(usize),
    /// Its hold is over: move.
    Go(usize),
    /// Its hold is over, but the mode leaves the move to another rule: stay, in this phase.
    Stay(Phase),
}

/// Follows the candidate of best priority only: a hold that is over on a second choice is not used while the first
/// choice holds, since that would move twice.
pub(super) fn assess(policy: &Policy, backends: &[BackendState], active: usize, now: Moment) -> Failback {
    if policy.ranking().first() == Some(&active) {
        return Failback::Home;
    }
    let Some(candidate) = choice::better(policy, backends, active) else { return Failback::NoneBetter };
    if policy.failback == FailbackMode::Never {
        return Failback::Stay(Phase::FailedOver);
    }
    let over = backends[candidate].sound_since.is_some_and(|since| now.since(since) >= policy.hold);
    match (over, policy.failback) {
        (false, _) => Failback::Hold(candidate),
        (true, FailbackMode::Auto) => Failback::Go(candidate),
        (true, FailbackMode::Approve) => Failback::Stay(Phase::AwaitingApproval),
        (true, FailbackMode::Window) => Failback::Stay(Phase::Holding),
        (true, FailbackMode::Never) => Failback::Stay(Phase::FailedOver),
    }
}
