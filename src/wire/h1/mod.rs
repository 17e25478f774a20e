//! HTTP/1 as it may be (RFC 9112), and nothing besides.
//!
//! A [`RequestReader`], or a [`ResponseReader`], checks a head while it comes in, and makes the message of it when it is whole.
//! A [`BodyReader`] tells what follows, by length, in chunks or up to the end of the connection, apart from its framing. A head,
//! a line of chunk framing and a trailer section count as a whole or not at all; the bytes of a body pass as they come. Behind
//! what breaks a rule nothing is read any more.
//!
//! | file | its one idea |
//! |---|---|
//! | `fault` | what can be wrong, and what is said about it |
//! | `limits` | how large a head may be |
//! | `lines` | lines that end in CR LF and hold no control character |
//! | `start` | request line and status line |
//! | `fields` | field lines, and what they say about the length of the body |
//! | `names` | names of fields, as they were read before |
//! | `chunks` | lines of chunk framing |
//! | `request` | the head of a request, read once and made into one |
//! | `response` | the head of a response, the same; which body it has |
//! | `heading` | the fields of a head, while it comes in |
//! | `body` | a body, told apart from its framing |

mod body;
mod chunks;
mod fault;
mod fields;
mod heading;
mod limits;
mod lines;
pub(in crate::wire) mod names;
mod request;
mod response;
mod start;
#[cfg(test)]
mod tests;

pub use body::{BodyReader, Part};
pub use fault::Fault;
pub use limits::Limits;
pub use request::{RequestHead, RequestReader};
pub use response::{Asked, ResponseHead, ResponseReader};
