//! `botgate drain POOL BACKEND`

use super::client::path;
use super::order::{BackendArgs, MayExplain, SendArgs, give};
use super::{EXIT_CODES, Exit};
use crate::admin::OrderBody;

/// Take a backend out: no new request goes to it, those under way end
///
/// If it is the active one, the pool fails over to the next. It stays out until `botgate resume`, also across a restart.
/// A drain that would leave no available backend is refused unless forced; the last one that is not drained stays.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate drain bot-api westeurope --reason \"kernel updates\"
  botgate drain bot-api westeurope --json | jq .pool.active

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
    order("drain", &args.target, &args.why, &args.send)
}

/// An order about one backend: `drain` or `resume`.
pub(super) fn order(verb: &str, target: &BackendArgs, why: &MayExplain, send: &SendArgs) -> Exit {
    let path = path(&["api", "v1", "pools", &target.pool, "backends", &target.backend, verb]);
    give(&path, &OrderBody { reason: why.reason.clone(), force: why.force }, send)
}
