//! `botgate drain POOL BACKEND`

use super::order::{OrderArgs, give};
use super::{EXIT_CODES, Exit};

/// Take a backend out: no new request goes to it, those under way end
///
/// If it is the active one, the pool fails over to the next. It stays out until `botgate resume`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate drain bot-api westeurope --reason \"kernel updates\"
  botgate drain bot-api westeurope --json | jq .active

{EXIT_CODES}"))]
pub(super) struct Args {
    #[command(flatten)]
    order: OrderArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    give("drain", &args.order)
}
