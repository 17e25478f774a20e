//! The admin listener: where it is, who may ask, and what they may do.

mod check;
mod oidc;
mod raw;
mod types;

pub(super) use check::validate;
pub(super) use raw::RawAdmin;
pub use types::{AdminClient, AdminConfig, AdminTls, AdminToken, ClientName, OidcConfig};
