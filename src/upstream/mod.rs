//! Reaching a backend: resolve its name, dial, TLS, and the connections that one worker owns.

mod connections;
mod dial;
mod sender;
mod tls;

pub use connections::{Connections, Lease};
pub use dial::{Alpn, DialError, Dialed, Stream, dial};
pub use sender::{SendFailure, Sender};
pub use tls::{TlsClient, TlsError};
