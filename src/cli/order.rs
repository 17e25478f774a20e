//! What the orders share: who is asked, why, and how what came of it is told.

use clap::builder::NonEmptyStringValueParser;
use serde::Serialize;

use super::client::{AdminArgs, converse};
use super::print::{self, Style, Tone};
use super::{Exit, table};
use crate::model::OrderView;

/// Where an order goes, and how its outcome is printed.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SendArgs {
    /// Print what was done, and the pool afterwards, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Why, for an order that needs no reason; and whether it is forced.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct MayExplain {
    /// Why, for those who read the journal later
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Do it although something speaks against it; the journal says what
    #[arg(long)]
    pub(super) force: bool,
}

/// Why, for an order that moves a pool or holds it; and whether it is forced.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct MustExplain {
    /// Why, for those who read the journal later
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) reason: String,
    /// Do it although the backend is not ready, or a pin or a drill holds the pool; the journal says so. A drained backend
    /// is never moved to
    #[arg(long)]
    pub(super) force: bool,
}

/// A backend of a pool.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct BackendArgs {
    /// The pool
    #[arg(value_name = "POOL")]
    pub(super) pool: String,
    /// The backend
    #[arg(value_name = "BACKEND")]
    pub(super) backend: String,
}

/// Gives an order and tells what was done, then how the pool stands.
pub(super) fn give(path: &str, body: &impl Serialize, send: &SendArgs) -> Exit {
    // Strings, numbers and truth values only: cannot fail.
    let body = serde_json::to_string(body).unwrap_or_default();
    converse(&send.admin, |client| async move {
        let view: OrderView = client.post(path, body).await?;
        if send.json {
            print::json(&view);
        } else {
            print::out(&told(&view, Style::of_stdout(), jiff::Timestamp::now()));
        }
        if !view.journalled {
            let text =
                "it is done, but not in the journal yet: a restart may forget it; botgate's log and /readyz say why";
            print::fail(Exit::Done, text);
        }
        Ok(Exit::Done)
    })
}

fn told(view: &OrderView, style: Style, now: jiff::Timestamp) -> String {
    let done = table::wrapped(&format!("done: {}", view.done), 0);
    format!("{}\n{}", style.paint(Tone::Good, done.trim_end()) + "\n", table::pool(&view.pool, style, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_comes_first_then_the_pool() {
        let done = "failover westeurope → northeurope (epoch 2): moved to northeurope by local (ann): slow".to_owned();
        let view = OrderView { done, journalled: true, pool: crate::admin::fixture::pool() };
        let text = told(&view, Style::PLAIN, jiff::Timestamp::now());
        let expected = "done: failover westeurope → northeurope (epoch 2): moved to northeurope by local\n(ann): slow\n\n\
            bot-api  failed-over  active northeurope  epoch 2\n";
        assert!(text.starts_with(expected), "{text}");
    }
}
