//! What a simulation of a config's numbers adds to the warnings about it.

use crate::config::Loaded;
use crate::steering::timeline;

/// Adds a warning for each number that cannot work with the others. Takes milliseconds; opens no socket.
pub(super) fn examine(loaded: &mut Loaded) {
    for concern in timeline::examine(&loaded.config) {
        loaded.warnings.warn(&concern.key, concern.message, concern.hint);
    }
}
