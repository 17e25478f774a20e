//! A budget: so many at once, so many per second, and more where there is work to show for it.

/// What a [`Budget`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once; at most 4 million.
    pub burst: u32,
    /// In the long run, each second.
    pub per_second: u32,
}

/// How much may still be spent. Full at the start. Time is a value: milliseconds from any origin, which may wrap around.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    rate: Rate,
    /// In thousandths.
    left: u32,
    /// When it was last filled up.
    at: u32,
}

/// Thousandths of one.
const ONE: u32 = 1000;

impl Budget {
    /// A full budget at time 0.
    pub const fn new(rate: Rate) -> Self {
        Self { rate, left: rate.burst * ONE, at: 0 }
    }

    /// Takes one at time `now`; false when there is none left.
    #[must_use]
    pub const fn spend(&mut self, now: u32) -> bool {
        // One per second is one thousandth per millisecond.
        let passed = now.wrapping_sub(self.at);
        self.at = now;
        self.add(passed.saturating_mul(self.rate.per_second));
        if self.left < ONE {
            return false;
        }
        self.left -= ONE;
        true
    }

    /// Gives `more` for work that the peer may rightly answer; never beyond the burst.
    pub const fn earn(&mut self, more: u32) {
        self.add(more.saturating_mul(ONE));
    }

    const fn add(&mut self, thousandths: u32) {
        let (most, sum) = (self.rate.burst * ONE, self.left.saturating_add(thousandths));
        self.left = if sum < most { sum } else { most };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(budget: &mut Budget, now: u32) -> u32 {
        (0..10_000).take_while(|_| budget.spend(now)).count() as u32
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let mut budget = Budget::new(Rate { burst: 20, per_second: 10 });
        assert_eq!(spent(&mut budget, 0), 20);
        assert_eq!(spent(&mut budget, 99), 0);
        assert_eq!(spent(&mut budget, 100), 1, "what was asked for in vain costs nothing");
        assert_eq!(spent(&mut budget, 1100), 10);
        assert_eq!(spent(&mut budget, 1_000_000), 20, "never more than the burst");
    }

    #[test]
    fn slow_looks_do_not_lose_fractions() {
        let mut budget = Budget::new(Rate { burst: 5, per_second: 10 });
        assert_eq!(spent(&mut budget, 0), 5);
        let through: u32 = (1..=1000).map(|now| spent(&mut budget, now)).sum();
        assert_eq!(through, 10);
    }

    #[test]
    fn work_earns_no_more_than_the_burst() {
        let mut budget = Budget::new(Rate { burst: 5, per_second: 1 });
        assert_eq!(spent(&mut budget, 0), 5);
        budget.earn(3);
        assert_eq!(spent(&mut budget, 0), 3);
        budget.earn(u32::MAX);
        assert_eq!(spent(&mut budget, 0), 5);
    }

    #[test]
    fn a_clock_that_wraps_around_gives_no_flood() {
        let mut budget = Budget::new(Rate { burst: 5, per_second: 1 });
        assert_eq!(spent(&mut budget, u32::MAX - 500), 5);
        assert_eq!(spent(&mut budget, 499), 1);
    }
}
