//! `botgate unpin POOL`

use super::client::path;
use super::order::{SendArgs, give};
use super::{EXIT_CODES, Exit};
use crate::admin::OrderBody;

/// Release a pin, or else a latch
///
/// The pool then follows its rules again: a hold that it waits for starts anew, so that nothing moves in the same
/// instant. A released latch comes with a new flap budget. To move back at once, use `botgate failback`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate unpin bot-api
  botgate unpin bot-api --reason \"the vendor is done\"

{EXIT_CODES}"))]
pub(super) struct Args {
    /// The pool
    #[arg(value_name = "POOL")]
    pool: String,
    /// Why, for those who read the journal later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    send: SendArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    let body = OrderBody { reason: args.reason.clone(), force: false };
    give(&path(&["api", "v1", "pools", &args.pool, "unpin"]), &body, &args.send)
}
