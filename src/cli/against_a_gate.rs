//! The operator's commands, from the command line to the exit code, against an admin API on a socket.

use clap::Parser;

use super::{Cli, Command, Exit, drain, drill, reload, resume, status, watch};
use crate::admin::fixture::{Gate, Script, decision};
use crate::model::{Phase, ReloadOutcome};

/// How the command line ends that asks the admin API at `url`.
async fn end_of(line: &str, url: String) -> Exit {
    let words = format!("botgate {line} --admin {url}");
    let cli = Cli::try_parse_from(words.split_whitespace()).unwrap();
    // A command has a runtime of its own.
    let run = move || match cli.command {
        Command::Status(args) => status::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Drain(args) => drain::run(&args),
        Command::Drill(args) => drill::run(&args),
        Command::Resume(args) => resume::run(&args),
        Command::Reload(args) => reload::run(&args),
        other => panic!("{other:?} asks no admin API"),
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn at(gate: &Gate, line: &str) -> Exit {
    end_of(line, format!("http://{}", gate.addr)).await
}

#[tokio::test]
async fn commands_that_are_carried_out_end_with_0() {
    let gate = Gate::start(None, Script::default()).await;
    for line in [
        "status",
        "status bot-api",
        "status --json",
        "status bot-api --json",
        "drain bot-api westeurope --reason updates",
        "resume bot-api westeurope --json",
        "drill start bot-api --for 10m --reason patches",
        "drill start bot-api --when 02:00-04:00 --reason patches --json",
        "drill stop d1 --reason enough",
        "drill report",
        "drill report d1 --json",
        "drill list",
        "reload",
        "reload --json",
    ] {
        assert_eq!(at(&gate, line).await, Exit::Done, "{line}");
    }
}

#[tokio::test]
async fn commands_that_are_told_no_end_with_1() {
    let gate = Gate::start(None, Script::default()).await;
    for line in [
        "drill start nope --reason x",
        "drill stop",
        "drill stop d2",
        "drill report d2",
        "status nope",
        "drain nope westeurope",
        "drain bot-api nope",
        "resume bot-api a/b",
    ] {
        assert_eq!(at(&gate, line).await, Exit::No, "{line}");
    }
    let gate = Gate::start(Some("s3cret"), Script::default()).await;
    assert_eq!(at(&gate, "status").await, Exit::No, "without the token");
}

#[tokio::test]
async fn status_ends_with_1_when_a_pool_is_all_down() {
    let gate = Gate::start(None, Script { phase: Phase::AllDown, ..Script::default() }).await;
    assert_eq!(at(&gate, "status").await, Exit::No);
    assert_eq!(at(&gate, "status bot-api --json").await, Exit::No);
}

#[tokio::test]
async fn a_rejected_reload_ends_with_1() {
    let reload = ReloadOutcome::Rejected { errors: vec!["botgate.toml:3:1: no such pool".into()] };
    let gate = Gate::start(None, Script { reload, ..Script::default() }).await;
    assert_eq!(at(&gate, "reload").await, Exit::No);
}

#[tokio::test]
async fn an_url_of_no_use_ends_with_2_and_nobody_there_with_3() {
    assert_eq!(end_of("status", "https://localhost".into()).await, Exit::Usage);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(end_of("status", format!("http://{free}")).await, Exit::Unreachable);
}

#[tokio::test]
async fn watch_follows_until_botgate_stops() {
    let gate = Gate::start(None, Script::default()).await;
    let (events, shutdown) = (gate.events.clone(), gate.shutdown.clone());
    let watching = tokio::spawn(async move { at(&gate, "watch bot-api --json").await });
    // Sending works from the moment that the stream is open.
    while events.send(decision()).is_err() {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    assert_eq!(watching.await.unwrap(), Exit::Unreachable);
}
