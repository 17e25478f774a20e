//! The operator's commands, from the command line to the exit code, against an admin API on a socket.

use clap::Parser;

use super::{
    Cli, Command, Exit, drain, drill, explain, failback, failover, journal, pin, reload, resume, status, unpin, watch,
};
use crate::admin::fixture::{Gate, Script, decision};
use crate::model::{Phase, ReloadOutcome};

/// How the command line ends that asks the admin API at `url`.
async fn end_of(line: &str, url: String) -> Exit {
    let words = format!("botgate {line} --admin {url}");
    let cli = Cli::try_parse_from(words.split_whitespace()).unwrap();
    // A command has a runtime of its own.
    let run = move || match cli.command {
        Command::Status(args) => status::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Journal(args) => journal::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Failover(args) => failover::run(&args),
        Command::Failback(args) => failback::run(&args),
        Command::Pin(args) => pin::run(&args),
        Command::Unpin(args) => unpin::run(&args),
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
        "failover bot-api --reason slow",
        "failover bot-api --to northeurope --force --reason slow --json",
        "failover bot-api --force --reason refuse-me",
        "failback bot-api --reason repaired",
        "pin bot-api westeurope --for 1h30m --yield-when-down --reason audit",
        "unpin bot-api",
        "journal",
        "journal bot-api --since 2h --limit 1 --json",
        "explain bot-api",
        "explain bot-api --json",
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
        "explain nope",
        "journal nope",
        "journal nope --json",
        "drain nope westeurope",
        "drain bot-api nope",
        "resume bot-api a/b",
        "failover nope --reason x",
        "failover bot-api --to nope --reason x",
        "failover bot-api --reason refuse-me",
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
    assert_eq!(end_of("status", "ftp://localhost".into()).await, Exit::Usage);
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

#[tokio::test]
async fn watch_comes_back_after_an_interruption_and_fetches_what_it_missed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let watching = tokio::spawn(end_of("watch --reconnect", url));
    // A botgate that is stopped once, and then has another token.
    let answers = [
        ("200 OK", "event: decision\ndata: "),
        ("200 OK", ": back\n\n"),
        ("200 OK", "[]"),
        ("401 Unauthorized", r#"{"type":"urn:botgate:token-wanted","title":"t","status":401,"detail":"d"}"#),
    ];
    let mut asked = Vec::new();
    for (status, body) in answers {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        let line = String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned();
        asked.push(line);
        let event = match body.ends_with("data: ") {
            true => format!("{}\n\n", serde_json::to_string(&decision()).unwrap()),
            false => String::new(),
        };
        let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n{body}{event}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    assert_eq!(watching.await.unwrap(), Exit::No);
    assert_eq!(asked[1], "GET /api/v1/events HTTP/1.1");
    assert!(asked[2].starts_with("GET /api/v1/journal?since=20") && asked[2].contains("&limit=1000"), "{asked:?}");
    assert_eq!(asked[3], "GET /api/v1/events HTTP/1.1");
}
