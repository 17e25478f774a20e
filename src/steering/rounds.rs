//! How often one request goes round the backends.

use std::time::Duration;

use crate::model::Fate;

/// The rounds of one request: in each, every backend is tried once.
///
/// Two regions can be lost one after the other while the first is on its way back. Between two rounds there is a pause, so
/// that what is down is not hammered, and what is only starting has a chance.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    left: u32,
    pause: Duration,
}

impl Rounds {
    /// The first pause; each is twice as long as the one before …
    const FIRST: Duration = Duration::from_millis(100);
    /// … and none longer than this.
    const LONGEST: Duration = Duration::from_secs(2);

    /// So many rounds, the one that begins now among them.
    pub const fn new(rounds: u32) -> Self {
        Self { left: rounds.saturating_sub(1), pause: Self::FIRST }
    }

    /// Whether there is another round after an attempt that ended so, with `left` to the deadline. A backend that said no
    /// would only be asked the same thing again.
    pub fn another(&self, fate: Fate, left: Duration) -> bool {
        self.left > 0 && fate != Fate::Refused && left > self.pause
    }

    /// Whether there could be one.
    pub const fn is_last(&self) -> bool {
        self.left == 0
    }

    /// Begins the next round, after the pause that is returned.
    pub fn begin(&mut self) -> Duration {
        self.left = self.left.saturating_sub(1);
        let pause = self.pause;
        self.pause = (pause * 2).min(Self::LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_counted_and_their_pauses_grow_within_the_deadline() {
        let mut rounds = Rounds::new(7);
        let second = Duration::from_secs(1);
        let mut pauses = Vec::new();
        while rounds.another(Fate::Unsent, second * 10) {
            pauses.push(rounds.begin().as_millis());
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000]);
        assert!(Rounds::new(1).is_last() && !Rounds::new(1).another(Fate::Unsent, second));
        assert!(!Rounds::new(2).another(Fate::Ambiguous, Duration::from_millis(100)), "no time for it");
        assert!(!Rounds::new(2).another(Fate::Refused, second), "it was said no");
    }
}
