//! What this machine can lack, as opposed to what a peer does wrong.

use std::io;

/// ENOMEM, ENFILE and EMFILE: the same numbers on every Unix.
const WANTS: [i32; 3] = [12, 23, 24];

/// Whether an operation failed because this machine has no memory or no file descriptor left for it (connect(2), socket(2)):
/// nothing was sent, and nothing is known about who it was meant for.
pub fn is_own_want(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| WANTS.contains(&code)) || error.kind() == io::ErrorKind::OutOfMemory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_is_the_peers_doing_and_a_missing_descriptor_is_not() {
        assert!(is_own_want(&io::Error::from_raw_os_error(24)));
        assert!(!is_own_want(&io::ErrorKind::ConnectionRefused.into()));
        assert!(!is_own_want(&io::ErrorKind::TimedOut.into()));
    }
}
