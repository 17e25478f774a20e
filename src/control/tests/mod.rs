//! The loop in virtual time, against a world that does as it is told.

mod certificates;
mod drills;
mod faults;
mod keys;
mod orders;
mod parity;
mod reloads;
mod restarts;
mod world;

pub(super) use world::{backend as a_backend, two_backends as a_pool};
