//! Parity checks: whether the standby is really in step.

mod check;
mod companion;
mod presets;
mod raw;
mod types;

pub(super) use check::validate;
pub(super) use companion::service_url;
pub(super) use raw::RawParity;
pub use types::{Against, Difference, ParityConfig, ParityRequest, ParityRule, Take};
