//! A connection's TLS without its socket: the library's unbuffered form, driven from the first byte to the last.
//!
//! The cryptography, the records and the protocol are the library's: keys and their updates, limits, alerts, both versions.
//! Here is only where its bytes come from and go to: what came is shown to it in the buffer it was read into, and what is
//! to be sent is written into a buffer that is given. So a connection that is idle has none.
//!
//! | file | its one idea |
//! |---|---|
//! | `connection` | shows the library what came, and says what was in it |
//! | `writing` | data, and the goodbye behind them, on their way out |
//! | `fault` | why a connection cannot go on |

mod connection;
mod fault;
#[cfg(test)]
mod tests;
mod writing;

pub use connection::{Progress, Session};
pub use fault::Fault;

/// Most bytes of data in one record (RFC 8446, section 5.1).
pub const MAX_PLAINTEXT: usize = 1 << 14;
/// Most bytes that a record takes, with its header and what encryption may add: the larger limit of the two versions, TLS
/// 1.2's (RFC 5246, section 6.2.3).
pub const MAX_RECORD: usize = 5 + MAX_PLAINTEXT + 2048;
/// Most bytes that are held of a message that is not there whole: the longest that the library takes, and what its records
/// add where they are not made to be tiny.
pub const MOST_HELD: usize = (1 << 16) + 4096;
