//! The admin API and `/metrics`, on a listener of their own. The only folder that names axum.
//!
//! It holds no state of botgate: it asks control by messages ([`crate::control::Handle`]) and answers what control says,
//! as the types of [`crate::model`]. Every refusal is a problem document (RFC 9457).
//!
//! Who may ask is decided before any handler runs:
//!
//! | file | its one idea |
//! |---|---|
//! | `credential` | what a request shows: a bearer token, a certificate |
//! | `access` | the rules of one config, and how a credential is judged by them |
//! | `rules` | the one place where the rules in force are; a reload changes them, for what is under way too |
//! | `guard` | whether a request is served: who, by what name (`host`), from where, how often (`limiter`) |
//! | `actor` | who asks, as the journal will say it |
//! | `tls` | what connections are begun with, and whose certificate they were |

mod access;
mod activities;
mod actor;
mod bodies;
mod credential;
mod crowd;
mod drills;
mod events;
mod guard;
mod health;
mod host;
mod journal;
mod limiter;
mod orders;
mod pools;
mod problem;
mod reload;
mod router;
mod rules;
mod security;
mod serve;
mod shared;
mod state;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
mod tls;

pub use access::AccessError;
pub use bodies::{FailbackBody, FailoverBody, OrderBody, PinBody};
pub use drills::DrillBody;
pub use problem::{PROBLEM_JSON, Problem};
pub use reload::Rejection;
pub use router::{openapi, router};
pub use rules::Rules;
pub use serve::{BindError, bind, serve};
pub use shared::Refusal;
pub use state::{AdminState, RenderMetrics};
