//! `botgate pin POOL BACKEND`

use super::client::path;
use super::order::{BackendArgs, MustExplain, SendArgs, give};
use super::{EXIT_CODES, Exit};
use crate::admin::PinBody;
use crate::config::parse_duration;

/// Hold a backend active, whatever happens to it
///
/// The pool moves there at once and stays, for the time of --for or until `botgate unpin`, also across a restart, and
/// even if that backend fails: --yield-when-down lets the pin give way then. Without that flag, the pool's
/// pin.yield_when_down decides. A backend that is not ready is refused with the reasons unless --force.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate pin bot-api westeurope --for 2h --reason \"the vendor measures there\"
  botgate pin bot-api northeurope --yield-when-down --reason \"until the audit is over\"

{EXIT_CODES}"))]
pub(super) struct Args {
    #[command(flatten)]
    target: BackendArgs,
    /// For how long, as in the config: 30m, 2h, 1d; left out: until `botgate unpin`
    #[arg(long = "for", value_name = "DURATION", value_parser = span)]
    lasts: Option<String>,
    /// Give way when the backend becomes unavailable and another is not
    #[arg(long)]
    yield_when_down: bool,
    #[command(flatten)]
    why: MustExplain,
    #[command(flatten)]
    send: SendArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    let body = PinBody {
        backend: args.target.backend.clone(),
        lasts: args.lasts.clone(),
        yield_when_down: args.yield_when_down.then_some(true),
        reason: args.why.reason.clone(),
        force: args.why.force,
    };
    give(&path(&["api", "v1", "pools", &args.target.pool, "pin"]), &body, &args.send)
}

fn span(text: &str) -> Result<String, String> {
    match parse_duration(text)?.is_zero() {
        true => Err("a pin of no length holds nothing".to_owned()),
        false => Ok(text.to_owned()),
    }
}
