//! The check of a token that a channel, an emulator or another bot sends with its requests, or an operator to the admin API.
//!
//! | file | its one idea |
//! |---|---|
//! | `bearer` | from the `Authorization` header to the three parts of a token |
//! | `members` | a JSON object, read so that no two parsers could read it in two ways |
//! | `claims` | what a token says: the members that are looked at, with the types that they must have |
//! | `metadata`, `keys` | what an issuer publishes: where its keys are, and the keys |
//! | `judge` | what a token must say to be accepted: issuer, audience, caller, times |
//! | `check` | all of it, cheap things first, the signature last |
//! | `oidc` | the same for a token that says what an operator may do |
//! | `cache` | tokens whose signature was verified before |
//!
//! The rules are those of the connector's documentation; where the bot SDKs differ among themselves, the strictest of them
//! is followed, so that no token passes the gateway that one of the bots behind it would refuse.

mod bearer;
mod cache;
mod check;
mod claims;
mod judge;
mod keys;
mod members;
mod metadata;
mod oidc;
#[cfg(test)]
mod tests;

pub use cache::TokenCache;
pub use check::{Bound, Caller, IssuerKind, Keys, Refused, check};
pub use keys::{KeyFault, KeySet};
pub use metadata::jwks_uri;
pub use oidc::{Claimant, check_oidc, looks_like_one};
