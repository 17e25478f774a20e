//! The buffers that a thread lends to whichever connection is at work.

use std::cell::Cell;

use crate::tls::session::MAX_RECORD;

/// What is read at once: several whole records, so that one that is cut off seldom has to be moved, and what goes on to a
/// backend does so in large pieces.
pub(super) const READ: usize = 4 * MAX_RECORD;
/// What is written at once: four full records with what sealing adds to them.
pub(super) const WRITE: usize = 4 * ((1 << 14) + 64);

thread_local! {
    static FOR_READING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static FOR_WRITING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer of [`READ`] bytes.
pub(super) fn for_reading() -> Vec<u8> {
    lend(&FOR_READING, READ)
}

/// A buffer of [`WRITE`] bytes.
pub(super) fn for_writing() -> Vec<u8> {
    lend(&FOR_WRITING, WRITE)
}

/// Takes back a buffer that was lent, or one that it was exchanged for.
pub(super) fn give_back(buffer: Vec<u8>) {
    match buffer.len() {
        READ => FOR_READING.set(buffer),
        WRITE => FOR_WRITING.set(buffer),
        _ => drop(buffer),
    }
}

fn lend(spare: &'static std::thread::LocalKey<Cell<Vec<u8>>>, length: usize) -> Vec<u8> {
    let buffer = spare.take();
    // Another connection has it; or the thread is new.
    if buffer.len() == length { buffer } else { vec![0; length] }
}
