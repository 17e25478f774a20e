//! The journal: every decision on disk, with what it was made from, and the state that a restart goes on from.
//!
//! [`Journal`] is control's end; it never waits for a disk. Behind it one thread owns the connection that writes
//! ([`writer`]) and takes what [`queue`] holds, many records to a transaction. Questions are answered on connections of
//! their own ([`reader`]). When the disk fails, records wait in the queue and are written, in order and marked late, once
//! it is well again; a file that can only be read still gives the last states ([`rescue`]); one that cannot be trusted is
//! moved aside, and what it still holds is copied ([`opening`], [`salvage`]).

mod fault;
mod files;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handle;
mod memory;
mod opening;
mod queue;
mod reader;
mod rescue;
mod retention;
mod rows;
mod salvage;
mod schema;
#[cfg(test)]
mod tests;
mod types;
mod writer;

pub(super) use handle::Journal;
pub(super) use types::{Ack, Record, Restored, Ticket};
