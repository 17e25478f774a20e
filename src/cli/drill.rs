//! `botgate drill start|stop|report|list`

use std::time::Duration;

use clap::Subcommand;
use tokio::time::sleep;

use super::client::{AdminArgs, Client, ClientError, converse, path};
use super::print::{self, plain};
use super::{EXIT_CODES, Exit};
use crate::admin::{DrillBody, OrderBody};
use crate::config::parse_duration;
use crate::control::drill_markdown;
use crate::model::{DrillEnding, DrillReport, DrillState, Verdict, Window};

/// Rehearse a failover: move a pool to its standby, watch it, move back, and report
///
/// A drill is given up, and the pool moves back, as soon as it hurts: pool.drill in the config has the limits. One drill
/// at a time.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate drill start bot-api --for 10m --reason \"before the autumn patches\" --wait
  botgate drill start bot-api --when \"Wed 03:00-04:00\" --reason \"at night\"
  botgate drill report > drill.md

{EXIT_CODES}"))]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Begin a drill, or plan one
    Start(StartArgs),
    /// End the drill that is under way, or call a planned one off
    Stop(StopArgs),
    /// Print the report of a drill as Markdown; of the latest, when none is named
    ///
    /// Exit code 1 means that the drill failed, or that there is none.
    Report(ReportArgs),
    /// List the drills: under way, planned, and past
    List(ListArgs),
}

#[derive(Debug, clap::Args)]
struct StartArgs {
    /// The pool
    #[arg(value_name = "POOL")]
    pool: String,
    /// The backend to move to; left out: the best that is ready
    #[arg(long, value_name = "BACKEND")]
    to: Option<String>,
    /// For how long, as in the config: 10m; left out: as the config says
    #[arg(long = "for", value_name = "DURATION", value_parser = |text: &str| parse_duration(text).map(|_| text.to_owned()))]
    lasts: Option<String>,
    /// Once, at the next opening of this UTC window; left out: now
    #[arg(long, value_name = "WINDOW", value_parser = |text: &str| text.parse::<Window>().map(|_| text.to_owned()))]
    when: Option<String>,
    /// Why, for those who ask later
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Wait for its end, and print the report; exit code 1 means that it failed
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct StopArgs {
    /// The drill; left out: the one that is under way
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Why, for those who ask later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct ReportArgs {
    /// The drill; left out: the latest
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct Output {
    /// Print what the admin API answers, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    match &args.what {
        What::Start(args) => converse(&args.output.admin, |client| start(client, args)),
        What::Stop(args) => converse(&args.output.admin, |client| stop(client, args)),
        What::Report(args) => converse(&args.output.admin, |client| async move {
            let id = args.id.as_deref().unwrap_or("latest");
            let report: DrillReport = client.get(&path(&["api", "v1", "drills", id])).await?;
            show(&report, args.output.json);
            Ok(verdict(&report))
        }),
        What::List(args) => converse(&args.output.admin, |client| async move {
            let all: Vec<DrillReport> = client.get("/api/v1/drills").await?;
            if args.output.json {
                print::json(&all);
            } else {
                print::out(&table(&all));
            }
            Ok(Exit::Done)
        }),
    }
}

async fn start(client: Client, args: &StartArgs) -> Result<Exit, ClientError> {
    let body = DrillBody {
        pool: args.pool.clone(),
        to: args.to.clone(),
        lasts: args.lasts.clone(),
        when: args.when.clone(),
        reason: args.reason.clone(),
    };
    let body = serde_json::to_string(&body).unwrap_or_default();
    let mut report: DrillReport = client.post("/api/v1/drills", body).await?;
    if !args.wait {
        if args.output.json {
            print::json(&report);
        } else {
            print::out(&format!("{}\n", line(&report)));
        }
        return Ok(Exit::Done);
    }
    while report.state != DrillState::Ended {
        sleep(Duration::from_secs(1)).await;
        report = client.get(&path(&["api", "v1", "drills", &report.id])).await?;
    }
    show(&report, args.output.json);
    Ok(verdict(&report))
}

async fn stop(client: Client, args: &StopArgs) -> Result<Exit, ClientError> {
    let id = match &args.id {
        Some(id) => id.clone(),
        None => {
            let all: Vec<DrillReport> = client.get("/api/v1/drills").await?;
            match all.into_iter().find(|report| report.state == DrillState::UnderWay) {
                Some(report) => report.id,
                None => {
                    return Ok(print::fail(
                        Exit::No,
                        "no drill is under way; `botgate drill list` shows the planned ones",
                    ));
                }
            }
        }
    };
    let body = OrderBody { reason: args.reason.clone(), force: false };
    let body = serde_json::to_string(&body).unwrap_or_default();
    let report: DrillReport = client.post(&path(&["api", "v1", "drills", &id, "stop"]), body).await?;
    if args.output.json {
        print::json(&report);
    } else {
        print::out(&format!("{}\n", line(&report)));
    }
    Ok(Exit::Done)
}

fn show(report: &DrillReport, json: bool) {
    if json {
        print::json(report);
    } else {
        print::out(&plain(&drill_markdown(report)));
    }
}

/// No for a drill that failed or did not take place; what is not over yet has failed nobody.
fn verdict(report: &DrillReport) -> Exit {
    let ended = report.state == DrillState::Ended;
    if ended && report.verdict != Some(Verdict::Pass) { Exit::No } else { Exit::Done }
}

fn table(all: &[DrillReport]) -> String {
    match all {
        [] => "no drills yet: `botgate drill start POOL --reason TEXT` begins one\n".to_owned(),
        all => all.iter().map(|report| line(report) + "\n").collect(),
    }
}

/// One drill in one line.
fn line(report: &DrillReport) -> String {
    let name = |name: &Option<_>| name.as_ref().map_or("?".to_owned(), ToString::to_string);
    let id = &report.id;
    let text = match (report.state, report.verdict) {
        (DrillState::Planned, _) => {
            let opens = report.window.as_ref().map(|window| format!(" for {}", window.opens)).unwrap_or_default();
            format!("{id}  planned{opens}, by {}", report.by)
        }
        (DrillState::UnderWay, _) => format!("{id}  under way: {} → {}", name(&report.origin), name(&report.target)),
        (DrillState::Closing | DrillState::Ended, verdict) => {
            let ending = report.ending.map_or("ended", DrillEnding::as_str);
            let verdict = match verdict {
                Some(Verdict::Pass) => "passed, ",
                Some(Verdict::Fail) => "failed, ",
                None => "",
            };
            let (requests, failed) = (report.during.requests, report.during.failed);
            let why = report.why.as_deref().unwrap_or_default();
            format!("{id}  {verdict}{ending}: {why} ({requests} requests, {failed} failed)")
        }
    };
    plain(&text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::fixture::drill_report;

    #[test]
    fn a_drill_is_told_in_one_line() {
        let mut report = drill_report();
        assert_eq!(line(&report), "d1  passed, over: the drill is over (300000 requests, 0 failed)");
        report.state = DrillState::UnderWay;
        assert_eq!(line(&report), "d1  under way: westeurope → northeurope");
        report.why = Some("a\x1b[2J\nb".into());
        report.state = DrillState::Ended;
        assert!(!line(&report).contains(['\x1b', '\n']));
    }

    #[test]
    fn only_a_drill_that_passed_ends_with_0_once_it_is_over() {
        let mut report = drill_report();
        assert_eq!(verdict(&report), Exit::Done);
        report.verdict = Some(Verdict::Fail);
        assert_eq!(verdict(&report), Exit::No);
        report.state = DrillState::UnderWay;
        assert_eq!(verdict(&report), Exit::Done);
    }
}
