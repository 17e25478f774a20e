//! The control plane: the only writer of the snapshot: probes, steering, DNS, reload.
//!
//! [`start`] builds the first snapshot, [`Control::run`] is the loop. Everything that happens to it becomes an observation
//! for `steering`; everything that `steering` decides is published, counted and told here, in this order.

mod agenda;
mod apply;
mod certificates;
mod changes;
mod drill;
mod durable;
mod errands;
mod exchange;
mod explain;
mod files;
mod handle;
mod journal;
mod keys;
mod names;
mod network;
mod observe;
mod orders;
mod outside;
mod parity;
mod probe;
mod publish;
mod registry;
mod reload;
mod run;
#[cfg(test)]
mod tests;
mod time;
mod views;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use journal::fuzzing;

pub use apply::{Participant, Prepared};
pub use drill::drill_markdown;
pub use handle::{Action, Command, ControlError, DrillCommand, DrillOrder, Handle, OperatorKeys, PoolOrder, Reply};
pub use network::Network;
pub use outside::{Addresses, Loaded, NoWatch, Outside, ParityTarget, ProbeError, ProbeTarget, Unloadable, Watch};
pub use probe::Kept;
pub use run::{Control, Setup, Started, start};
