//! A corpus of requests and responses that servers are known to read in different ways, and the machinery that watches
//! both sides of a proxy while they pass: what the client got, and byte for byte what reached the backend.
//!
//! The cases are data (`data/*.toml`), each with its reason: the section of an RFC, or the vulnerability that came of it. The
//! strictest reading is what counts. `tests/it/corpus.rs` runs them against botgate, `tests/safety/run` against botgate,
//! nginx and HAProxy.

mod backend;
mod case;
mod frames;
mod judge;
mod runner;
mod strict;
mod wire;

pub use backend::Recorder;
pub use case::{Case, Demand, all};
pub use judge::{Found, Verdict};
pub use runner::{Runner, trusting};
