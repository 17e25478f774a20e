//! How many are under way of what all workers share a cap on, without a line that all of them write.

use super::stats::{Counter, PerWorker, WorkerId};
use crate::model::Moment;

/// What one worker has under way, and what it last saw of the others.
#[derive(Debug, Default)]
pub struct UnderWay {
    begun: Counter,
    ended: Counter,
    others: Counter,
    /// When it last looked at the others: milliseconds since the origin, and one; 0: never.
    looked: Counter,
}

/// How old its knowledge of the others may be, in milliseconds, as long as the cap is far.
const FRESH: u64 = 10;

/// So close to the cap it looks each time, where an eighth of the cap is less.
const NEAR: u64 = 16;

impl UnderWay {
    /// One begins. Only the worker that owns the cell calls this, and the others here.
    pub fn begin(&self) {
        self.begun.increment();
    }

    /// One has ended.
    pub fn end(&self) {
        self.ended.increment();
    }

    fn own(&self) -> u64 {
        let ended = self.ended.get();
        self.begun.get().saturating_sub(ended)
    }

    /// Whether `most` are under way, over all workers. Far from the cap this is what the others had up to 10 ms ago; within
    /// an eighth of it, or within 16, they are looked at each time. Workers that look in the same moment may be one over each.
    pub fn is_full<T: Default>(
        cells: &PerWorker<T>,
        worker: WorkerId,
        most: u64,
        now: Moment,
        pick: impl Fn(&T) -> &Self,
    ) -> bool {
        let own = pick(cells.of(worker));
        let now = now.since_origin().as_millis() as u64 + 1;
        let near = own.own() + own.others.get() + (most / 8).max(NEAR) >= most;
        if cells.workers() > 1 && (near || own.looked.get() == 0 || now >= own.looked.get() + FRESH) {
            own.others.set(Self::sum(cells, &pick).saturating_sub(own.own()));
            own.looked.set(now);
        }
        own.own() + own.others.get() >= most
    }

    /// How many are under way over all workers.
    pub fn sum<T: Default>(cells: &PerWorker<T>, pick: impl Fn(&T) -> &Self) -> u64 {
        // What ended is read before what began, so that the difference cannot be negative.
        let ended = cells.sum(|cell| &pick(cell).ended);
        cells.sum(|cell| &pick(cell).begun).saturating_sub(ended)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn full(cells: &PerWorker<UnderWay>, worker: usize, most: u64, millis: u64) -> bool {
        UnderWay::is_full(cells, WorkerId(worker), most, Moment::from_origin(Duration::from_millis(millis)), |cell| {
            cell
        })
    }

    #[test]
    fn the_cap_is_of_all_workers_together() {
        let cells = PerWorker::<UnderWay>::new(2);
        let (one, two) = (cells.of(WorkerId(0)), cells.of(WorkerId(1)));
        (0..7).for_each(|_| one.begin());
        (0..93).for_each(|_| two.begin());
        assert!(full(&cells, 0, 100, 0) && full(&cells, 1, 100, 0));
        two.end();
        assert!(!full(&cells, 0, 100, 1), "near the cap it looks each time");
        assert_eq!(UnderWay::sum(&cells, |cell| cell), 99);
    }

    #[test]
    fn far_from_the_cap_the_others_are_looked_at_now_and_then() {
        let cells = PerWorker::<UnderWay>::new(2);
        assert!(!full(&cells, 0, 100, 0));
        (0..100).for_each(|_| cells.of(WorkerId(1)).begin());
        assert!(!full(&cells, 0, 100, FRESH - 1));
        assert!(full(&cells, 0, 100, FRESH + 1));
    }

    #[test]
    fn a_small_cap_is_never_far() {
        let cells = PerWorker::<UnderWay>::new(2);
        assert!(!full(&cells, 0, 2, 0));
        (0..2).for_each(|_| cells.of(WorkerId(1)).begin());
        assert!(full(&cells, 0, 2, 1), "what the others had a moment ago is no help with a cap of two");
    }
}
