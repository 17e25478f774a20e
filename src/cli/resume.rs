//! `botgate resume POOL BACKEND`

use super::order::{OrderArgs, give};
use super::{EXIT_CODES, Exit};

/// Put a drained backend back
///
/// It stands by until it is healthy; the pool moves back to it by its own failback rules.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate resume bot-api westeurope --reason \"updates done\"

{EXIT_CODES}"))]
pub(super) struct Args {
    #[command(flatten)]
    order: OrderArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    give("resume", &args.order)
}
