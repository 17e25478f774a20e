//! What certificates and OCSP responses say: X.509 (RFC 5280) and OCSP (RFC 6960) read and judged. Pure: bytes and a time in,
//! facts and verdicts out.
//!
//! | file | its one idea |
//! |---|---|
//! | `facts` | what a server's certificate says of itself: names, validity, its responder |
//! | `identity` | who a client is, by its certificate |
//! | `ocsp` | asking whether a certificate was revoked, and judging the answer |

mod facts;
mod identity;
pub mod ocsp;

pub use facts::{Facts, Phase};
pub use identity::Identity;
