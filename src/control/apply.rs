//! How a reload reaches the parts that stand above control.

use crate::config::Config;

/// A part of higher rank that takes part in a reload: the listeners, with their certificates.
///
/// A reload is build, then swap: every part prepares, and only when all of them could is anything swapped.
pub trait Participant: Send + Sync {
    /// Builds what the new config asks for, without changing anything yet.
    ///
    /// # Errors
    /// What is wrong, one line each: the reload is rejected and nothing changes.
    fn prepare(&self, next: &Config) -> Result<Prepared, Vec<String>>;
}

/// What a participant built.
pub struct Prepared {
    /// Swaps it in. Cannot fail.
    pub commit: Box<dyn FnOnce() + Send>,
    /// Keys that changed but take a restart to have effect.
    pub needs_restart: Vec<String>,
}
