//! Which backend, and in which order: the choices, apart from the state that they are made from.

use super::{BackendState, Policy};
use crate::model::{AllDown, Health};

/// The available backends: healthy ones before unknown ones, each by priority.
pub(super) fn available(policy: &Policy, backends: &[BackendState]) -> Vec<usize> {
    let mut all: Vec<usize> = (0..backends.len()).filter(|&b| backends[b].available()).collect();
    all.sort_by_key(|&b| (backends[b].health() != Health::Healthy, policy.rank(b)));
    all
}

/// The active backend for lack of a better one: `active` while it is available or nothing else is, since what does not
/// move cannot go wrong by moving; never a drained one.
pub(super) fn active(policy: &Policy, backends: &[BackendState], active: Option<usize>) -> Option<usize> {
    if let Some(active) = active.filter(|&b| backends[b].available()) {
        return Some(active);
    }
    if let Some(&best) = available(policy, backends).first() {
        return Some(best);
    }
    match policy.all_down {
        AllDown::Reject => None,
        AllDown::TryAll => {
            let undrained = |b: &usize| !backends[*b].drained;
            active.filter(undrained).or_else(|| policy.ranking().into_iter().find(undrained))
        }
    }
}

/// The order in which a request tries the backends: the active one, then what else is available. With none available:
/// all that are not drained, the active one first and the others by priority, or nothing, as the policy says.
pub(super) fn order(policy: &Policy, backends: &[BackendState], active: Option<usize>) -> Vec<usize> {
    let mut others = available(policy, backends);
    if others.is_empty() && policy.all_down == AllDown::TryAll {
        others = policy.ranking().into_iter().filter(|&b| !backends[b].drained).collect();
    }
    let others = others.into_iter().filter(|&b| Some(b) != active);
    active.into_iter().chain(others).collect()
}

/// The backend of better priority than `active` that the pool could move back to.
pub(super) fn better(policy: &Policy, backends: &[BackendState], active: usize) -> Option<usize> {
    let better = |b: &usize| policy.rank(*b) < policy.rank(active) && backends[*b].ready(policy);
    policy.ranking().into_iter().find(better)
}
