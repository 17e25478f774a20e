//! OCSP (RFC 6960, in the profile of RFC 5019): the question whether a certificate was revoked, and its answer judged.
//!
//! | file | its one idea |
//! |---|---|
//! | `request` | the question, as DER |
//! | `response` | the answer, taken apart |
//! | `judge` | whether an answer may be shown to clients: about this certificate, signed by who may, good, and fresh |
//! | `der` | elements of DER, one after the other |

mod der;
#[cfg(test)]
#[allow(unreachable_pub, reason = "the integration tests include it too")]
pub(crate) mod fixture;
mod judge;
mod request;
mod response;

pub use judge::{Fault, Span, judge};
pub use request::request;
