//! `botgate failover POOL`

use super::client::path;
use super::order::{MustExplain, SendArgs, give};
use super::{EXIT_CODES, Exit};
use crate::admin::FailoverBody;

/// Move a pool away from its active backend
///
/// It goes to the best backend that is ready, or to the one named by --to. From then on the pool waits in
/// `awaiting-approval`: only `botgate failback` moves it back, whatever failback.mode says. If its new backend dies, it
/// still moves on. A move onto a backend that is not ready is refused with the reasons unless --force.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate failover bot-api --reason \"West Europe answers slowly\"
  botgate failover bot-api --to northeurope --force --reason \"parity is known to be fine\"

{EXIT_CODES}"))]
pub(super) struct Args {
    /// The pool
    #[arg(value_name = "POOL")]
    pool: String,
    /// The backend to move to; left out: the best that is ready
    #[arg(long, value_name = "BACKEND")]
    to: Option<String>,
    #[command(flatten)]
    why: MustExplain,
    #[command(flatten)]
    send: SendArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    let body = FailoverBody { to: args.to.clone(), reason: args.why.reason.clone(), force: args.why.force };
    give(&path(&["api", "v1", "pools", &args.pool, "failover"]), &body, &args.send)
}
