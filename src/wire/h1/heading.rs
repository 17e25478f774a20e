//! The fields of a head, while it comes in. The pass that judges them finds where they stand, so that nobody has to read them a
//! second time.

use super::fault::Fault;
use super::fields::{Framing, split};
use crate::wire::fields::Line;

/// Fields of a usual head: room that is made at once.
const USUAL: usize = 16;

/// The fields that have come, and what they say about what follows the head.
#[derive(Debug, Default)]
pub(super) struct Heading {
    pub(super) lines: Vec<Line>,
    pub(super) framing: Framing,
}

impl Heading {
    /// One more, the line `text` at `at`, where no more than `most` may come.
    pub(super) fn take(&mut self, at: usize, text: &[u8], most: usize) -> Result<(), Fault> {
        if self.lines.len() == most {
            return Err(Fault::TooManyFields);
        }
        let (name, value, capitals) = split(text)?;
        self.framing.take(name, value)?;
        if self.lines.capacity() == 0 {
            self.lines.reserve(USUAL);
        }
        self.lines.push(Line::new(at, name, value, capitals));
        Ok(())
    }
}
