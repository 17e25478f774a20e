//! What the clients of a listener may take: connections from one address, and time for what they are sent.

mod addresses;
mod pace;

pub(super) use addresses::Addresses;
pub(super) use pace::{Outflow, Pace};
