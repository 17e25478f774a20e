//! Whether the backends are really in step: values that were taken of their answers at one moment, compared. Pure like all
//! of steering: who asks, and when, is control's business.

mod combine;
mod compare;
mod sample;
#[cfg(test)]
mod tests;
mod words;

pub use combine::{BackendParity, combine};
pub use compare::{Parity, compare};
pub use sample::Sample;
pub use words::rule as rule_in_words;
