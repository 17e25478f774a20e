//! Reaching a backend: resolve its name, dial, TLS, and a pool of connections that one worker owns.

mod resolve;
mod tls;

pub use resolve::{Answer, ResolveError, Resolver};
pub use tls::TlsClient;
