//! HTTP/1 as it may be (RFC 9112), and nothing besides.
//!
//! A [`Reader`] follows the messages of one direction of a connection: heads, bodies by length or in chunks, trailers, the
//! next head. It says how many bytes may be passed on, and stops before the message, or the part of a body, that breaks a
//! rule. A head, a line of chunk framing and a trailer section pass as a whole or not at all; the bytes of a body pass as
//! they come. A [`Gate`] keeps what may not pass yet. Who wants the messages, and not only their bytes, asks for one
//! [`Step`] after the other; what a head says is in its [`Heading`].
//!
//! | file | its one idea |
//! |---|---|
//! | `fault` | what can be wrong, and what is said about it |
//! | `lines` | lines that end in CR LF and hold no control character |
//! | `start` | request line and status line |
//! | `fields` | field lines, and what they say about the length of the body |
//! | `names` | names of fields, as they were read before |
//! | `chunks` | lines of chunk framing; trailers |
//! | `request` | the head of a request, read once and made into one |
//! | `body` | a body, told apart from its framing |
//! | `heading` | what a head says, and where |
//! | `step` | what a reader lets pass |
//! | `reader` | the state machine |
//! | `gate` | bytes in, bytes out, and what is held between |

mod body;
mod chunks;
mod fault;
mod fields;
mod gate;
mod heading;
mod lines;
pub(in crate::wire) mod names;
mod reader;
mod request;
mod start;
mod step;
#[cfg(test)]
mod tests;

pub use body::{BodyReader, Part};
pub use fault::Fault;
pub use gate::Gate;
pub use heading::Heading;
pub use reader::{Asked, Limits, Read, Reader, Stop};
pub use request::{RequestHead, RequestReader};
pub use step::{Rest, Step};
