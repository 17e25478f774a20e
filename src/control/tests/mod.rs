//! The loop in virtual time, against a world that does as it is told.

mod drills;
mod faults;
mod orders;
mod parity;
mod reloads;
mod restarts;
mod world;

pub(super) use world::two_backends as a_pool;
