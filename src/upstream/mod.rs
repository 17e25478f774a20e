//! Reaching a backend: resolve its name, dial, TLS, and the connections that one worker owns.

mod body;
mod connections;
mod counted;
mod dial;
mod dials;
mod failure;
mod floor;
mod h1;
mod line;
mod metered;
mod open;
mod origin;
mod outgoing;
mod pace;
mod reach;
mod resolve;
mod sender;
mod siblings;
mod socket;
mod takeover;
mod tls;
mod windows;

pub use body::Body;
pub use connections::{Connections, Lease};
pub use dial::{Alpn, DialError, Dialed, Stream, dial};
pub use failure::{ExchangeError, SendFailure};
pub use floor::{Floor, Standing, Wanted};
pub use line::Line;
pub use open::{Opened, Opening, open};
pub use origin::{Origin, escaped, unescaped};
pub use outgoing::Outgoing;
pub use reach::Reach;
pub use resolve::{Answer, ResolveError, Resolver};
pub use siblings::{Ask, Seat, Siblings};
pub use takeover::{Want, take_over_or_open};
pub use tls::{TlsClient, TlsError};
