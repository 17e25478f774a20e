//! `botgate resume POOL BACKEND`

use super::order::{BackendArgs, MayExplain, SendArgs};
use super::{EXIT_CODES, Exit, drain};

/// Put a drained backend back
///
/// It stands by until it is healthy; the pool moves back to it by its own failback rules.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate resume bot-api westeurope --reason \"updates done\"

{EXIT_CODES}"))]
pub(super) struct Args {
    #[command(flatten)]
    target: BackendArgs,
    #[command(flatten)]
    why: MayExplain,
    #[command(flatten)]
    send: SendArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    drain::order("resume", &args.target, &args.why, &args.send)
}
