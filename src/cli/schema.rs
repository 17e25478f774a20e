//! `botgate schema`: the JSON Schema of a config file, for editors.

use std::io::Write;
use std::process::ExitCode;

use crate::config;

/// Print the JSON Schema (draft 2020-12) of a config file
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Args {}

/// Prints the schema. Exit code 0, or 1 when it cannot be written.
pub(super) fn run(_: Args) -> ExitCode {
    let text = format!("{:#}\n", config::json_schema());
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
