//! Which pools the loop looks at: where there are hundreds, few of them have anything to say in one turn.

use std::collections::BTreeSet;

use crate::model::Moment;

/// Pools of which something was taken in, and when something is due of each of the others.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// What is due when, soonest first.
    due: BTreeSet<(Moment, usize)>,
    pools: Vec<Entry>,
    marked: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    at: Option<Moment>,
    marked: bool,
}

impl Agenda {
    /// There are so many pools now, and all of them are to be looked at.
    pub(super) fn reset(&mut self, pools: usize) {
        *self = Self { due: BTreeSet::new(), pools: vec![Entry::default(); pools], marked: Vec::new() };
        self.mark_all();
    }

    /// Something was taken in of a pool: it is to be looked at in the next turn.
    pub(super) fn mark(&mut self, pool: usize) {
        let Some(entry) = self.pools.get_mut(pool) else { return };
        if !std::mem::replace(&mut entry.marked, true) {
            self.marked.push(pool);
        }
    }

    /// What was taken in may be about any of them.
    pub(super) fn mark_all(&mut self) {
        (0..self.pools.len()).for_each(|pool| self.mark(pool));
    }

    /// Marks the pools of which something is due.
    pub(super) fn mark_due(&mut self, now: Moment) {
        while let Some(&(at, pool)) = self.due.first().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, pool));
            self.pools[pool].at = None;
            self.mark(pool);
        }
    }

    /// The pools to be looked at, in the order in which they were marked.
    pub(super) fn marked(&self) -> &[usize] {
        &self.marked
    }

    /// Whether that is all of them.
    pub(super) fn is_whole(&self) -> bool {
        self.marked.len() == self.pools.len()
    }

    /// They were looked at: `next` says when something is due of each.
    pub(super) fn settle(&mut self, mut next: impl FnMut(usize) -> Option<Moment>) {
        for pool in self.marked.drain(..) {
            let (entry, at) = (&mut self.pools[pool], next(pool));
            entry.marked = false;
            if entry.at != at {
                entry.at.map(|was| self.due.remove(&(was, pool)));
                self.due.extend(at.map(|at| (at, pool)));
                entry.at = at;
            }
        }
    }

    /// When something is due next.
    pub(super) fn wakeup(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(ms))
    }

    fn settled() -> Agenda {
        let mut agenda = Agenda::default();
        agenda.reset(3);
        assert!(agenda.is_whole());
        agenda.settle(|pool| [Some(at(30)), Some(at(10)), None][pool]);
        agenda
    }

    #[test]
    fn only_what_is_due_or_was_heard_of_is_looked_at() {
        let mut agenda = settled();
        assert!(agenda.marked().is_empty());
        assert_eq!(agenda.wakeup(), Some(at(10)));
        agenda.mark_due(at(9));
        assert!(agenda.marked().is_empty());
        agenda.mark_due(at(10));
        agenda.mark(2);
        agenda.mark(2);
        assert_eq!(agenda.marked(), [1, 2]);
        agenda.settle(|_| None);
        assert_eq!((agenda.marked(), agenda.wakeup()), (&[][..], Some(at(30))));
    }

    #[test]
    fn what_is_due_at_another_time_is_due_then_only() {
        let mut agenda = settled();
        agenda.mark(0);
        agenda.settle(|_| Some(at(50)));
        agenda.mark_due(at(40));
        assert_eq!(agenda.marked(), [1]);
        agenda.settle(|_| Some(at(60)));
        assert_eq!(agenda.wakeup(), Some(at(50)));
    }

    #[test]
    fn after_a_reload_nothing_of_before_is_due() {
        let mut agenda = settled();
        agenda.reset(1);
        agenda.settle(|_| None);
        assert_eq!(agenda.wakeup(), None);
        agenda.mark(7);
        assert!(agenda.marked().is_empty(), "no such pool");
    }
}
