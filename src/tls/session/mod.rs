//! An established TLS connection without its socket: records opened in place, and sealed straight from where the bytes lie.
//!
//! The handshake is the library's, from the first byte to the last ticket ([`Handshake`]). What it agreed on is then taken
//! over ([`Session`]), and the library's state, its buffers and its copies are dropped: an idle connection keeps two keys.
//! The cryptography stays that of aws-lc.
//!
//! | file | its one idea |
//! |---|---|
//! | `handshake` | drives the library until both sides have finished, and not one record further |
//! | `frame` | where a record ends |
//! | `protection` | one direction's key: a record opened, a record sealed |
//! | `control` | what a peer may say after the handshake besides data: alerts, key updates, a renegotiation that is declined |
//! | `established` | both directions, and the rules between them |
//! | `fault` | what a peer does wrong, and the alert it is told |

mod control;
mod established;
mod fault;
mod frame;
mod handshake;
mod protection;
#[cfg(test)]
mod tests;

pub use established::{Meaning, Opened, Session};
pub use fault::Fault;
pub use frame::{MAX_PLAINTEXT, MAX_RECORD};
pub use handshake::{Handshake, HandshakeFault};
