//! The command line: one file per command, each with its `Args` and a `run` that ends in an [`Exit`].
//!
//! A new command takes three lines: its module here, its variant in [`Command`], its arm in [`Cli::run`].

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

mod arithmetic;
mod check;
mod client;
mod completions;
mod dev;
mod drain;
mod drill;
mod exit;
mod explain;
mod failback;
mod failover;
mod import;
mod journal;
mod order;
mod pin;
mod print;
mod reach;
mod reload;
mod resume;
mod run;
mod schema;
mod serve;
mod sim;
mod simulate;
mod sse;
mod status;
mod table;
mod unpin;
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

/// The commands, in the order of the help. What each takes is built when it is the one.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    Dev(dev::Args),
    Run(run::Args),
    Check(check::Args),
    Simulate(simulate::Args),
    Sim(sim::Args),
    Import(import::Args),
    Status(status::Args),
    Explain(explain::Args),
    Journal(journal::Args),
    Watch(watch::Args),
    Failover(failover::Args),
    Failback(failback::Args),
    Pin(pin::Args),
    Unpin(unpin::Args),
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
        // What is to be told, help and mistakes, is told by the command line with all its commands built.
        Self::try_parse().unwrap_or_else(|_| {
            let mut whole = Self::command();
            whole.build();
            let told = whole.try_get_matches().and_then(|mut matches| Self::from_arg_matches_mut(&mut matches));
            told.unwrap_or_else(|error| error.exit())
        })
    }

    /// Runs the command to its end.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Dev(args) => dev::run(&args).into(),
            Command::Run(args) => run::run(&args).into(),
            Command::Check(args) => check::run(args),
            Command::Simulate(args) => simulate::run(&args).into(),
            Command::Sim(args) => sim::run(&args),
            Command::Import(args) => import::run(&args).into(),
            Command::Status(args) => status::run(&args).into(),
            Command::Explain(args) => explain::run(&args).into(),
            Command::Journal(args) => journal::run(&args).into(),
            Command::Watch(args) => watch::run(&args).into(),
            Command::Failover(args) => failover::run(&args).into(),
            Command::Failback(args) => failback::run(&args).into(),
            Command::Pin(args) => pin::run(&args).into(),
            Command::Unpin(args) => unpin::run(&args).into(),
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
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_tells_its_exit_codes_and_says_what_it_does() {
        let mut whole = Cli::command();
        whole.build();
        for command in whole.get_subcommands().filter(|command| command.get_name() != "help") {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Exit codes:"), "{}", command.get_name());
            let order = ["failover", "failback", "pin", "unpin", "drain", "resume", "journal", "explain", "watch"];
            assert!(!order.contains(&command.get_name()) || after.contains("Examples:\n  botgate "));
        }
    }

    #[test]
    fn wrong_usage_ends_with_2() {
        for wrong in
            ["", "fly", "drain bot-api", "status --x", "failover p", "failback p", "pin p b", "failover p --reason="]
        {
            let words = std::iter::once("botgate").chain(wrong.split_whitespace());
            assert_eq!(Cli::try_parse_from(words).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
        for wrong in ["pin p b --reason x --for soon", "pin p b --reason x --for 0s", "journal --limit 0"] {
            let words = std::iter::once("botgate").chain(wrong.split_whitespace());
            assert_eq!(Cli::try_parse_from(words).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }

    #[test]
    fn orders_take_a_pool_a_backend_and_a_reason() {
        let line = ["botgate", "drain", "bot-api", "westeurope", "--reason", "updates", "--admin", "http://[::1]:9"];
        assert!(Cli::try_parse_from(line).is_ok());
    }
}
