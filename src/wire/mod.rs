//! What is on the wire, read strictly before any library interprets it. PURE: bytes in, verdicts out; no clock, no I/O.
//!
//! Libraries that speak HTTP are kind to what they read. A proxy must not be: what two servers can read in two ways is a way
//! past one of them. So nothing but the readers here reads HTTP/1, of clients (`server/`) and of backends (`upstream/`), the
//! answers to probes among it; and the frames of HTTP/2 are metered here before its library has them.
//!
//! | file | its one idea |
//! |---|---|
//! | `known` | names of fields that the gateway acts on |
//! | `fields` | the fields of a head, where they were read |
//! | `message` | a request and a response that have them |
//! | `trailers` | which fields may be trailers |
//! | `decimal` | numbers in decimal digits |
//! | `h1`, `h2` | the two protocols |

mod decimal;
mod fields;
pub mod h1;
pub mod h2;
mod known;
mod message;
mod trailers;

pub use decimal::{decimal, write_number};
pub use fields::{Fields, Told, ascii, write_line};
pub use known::{Known, Set};
pub use message::{Head, Request, Response};
pub use trailers::may_trail;

/// Most fields of a request's head. Servers take a hundred, as hyper and Kestrel do: the others are for what the gateway and
/// the config of a backend add. A head that a client could fill up to the last would make a sound backend refuse what it gets.
pub const MOST_REQUEST_FIELDS: usize = 80;
