//! Parity checks at work: who is asked when, what is taken of the answers, and what was found last.

mod fetch;
mod schedule;
mod state;
mod take;
#[cfg(test)]
mod tests;
mod tls;
mod xml;

pub(super) use fetch::fetch;
pub(super) use state::{Errand, ParityState, Tag};
pub(super) use take::pointed;
pub(super) use tls::{ParityTls, plan_tls};
