//! HTTP/2 frames as they pass: counted by kind, never parsed further, never copied.
//!
//! The library behind decodes frames and holds their rules (RFC 9113). What it does not do is count: a peer may send any
//! number of frames that cost nothing and oblige it to work (RFC 9113, section 10.5). [`Meter`] gives each kind a budget.

mod budget;
mod frames;
mod goaway;
mod limits;
mod live;
mod meter;

pub use budget::{Budget, Rate};
pub use frames::{Frame, Frames};
pub use goaway::enhance_your_calm;
pub use limits::Limits;
pub use meter::Meter;
