//! The name that a client asked for, from the library's question for a certificate to whoever drives the handshake: the
//! unbuffered connection does not tell it. Both are in one call, on one thread.

use std::cell::Cell;

thread_local! {
    static ASKED: Cell<Option<String>> = const { Cell::new(None) };
}

/// A certificate is asked for by this name, or by none.
pub(super) fn note(name: Option<&str>) {
    ASKED.set(name.map(str::to_owned));
}

/// The name that a certificate was asked for by, on this thread, since this was last called.
pub(super) fn take() -> Option<String> {
    ASKED.take()
}
