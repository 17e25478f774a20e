//! What `drain` and `resume` share: an order about one backend.

use super::client::{AdminArgs, converse, path};
use super::print::{self, Style};
use super::{Exit, table};
use crate::admin::OrderBody;
use crate::model::OrderView;

/// An order about one backend.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct OrderArgs {
    /// The pool
    #[arg(value_name = "POOL")]
    pool: String,
    /// The backend
    #[arg(value_name = "BACKEND")]
    backend: String,
    /// Why, for those who ask later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do it although something speaks against it; the journal says so
    #[arg(long)]
    force: bool,
    /// Print what was done, and the pool afterwards, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Gives the order (`drain` or `resume`) and shows the pool afterwards.
pub(super) fn give(order: &str, args: &OrderArgs) -> Exit {
    converse(&args.admin, |client| async move {
        let path = path(&["api", "v1", "pools", &args.pool, "backends", &args.backend, order]);
        let body =
            serde_json::to_string(&OrderBody { reason: args.reason.clone(), force: args.force }).unwrap_or_default();
        let order: OrderView = client.post(&path, body).await?;
        if args.json {
            print::json(&order);
        } else {
            print::out(&table::pool(&order.pool, Style::of_stdout(), jiff::Timestamp::now()));
        };
        Ok(Exit::Done)
    })
}
