//! Which probes open a connection: pure.

use std::time::Duration;

/// Of so many probes of a backend that is well, one opens a connection.
pub(in crate::control) const ONE_IN: u32 = 5;

/// A connection that stood unused for longer may have been forgotten by what lies between: none is kept between probes
/// that are further apart.
const LONGEST: Duration = Duration::from_secs(30);

/// How many probes of a backend have used the connection of the one before, since one has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Turns(u32);

impl Turns {
    /// Whether the probe that begins now opens a connection. `well`: nothing speaks against the backend, neither its last
    /// probe, nor its requests, nor its verdict.
    pub(in crate::control) fn opens(&mut self, well: bool, interval: Duration) -> bool {
        let opens = !well || interval > LONGEST || self.0 + 1 >= ONE_IN;
        self.0 = if opens { 0 } else { self.0 + 1 };
        opens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(2);

    #[test]
    fn every_fifth_probe_of_what_is_well_opens_a_connection() {
        let mut turns = Turns::default();
        assert!(turns.opens(false, INTERVAL), "nothing is known yet");
        let opened: Vec<bool> = (0..10).map(|_| turns.opens(true, INTERVAL)).collect();
        assert_eq!(opened, [false, false, false, false, true, false, false, false, false, true]);
    }

    #[test]
    fn every_probe_of_what_is_not_plainly_well_does_and_those_that_are_far_apart() {
        let mut turns = Turns::default();
        assert!((0..9).all(|_| turns.opens(false, INTERVAL)));
        assert!((0..9).all(|_| turns.opens(true, LONGEST + INTERVAL)));
        assert!(!turns.opens(true, LONGEST));
    }
}
