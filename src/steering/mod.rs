//! PURE: health, policy, and the state machine of a pool. No clock, no I/O, no tokio, no random: time is a value.
//!
//! [`Steering::step`] takes one [`Observation`] at one moment and says what it decided. Control feeds it and carries the
//! decisions out; tests feed it thousands of random histories.

mod backend;
mod choice;
mod decision;
mod evidence;
mod failback;
mod machine;
mod parity;
mod policy;
mod probes;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod transitions;

pub use backend::BackendState;
pub use decision::{BackendGrounds, Decision, Observation, Step};
pub use evidence::{EvidenceState, Tally};
pub use machine::Steering;
pub use parity::{BackendParity, Parity, Sample, combine as combine_parity, compare as compare_parity, rule_in_words};
pub use policy::{BackendPolicy, EvidencePolicy, Policy, ProbePolicy};
pub use probes::ProbeState;
