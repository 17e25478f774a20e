//! HTTP/1.1 with a backend, by hand: no task and no channel, the request's own future writes and reads.
//!
//! A [`Connection`] carries one exchange at a time. Head and body, as far as it is there, leave in one write; what of the
//! body is still to come is written while the response is read, which may be there before. Responses are read by the rules
//! of [`crate::wire::h1`] and no others. Between two exchanges a connection holds no buffer.
//!
//! | file | its one idea |
//! |---|---|
//! | `encode` | a request head, and the framing of its body, as bytes |
//! | `writing` | the request on its way out |
//! | `reading` | the response on its way in |
//! | `connection` | both at once; whether another exchange may follow |

mod connection;
mod encode;
mod reading;
#[cfg(test)]
mod tests;
mod writing;

pub(super) use connection::Connection;
