//! The real gateway over real sockets and real TLS, against backends that misbehave on command.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "these are tests")]

#[path = "../support/mod.rs"]
mod support;

mod support_works;
