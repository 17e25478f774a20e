//! Tunnels: WebSockets and other upgrades, behind a backend's 101.
//!
//! | file | its one idea |
//! |---|---|
//! | `switch` | from the 101 to an open tunnel, and what is counted of it |
//! | `tunnel` | one tunnel, held to its limits and to what the worker orders |
//! | `relay`, `way` | both directions, and one of them: bytes unchanged, backpressure, half a close, the closing handshake |
//! | `end` | one end of a tunnel: a connection that HTTP has left |
//! | `frames` | where WebSocket frames begin and end (pure) |
//! | `close` | the Close frames that botgate sends |
//! | `tunnels`, `order` | all tunnels of a worker, and what it orders of them when their pool moves |
//! | `stance` | what a snapshot says for the tunnels on a backend (pure) |
//! | `pace` | which tunnel is closed when (pure) |

mod close;
mod end;
mod frames;
#[cfg(feature = "fuzzing")]
mod fuzzing;
mod order;
mod pace;
mod relay;
mod stance;
mod switch;
#[cfg(test)]
mod tests;
#[expect(clippy::module_inception, reason = "one tunnel among the files that make up tunnels")]
mod tunnel;
mod tunnels;
mod way;

pub use end::{ByteStream, End};
#[cfg(feature = "fuzzing")]
pub use fuzzing::WebSocketFrames;
pub(super) use switch::switch;
pub(super) use tunnels::Tunnels;
