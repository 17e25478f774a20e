//! Reaching a backend: resolve its name, dial, TLS, and the connections that one worker owns.

mod connections;
mod dial;
mod floor;
mod metered;
mod open;
mod origin;
mod reach;
mod resolve;
mod sender;
mod strict;
mod tls;

pub use connections::{Connections, Lease};
pub use dial::{Alpn, DialError, Dialed, Stream, dial};
pub use floor::{Floor, Standing, Wanted};
pub use open::{Opened, Opening, open};
pub use origin::{Origin, escaped, unescaped};
pub use reach::Reach;
pub use resolve::{Answer, ResolveError, Resolver};
pub use sender::{SendFailure, Sender};
pub use strict::{Questions, Strict};
pub use tls::{TlsClient, TlsError};
