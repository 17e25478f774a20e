//! Bytes in, bytes out, and what is held between.

use bytes::{Buf, BytesMut};

use super::response::{Asked, ResponseReader, Stop};

/// A [`ResponseReader`] with the bytes that it does not let pass yet: at most one head or line of framing, and what came with it.
#[derive(Debug)]
pub struct Gate {
    reader: ResponseReader,
    held: BytesMut,
    /// How many of the bytes held may pass.
    ready: usize,
    stop: Option<Stop>,
}

impl Gate {
    /// Nothing has come yet.
    pub fn new(reader: ResponseReader) -> Self {
        Self { reader, held: BytesMut::new(), ready: 0, stop: None }
    }

    /// Bytes came in: how many of them may pass at once. The others are held, and what of them may pass later is in
    /// [`Gate::ready`]. Nothing may be waiting there now.
    pub fn take(&mut self, fresh: &[u8]) -> usize {
        if !self.held.is_empty() {
            self.held.extend_from_slice(fresh);
            self.look();
            return 0;
        }
        let read = self.reader.read(fresh);
        self.stop = read.stop;
        // Nothing passes any more after a fault.
        if self.stop.is_none() {
            self.held.extend_from_slice(&fresh[read.passed..]);
        }
        read.passed
    }

    fn look(&mut self) {
        let read = self.reader.read(&self.held[self.ready..]);
        self.ready += read.passed;
        self.stop = read.stop;
        if self.stop.is_some() {
            self.held.truncate(self.ready);
        }
    }

    /// Bytes held that may pass.
    pub fn ready(&self) -> &[u8] {
        &self.held[..self.ready]
    }

    /// So many of them have passed.
    pub fn passed(&mut self, bytes: usize) {
        self.held.advance(bytes);
        self.ready -= bytes;
        if self.held.is_empty() {
            // An idle connection keeps no memory for what it once held.
            self.held = BytesMut::new();
        }
    }

    /// Why nothing passes any more, once [`Gate::ready`] is empty.
    pub const fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// Bytes held, those that may pass included.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// [`ResponseReader::heads`].
    pub const fn heads(&self) -> u64 {
        self.reader.heads()
    }

    /// [`ResponseReader::asked`].
    pub fn asked(&mut self, request: Asked) {
        self.reader.asked(request);
    }
}
