//! The control plane: the only writer of the snapshot: probes, steering, DNS, reload.

mod apply;
mod handle;

pub use apply::{Participant, Prepared};
pub use handle::{Command, ControlError, Handle, Order, Reply};
