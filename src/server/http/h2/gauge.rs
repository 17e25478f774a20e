//! What the layers of one connection tell each other, all on one thread.

use std::cell::Cell;

use crate::model::Excess;

/// Time is in milliseconds since the connection began, and may wrap around.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    /// What the connection is ended for; none while it goes on.
    pub(super) verdict: Cell<Option<Excess>>,
    /// The time, read once whenever the connection is looked after.
    pub(super) now: Cell<u32>,
    /// When bytes last came from the client.
    pub(super) heard: Cell<u32>,
    /// Bytes that came in all; may wrap around.
    pub(super) received: Cell<u32>,
    /// Whether all that had come is read: there is no need to ask the socket again before it says so.
    pub(super) dry: Cell<bool>,
}

impl Gauge {
    /// So many bytes came.
    pub(super) fn heard(&self, bytes: usize) {
        self.heard.set(self.now.get());
        self.received.set(self.received.get().wrapping_add(bytes as u32));
    }
}
