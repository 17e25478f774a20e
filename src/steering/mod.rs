//! PURE: health, readiness, policy, and the state machine of a pool. No clock, no I/O, no tokio, no random: time is a value.
//!
//! [`Steering::step`] takes one [`Observation`] at one moment, [`Steering::order`] one order of an operator; both say what
//! was decided. Control feeds the machine and carries the decisions out; `botgate simulate` feeds it a script; tests feed
//! it thousands of random histories.

mod backend;
mod choice;
mod decide;
mod decision;
mod evidence;
mod execute;
mod explain;
mod failback;
mod intake;
mod lapse;
mod machine;
mod orders;
mod parity;
mod policy;
mod probes;
#[cfg(test)]
mod properties;
mod rounds;
mod saved;
mod schedule;
mod standing;
pub mod timeline;
#[cfg(test)]
mod transitions;
mod words;

pub use backend::BackendState;
pub use decision::{BackendGrounds, Decision, Observation, ProbeSample, Step};
pub use evidence::{EvidenceState, Tally};
pub use explain::Setting;
pub use machine::Steering;
pub use orders::{Order, Refused, What};
pub use parity::{BackendParity, Parity, Sample, combine as combine_parity, compare as compare_parity, rule_in_words};
pub use policy::{BackendPolicy, EvidencePolicy, FailbackPolicy, FlapPolicy, Policy, ProbePolicy};
pub use probes::ProbeState;
pub use rounds::Rounds;
pub use saved::Saved;
pub use schedule::{SAMPLE, Schedule, jittered};
pub use standing::{Deadline, Failover, Pin, Run, Standing};
pub(crate) use words::span;
