//! HTTP/1 as it may be (RFC 9112), and nothing besides.
//!
//! Requests: a [`RequestReader`] checks a head while it comes in, and makes the request of it when it is whole; a
//! [`BodyReader`] tells what follows apart from its framing.
//!
//! Responses: a [`ResponseReader`] follows them: heads, bodies by length, in chunks or up to the end of the connection,
//! trailers. It says how many bytes may be passed on, and stops before the response, or the part of a body, that breaks a
//! rule. A head, a line of chunk framing and a trailer section pass as a whole or not at all; the bytes of a body pass as
//! they come. It is asked for one [`Step`] after the other; what a head says is in its [`Heading`].
//!
//! | file | its one idea |
//! |---|---|
//! | `fault` | what can be wrong, and what is said about it |
//! | `limits` | how large a head may be |
//! | `lines` | lines that end in CR LF and hold no control character |
//! | `start` | request line and status line |
//! | `fields` | field lines, and what they say about the length of the body |
//! | `names` | names of fields, as they were read before |
//! | `chunks` | lines of chunk framing; trailers |
//! | `request` | the head of a request, read once and made into one |
//! | `body` | the body of a request, told apart from its framing |
//! | `heading` | what the head of a response says, and where |
//! | `step` | what a reader lets pass of a response |
//! | `response` | the state machine of responses |

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
mod step;
#[cfg(test)]
mod tests;

pub use body::{BodyReader, Part};
pub use fault::Fault;
pub use heading::Heading;
pub use limits::Limits;
pub use request::{RequestHead, RequestReader};
pub use response::{Asked, ResponseReader, Stop};
pub use step::{Rest, Step};
