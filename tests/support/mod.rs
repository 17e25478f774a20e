//! What the tests that run the real gateway share: the gateway as a child process, backends that misbehave on command,
//! clients, and a load generator. Included by path in `tests/it` and `tests/e2e`.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "shared by several test binaries, none of which exports anything")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test may fail loudly: that is what it is for"
)]

pub mod backend;
pub mod client;
pub mod corpus;
pub mod dns;
pub mod freeze;
pub mod gateway;
pub mod h2raw;
pub mod issuer;
pub mod listening;
pub mod load;
pub mod long_wire;
pub mod messages;
#[path = "../../src/pki/ocsp/fixture.rs"]
pub mod ocsp;
pub mod process;
pub mod raw;
pub mod responder;
pub mod sim;
pub mod site;
pub mod stage;
pub mod storm;
pub mod tls;
pub mod wait;
pub mod websocket;

pub use backend::{Answer, Backend, Behaviour, Cut, Health};
pub use client::{Client, Protocol, Reply};
pub use gateway::Gateway;
pub use load::{Load, Report};
pub use site::Site;
pub use wait::{alone, together, wait_until};

/// A result whose error is shown by the test harness.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
