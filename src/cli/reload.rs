//! `botgate reload`

use http::StatusCode;

use super::client::{AdminArgs, converse};
use super::{EXIT_CODES, Exit, print};
use crate::model::ReloadOutcome;

/// Read the config file again
///
/// A good file takes effect at once and drops no connection. A bad one changes nothing: its errors are printed and the
/// exit code is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate check --config botgate.toml && botgate reload
  botgate reload --json | jq .changes

{EXIT_CODES}"))]
pub(super) struct Args {
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    converse(&args.admin, |client| async move {
        let (status, body) = client.post_raw("/api/v1/reload").await?;
        let outcome: ReloadOutcome = match status {
            StatusCode::OK => client.parse(&body)?,
            // A rejected reload is an outcome; any other conflict is a plain refusal.
            StatusCode::CONFLICT => client.parse(&body).map_err(|_| client.refusal(status, &body))?,
            _ => return Err(client.refusal(status, &body)),
        };
        if args.json {
            print::json(&outcome);
        } else {
            print::out(&print::plain(&describe(&outcome)));
        };
        Ok(match outcome {
            ReloadOutcome::Applied { .. } => Exit::Done,
            ReloadOutcome::Rejected { .. } => Exit::No,
        })
    })
}

fn describe(outcome: &ReloadOutcome) -> String {
    let list = |title: &str, lines: &[String]| match lines {
        [] => String::new(),
        lines => format!("{title}:\n  {}\n", lines.join("\n").replace('\n', "\n  ")),
    };
    match outcome {
        ReloadOutcome::Applied { changes, needs_restart, warnings } => {
            let head = if changes.is_empty() && needs_restart.is_empty() {
                "applied: nothing changed\n".to_owned()
            } else if changes.is_empty() {
                "applied: nothing changed that takes effect without a restart\n".to_owned()
            } else {
                list("applied", changes)
            };
            head + &list("takes a restart", needs_restart) + &list("warnings", warnings)
        }
        ReloadOutcome::Rejected { errors } => list("rejected, nothing changed", errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_told_in_full() {
        let applied = ReloadOutcome::Applied {
            changes: vec!["pool \"qna\" added".into()],
            needs_restart: vec!["workers".into()],
            warnings: vec![],
        };
        assert_eq!(describe(&applied), "applied:\n  pool \"qna\" added\ntakes a restart:\n  workers\n");
        let rejected = ReloadOutcome::Rejected { errors: vec!["line 3\nhint: x".into()] };
        assert_eq!(describe(&rejected), "rejected, nothing changed:\n  line 3\n  hint: x\n");
    }
}
