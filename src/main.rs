//! The `botgate` command.
#![forbid(unsafe_code)]

fn main() {}
