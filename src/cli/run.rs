//! `botgate run`: serves.

use std::path::PathBuf;

use super::print::{self, Style, Tone};
use super::{EXIT_CODES, Exit, serve};
use crate::server::Takeover;

/// Serve: the messaging endpoint that Azure Bot Service calls, and the question-answering endpoint that the bot calls.
///
/// SIGHUP, a change of the config file or of a certificate, and `botgate reload` apply a new config without dropping a
/// connection. SIGTERM and SIGINT drain: no new connections, requests under way end within `shutdown_grace`; a second
/// signal stops at once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Args {
    /// The config file; `botgate check` says what is wrong with it.
    #[arg(long, short, value_name = "FILE", env = "BOTGATE_CONFIG")]
    config: PathBuf,
    /// Start beside a predecessor that listens on the same addresses: both serve until it is sent SIGTERM.
    #[arg(long)]
    handover: bool,
    /// Print where it listens as one line of JSON, and log as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Exit {
    let source = serve::Source::File(args.config.clone());
    let takeover = if args.handover { Takeover::FromPredecessor } else { Takeover::Never };
    serve::serve(source, serve::State::Kept, takeover, args.json, |listening| {
        if args.json {
            let listeners: Vec<String> = listening.listeners.iter().map(ToString::to_string).collect();
            print::json_line(&serde_json::json!({ "listening": listeners, "admin": listening.admin.to_string() }));
        } else {
            let style = Style::of_stdout();
            for listener in &listening.listeners {
                print::out(&format!("{} {listener}\n", style.paint(Tone::Strong, "listening on")));
            }
            let scheme = if listening.admin_tls { "https" } else { "http" };
            print::out(&format!("{} {scheme}://{}\n", style.paint(Tone::Strong, "admin API on"), listening.admin));
        }
    })
}
