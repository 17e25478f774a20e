//! `botgate status [POOL]`

use super::client::{AdminArgs, converse, path};
use super::print::{self, Style};
use super::{EXIT_CODES, Exit, table};
use crate::model::{Phase, PoolView};

/// Show the pools: which backend is active, in which phase since when, and how each backend does
///
/// The line of a pool tells of its last decision; `botgate explain POOL` says why its active backend
/// is active. The arrow marks the active backend. Exit code 1 means that a shown pool has no available backend (phase
/// `all-down`).
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate status
  botgate status bot-api --json | jq -r .active
  botgate status > /dev/null || page-someone

{EXIT_CODES}"))]
pub(super) struct Args {
    /// Only this pool
    #[arg(value_name = "POOL")]
    pool: Option<String>,
    /// Print what the admin API answers, as JSON: a list of pools, or the one pool
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    converse(&args.admin, |client| async move {
        let pools: Vec<PoolView> = match &args.pool {
            Some(name) => vec![client.get(&path(&["api", "v1", "pools", name])).await?],
            None => client.get("/api/v1/pools").await?,
        };
        let style = Style::of_stdout();
        match pools.as_slice() {
            [pool] if args.json && args.pool.is_some() => print::json(pool),
            pools if args.json => print::json(&pools),
            pools => print::out(&table::pools(pools, style, jiff::Timestamp::now())),
        };
        Ok(verdict(&pools))
    })
}

fn verdict(pools: &[PoolView]) -> Exit {
    if pools.iter().any(|pool| pool.phase == Phase::AllDown) { Exit::No } else { Exit::Done }
}
