//! The admin API and `/metrics`, on a plain-HTTP listener of their own. The only folder that names axum.
//!
//! It holds no state of botgate: it asks control by messages ([`crate::control::Handle`]) and answers what control says,
//! as the types of [`crate::model`]. Every refusal is a problem document (RFC 9457). Who may ask is decided in one place,
//! `guard.rs`, before any handler runs.

mod activities;
mod actor;
mod bodies;
mod drills;
mod events;
mod guard;
mod health;
mod journal;
mod orders;
mod pools;
mod problem;
mod reload;
mod router;
mod serve;
mod shared;
mod state;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use bodies::{FailbackBody, FailoverBody, OrderBody, PinBody};
pub use drills::DrillBody;
pub use guard::InsecureBind;
pub use problem::{PROBLEM_JSON, Problem};
pub use reload::Rejection;
pub use router::{openapi, router};
pub use serve::{BindError, bind, serve};
pub use shared::Refusal;
pub use state::{AdminState, RenderMetrics};
