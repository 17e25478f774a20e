//! Which of a client's latest streams still have work under way.

/// How many of the latest streams are remembered. More than may be open at once: one that is older and still open can be
/// reset once, and no new one opens but by a new number.
const REMEMBERED: u32 = 512;

/// The latest streams, one bit each: set once nothing more is done for it.
#[derive(Debug)]
pub(super) struct Live {
    ended: [u64; REMEMBERED as usize / 64],
    newest: u32,
}

impl Live {
    pub(super) const fn new() -> Self {
        Self { ended: [0; REMEMBERED as usize / 64], newest: 0 }
    }

    /// The newest stream; 0 before the first.
    pub(super) const fn newest(&self) -> u32 {
        self.newest
    }

    /// A stream opens, if it is newer than all before it (RFC 9113, section 5.1.1).
    pub(super) fn open(&mut self, stream: u32) -> bool {
        if stream <= self.newest {
            return false;
        }
        // Numbers that were skipped are closed; their bits are those of streams too old to be remembered.
        let begun = (stream / 2 - self.newest / 2).min(REMEMBERED);
        for back in 0..begun {
            self.set(stream / 2 - back, back != 0);
        }
        self.newest = stream;
        true
    }

    /// A stream ends, by either side; whether there was anything left to end.
    pub(super) fn end(&mut self, stream: u32) -> bool {
        if stream > self.newest || self.newest / 2 - stream / 2 >= REMEMBERED {
            return false;
        }
        let (word, bit) = Self::place(stream / 2);
        let live = self.ended[word] & bit == 0;
        self.ended[word] |= bit;
        live
    }

    fn set(&mut self, number: u32, ended: bool) {
        let (word, bit) = Self::place(number);
        if ended {
            self.ended[word] |= bit;
        } else {
            self.ended[word] &= !bit;
        }
    }

    const fn place(number: u32) -> (usize, u64) {
        let at = number % REMEMBERED;
        ((at / 64) as usize, 1 << (at % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_ends_once() {
        let mut live = Live::new();
        assert!(!live.end(1), "never opened");
        assert!(live.open(1) && live.open(3) && !live.open(3) && !live.open(1));
        assert!(live.end(1) && !live.end(1));
        assert!(live.end(3));
    }

    #[test]
    fn streams_that_take_the_place_of_old_ones_are_live_and_those_skipped_are_not() {
        let mut live = Live::new();
        for stream in (1..20_000).step_by(2) {
            assert!(live.open(stream));
            assert!(live.end(stream), "{stream}");
        }
        assert!(live.open(20_011));
        assert!(!live.end(20_005) && !live.end(101), "skipped, and forgotten");
        assert!(live.end(20_011));
        assert!(live.open(0x7fff_ffff) && live.end(0x7fff_ffff));
    }
}
