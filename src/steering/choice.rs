//! Which backend, and in which order: the choices, apart from the state that they are made from.

use super::{BackendState, Policy};
use crate::model::{AllDown, Health, ParityVerdict, WhenBothBad, WhenUnavailable};

/// What a choice is made from.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) policy: &'a Policy,
    pub(super) backends: &'a [BackendState],
    /// The backend that comes before all others whatever its priority: for a pool that follows another, its own in the
    /// region that the other is in.
    pub(super) region: Option<usize>,
}

/// How good a choice an available backend is: the first is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Merit {
    /// It could take over now.
    Ready,
    /// Healthy, but not known to be in step.
    Unchecked,
    /// Nothing known against it, and nothing for it.
    Unknown,
    /// Known to be out of step.
    Drifted,
}

impl Field<'_> {
    /// The place of a backend in the order of priority, the first least; equal priorities stand in order of writing.
    pub(super) fn rank(&self, backend: usize) -> (bool, u32, usize) {
        let priority = self.policy.backends.get(backend).map_or(u32::MAX, |b| b.priority);
        (self.region != Some(backend), priority, backend)
    }

    /// All backends by priority.
    pub(super) fn ranking(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.policy.backends.len()).collect();
        all.sort_by_key(|&backend| self.rank(backend));
        all
    }

    /// The backend of first priority.
    pub(super) fn home(&self) -> Option<usize> {
        (0..self.policy.backends.len()).min_by_key(|&backend| self.rank(backend))
    }

    pub(super) fn ready(&self, backend: usize) -> bool {
        self.backends.get(backend).is_some_and(|b| b.ready(self.policy))
    }

    pub(super) fn available(&self, backend: usize) -> bool {
        self.backends.get(backend).is_some_and(BackendState::available)
    }

    pub(super) fn drained(&self, backend: usize) -> bool {
        self.backends.get(backend).is_none_or(|b| b.drained)
    }

    fn merit(&self, backend: usize) -> Merit {
        let state = &self.backends[backend];
        match (state.parity.verdict, state.health()) {
            _ if state.ready(self.policy) => Merit::Ready,
            (ParityVerdict::Drifted, _) => Merit::Drifted,
            (_, Health::Healthy) => Merit::Unchecked,
            _ => Merit::Unknown,
        }
    }

    /// The backends that may be moved to, the best first: ready ones before others (the gate), each by priority.
    pub(super) fn choices(&self) -> Vec<usize> {
        let eligible = |b: &usize| self.backends[*b].available() && !self.backends[*b].barred();
        let mut all: Vec<usize> = (0..self.backends.len()).filter(eligible).collect();
        all.sort_by_key(|&b| (self.merit(b), self.rank(b)));
        all
    }

    /// The active backend for lack of a better one: `active` while it is available, or `forced`, or nothing else is; never
    /// a drained one.
    pub(super) fn active(&self, active: Option<usize>, forced: bool) -> Option<usize> {
        if let Some(active) = active.filter(|&b| self.available(b) || (forced && !self.drained(b))) {
            return Some(active);
        }
        if let Some(&best) = self.choices().first() {
            return Some(best);
        }
        // With none to choose: where it is, or by priority; behind a shut gate only if there is no place before it.
        let undrained = |b: &usize| !self.drained(*b);
        let open = |b: &usize| undrained(b) && !self.backends[*b].barred();
        let first = || self.ranking().into_iter().find(open).or(active.filter(undrained));
        let first = || first().or_else(|| self.ranking().into_iter().find(undrained));
        match (self.policy.all_down, self.policy.when_both_bad) {
            (AllDown::Reject, _) => None,
            (AllDown::TryAll, WhenBothBad::Stay) => active.filter(undrained).or_else(first),
            (AllDown::TryAll, WhenBothBad::Priority) => first(),
        }
    }

    /// The order in which a request tries the backends: the active one, then what else may be. With none available: all
    /// that are not drained, the active one first and the others by priority, or nothing, as the policy says.
    pub(super) fn order(&self, active: Option<usize>) -> Vec<usize> {
        let mut others = self.choices();
        let any = others.iter().any(|b| Some(*b) != active) || active.is_some_and(|b| self.available(b));
        if !any && self.policy.all_down == AllDown::TryAll {
            let may = |b: &usize| !self.drained(*b) && !self.backends[*b].barred();
            others = self.ranking().into_iter().filter(may).collect();
        }
        let others = others.into_iter().filter(|&b| Some(b) != active);
        active.into_iter().chain(others).collect()
    }

    /// The backend of better priority than `active` that the pool could move back to.
    pub(super) fn better(&self, active: usize) -> Option<usize> {
        self.ahead(active).find(|&b| self.ready(b))
    }

    /// The backends that `active` would give way to, by priority. A pool that stays where it is while its backend in the
    /// region of the pool it follows is not available waits for that one only.
    pub(super) fn ahead(&self, active: usize) -> std::vec::IntoIter<usize> {
        let stays = self.policy.follow == Some(WhenUnavailable::Stay) && self.region.is_some();
        let mut ahead = self.ranking();
        ahead.retain(|&b| self.rank(b) < self.rank(active) && (!stays || self.region == Some(b)));
        ahead.into_iter()
    }
}
