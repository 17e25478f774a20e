//! End to end with real parts: bots built with their makers' SDKs, in processes of their own, behind the real binary, and
//! the clients that people use (curl, Node, Python). Faults are made, not mocked: processes are killed and stopped.
//!
//! ```text
//! cargo test --release --features e2e --test e2e -- --nocapture --test-threads=1
//! ```
//! `attack` and `crowd` need nothing but the toolchain, and are short unless told otherwise: `tests/run crowd`. The others:
//! Needs Node 20, npm, Python 3 with venv and a curl that speaks HTTP/2; installs the packages of bots and clients itself, from
//! lock files.
#![forbid(unsafe_code)]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test may fail loudly, and prints what it measured"
)]

#[path = "../support/mod.rs"]
mod support;

mod attack;
mod bots;
mod callers;
mod child;
mod crowd;
mod dev;
mod directline;
mod failover;
mod faults;
mod install;
mod long_run;
mod matrix;
mod messages;
mod questions;
mod regions;
mod replies;
mod secrets;
mod service;
mod session;
mod soak;
mod streaming;
mod table;
mod tokens;
mod trust;
