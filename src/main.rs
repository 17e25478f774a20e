//! The `botgate` command: read the command line, run the command, end with its exit code.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use botgate::cli::Cli;

/// Many small, short-lived buffers on many threads: what mimalloc is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Cli::from_command_line().run()
}
