//! The command line: one file per command, each with its `Args` and a `run` that ends in an [`Exit`].
//!
//! A new command takes three lines: its module here, its variant in [`Command`], its arm in [`Cli::run`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod check;
mod client;
mod completions;
mod dev;
mod drain;
mod drill;
mod exit;
mod order;
mod print;
mod reload;
mod resume;
mod run;
mod schema;
mod serve;
mod sim;
mod sse;
mod status;
mod table;
mod watch;

pub use exit::Exit;

/// What every `--help` ends with.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the answer is no
  2  bad usage or config
  3  cannot reach botgate";

/// One TLS endpoint in front of a bot that is deployed in several regions.
///
/// botgate keeps one region active and the others standing by, moves without losing a request, and can tell afterwards
/// why it moved.
#[derive(Debug, Parser)]
#[command(name = "botgate", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The commands, in the order of the help.
#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Args),
    Run(run::Args),
    Check(check::Args),
    Sim(sim::Args),
    Status(status::Args),
    Watch(watch::Args),
    Drain(drain::Args),
    Drill(drill::Args),
    Resume(resume::Args),
    Reload(reload::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

impl Cli {
    /// Parses the process's arguments; ends the process with code 2 and a message when they are wrong, with 0 for
    /// `--help` and `--version`.
    pub fn from_command_line() -> Self {
        Self::parse()
    }

    /// Runs the command to its end.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Dev(args) => dev::run(&args).into(),
            Command::Run(args) => run::run(&args).into(),
            Command::Check(args) => check::run(args),
            Command::Sim(args) => sim::run(&args),
            Command::Status(args) => status::run(&args).into(),
            Command::Watch(args) => watch::run(&args).into(),
            Command::Drain(args) => drain::run(&args).into(),
            Command::Drill(args) => drill::run(&args).into(),
            Command::Resume(args) => resume::run(&args).into(),
            Command::Reload(args) => reload::run(&args).into(),
            Command::Schema(args) => schema::run(args),
            Command::Completions(args) => completions::run(&args).into(),
        }
    }
}

#[cfg(test)]
mod against_a_gate;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_tells_its_exit_codes_and_says_what_it_does() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Exit codes:"), "{}", command.get_name());
        }
    }

    #[test]
    fn wrong_usage_ends_with_2() {
        for wrong in
            [&["botgate"][..], &["botgate", "fly"], &["botgate", "drain", "bot-api"], &["botgate", "status", "--x"]]
        {
            assert_eq!(Cli::try_parse_from(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }

    #[test]
    fn orders_take_a_pool_a_backend_and_a_reason() {
        let line = ["botgate", "drain", "bot-api", "westeurope", "--reason", "updates", "--admin", "http://[::1]:9"];
        assert!(Cli::try_parse_from(line).is_ok());
    }
}
