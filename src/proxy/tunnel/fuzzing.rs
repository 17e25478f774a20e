//! The door of the fuzz target for frame borders.

use super::frames::Frames;
use crate::model::Side;

/// The frames that one side of a WebSocket sends.
#[derive(Debug)]
pub struct WebSocketFrames(Frames);

impl WebSocketFrames {
    pub(in crate::proxy) fn new(sender: Side) -> Self {
        Self(Frames::of(sender))
    }

    /// Takes in the next bytes that came, and returns what may go on.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let passed = self.0.pass(bytes);
        [passed.held.bytes(), passed.bytes].concat()
    }

    /// Whether what was let through so far ends with a frame.
    pub const fn at_border(&self) -> bool {
        self.0.at_border()
    }

    /// Whether a Close frame was let through to its end.
    pub const fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// Whether a header broke the protocol.
    pub const fn is_broken(&self) -> bool {
        self.0.is_broken()
    }
}
