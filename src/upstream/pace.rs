//! How many connections a worker may begin to open now.

/// So many at once, of all workers together: below the shortest queue of new connections that is common (128: what Rust's
/// standard library asks for, and the most that Linux gave until 5.4).
const AT_ONCE: usize = 96;

/// So many more with every tick, of all workers together, while nobody has to wait.
const PER_TICK: usize = 24;

/// And at most so many by one worker: what is far beyond any backend need not be counted any more.
const MOST_PER_TICK: usize = 4096;

/// What may be begun, and how fast that grows. Each worker has its share, and at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    left: usize,
    per_tick: usize,
    workers: usize,
}

impl Pace {
    /// At one of so many workers.
    pub(super) const fn new(workers: usize) -> Self {
        let workers = if workers == 0 { 1 } else { workers };
        Self { left: share(AT_ONCE, workers), per_tick: share(PER_TICK, workers), workers }
    }

    /// One is begun, if it may be.
    pub(super) const fn take(&mut self) -> bool {
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }

    /// One that was to be begun was not, or was refused at once.
    pub(super) fn give_back(&mut self) {
        self.left = self.most().min(self.left + 1);
    }

    /// Time has passed. Where somebody waits, one more is allowed with every tick; else ever less. It grows no faster, since a
    /// backend does not say how fast it accepts.
    pub(super) fn tick(&mut self, waiting: bool) {
        let (least, now) = (share(PER_TICK, self.workers), self.per_tick);
        self.per_tick = if waiting { MOST_PER_TICK.min(now + 1) } else { least.max(now - now / 8 - 1) };
        self.left = self.most().min(self.left + self.per_tick);
    }

    /// Whether nothing was begun lately.
    pub(super) fn is_at_rest(&self) -> bool {
        *self == Self::new(self.workers)
    }

    fn most(&self) -> usize {
        share(AT_ONCE, self.workers).max(self.per_tick)
    }
}

const fn share(of: usize, workers: usize) -> usize {
    of.div_ceil(workers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pace: &mut Pace) -> usize {
        std::iter::from_fn(|| pace.take().then_some(())).count()
    }

    #[test]
    fn all_workers_together_begin_so_many_at_once() {
        for workers in [0, 1, 2, 3, 16, 96] {
            let most = all(&mut Pace::new(workers)) * workers.max(1);
            assert!((96..112).contains(&most), "{most} of {workers} workers");
        }
        assert_eq!(all(&mut Pace::new(1000)), 1);
    }

    #[test]
    fn more_and_more_may_be_begun_while_somebody_waits_and_then_less_until_all_is_as_before() {
        let mut pace = Pace::new(2);
        assert!(pace.is_at_rest());
        assert_eq!(all(&mut pace), 48);
        let begun = [(); 6].map(|()| {
            pace.tick(true);
            all(&mut pace)
        });
        assert_eq!(begun, [13, 14, 15, 16, 17, 18]);
        let mut ticks = 0;
        while !pace.is_at_rest() {
            pace.tick(false);
            ticks += 1;
        }
        assert!(ticks < 20, "{ticks}");
        assert_eq!(all(&mut pace), 48);
    }

    #[test]
    fn what_is_given_back_is_there_again_and_never_more_than_all() {
        let mut pace = Pace::new(1);
        all(&mut pace);
        pace.give_back();
        assert_eq!(all(&mut pace), 1);
        (0..1000).for_each(|_| pace.give_back());
        assert_eq!(all(&mut pace), 96);
    }

    #[test]
    fn there_is_always_more_however_long_somebody_waits() {
        let mut pace = Pace::new(1000);
        for _ in 0..10_000 {
            pace.tick(true);
            assert!(all(&mut pace) >= 1);
        }
    }
}
