//! What the clients of a pool may take: requests under way, requests per second, bytes held.

mod admission;
mod held;

pub(super) use admission::{Slot, admit, has_room, is_full};
pub(super) use held::{Holding, Purse};
