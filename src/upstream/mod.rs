//! Reaching a backend: resolve its name, dial, TLS, and a pool of connections that one worker owns.

mod tls;

pub use tls::TlsClient;
