//! `botgate failback POOL`

use super::client::path;
use super::order::{MustExplain, SendArgs, give};
use super::{EXIT_CODES, Exit};
use crate::admin::FailbackBody;

/// Move a pool back to its first priority, at once
///
/// Needs no hold and no window. It also ends a drill, and releases a latch with a new flap budget. Refused with the
/// reasons while the first priority is not ready or a pin holds the pool, unless --force.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate failback bot-api --reason \"West Europe is repaired\"
  botgate explain bot-api     # when it would move back by itself, and what that depends on

{EXIT_CODES}"))]
pub(super) struct Args {
    /// The pool
    #[arg(value_name = "POOL")]
    pool: String,
    #[command(flatten)]
    why: MustExplain,
    #[command(flatten)]
    send: SendArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    let body = FailbackBody { reason: args.why.reason.clone(), force: args.why.force };
    give(&path(&["api", "v1", "pools", &args.pool, "failback"]), &body, &args.send)
}
