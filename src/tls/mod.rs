//! What terminates TLS: for the listeners and for the admin listener.
//!
//! | file | its one idea |
//! |---|---|
//! | `provider` | which suites and groups are spoken, by name |
//! | `kdf` | how secrets are derived from one another |
//! | `hello` | what a client's first message says of its taste in ciphers |
//! | `certificate` | one certificate with its key and, while it is good, its stapled OCSP response |
//! | `set` | the certificates of a listener, picked by SNI |
//! | `clients` | client certificates: whose are accepted, and which were revoked |
//! | `realm` | all of a listener's TLS; who may resume a session, and where |
//! | `asked` | the name that a client asked for, told to who drives its handshake |
//! | `session` | a connection without its socket: what came and what goes out, in buffers that are given |
//! | `book` | every certificate that this process shows, for control to look after |

mod asked;
mod book;
mod certificate;
mod clients;
#[cfg(test)]
pub(crate) mod fixture;
mod hello;
mod kdf;
mod provider;
mod realm;
pub mod session;
mod set;

pub use book::{CertificateBook, Shown, StapleFault};
pub use certificate::Certificate;
pub use clients::{ClientError, ClientVerifier};
pub use provider::provider;
pub use realm::{Realm, RealmError, Tickets};
pub use set::{CertificateSet, CertificateStore};
