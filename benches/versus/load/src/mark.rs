//! The moment of a fault, told by a line on standard input.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Set once, by whoever causes the fault.
#[derive(Clone, Default)]
pub(crate) struct Mark(Arc<OnceLock<Instant>>);

impl Mark {
    /// One that the first line of standard input sets.
    pub(crate) fn by_stdin() -> Self {
        let mark = Self::default();
        let set = mark.clone();
        std::thread::spawn(move || {
            let mut line = String::new();
            if std::io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) {
                let _ = set.0.set(Instant::now());
            }
        });
        mark
    }

    /// When it was set.
    pub(crate) fn get(&self) -> Option<Instant> {
        self.0.get().copied()
    }

    /// Whether it was.
    pub(crate) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }
}
