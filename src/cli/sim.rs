//! `botgate sim`: simulated regions on their own, for load tests.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its result")]

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::sim::{Running, Sim, SimConfig};

/// How faults are written.
const FAULTS: &str = r#"Faults:
  {"kind":"down"}                                  connections are reset, new ones refused
  {"kind":"hang"}                                  requests are read, nothing is answered
  {"kind":"slow","distribution":{"fixed_ms":800}}  or "uniform_ms":[200,800], "exponential_ms":300
  {"kind":"status","status":503}                   every answer
  {"kind":"reset","after_bytes":100}               a TCP reset within the response
  {"kind":"flaky","rate":0.3,"status":500}         a share of the answers

Each may have "for":"10s" (it heals by itself) and "spare_probes":true (/healthz stays good)."#;

/// Simulated regions with faults on command, as the target of tests and load tests.
///
/// Each region has a bot that echoes (its replies in the response when `deliveryMode` is `expectReplies`; WebSockets are
/// echoed too) and a question answering (QnA Maker and custom). Faults are set by HTTP at the control address that is
/// printed: PUT, GET or DELETE `/regions/{region}/fault`, with `?service=bot` or `?service=qna` for one of the two; what was
/// received is told by GET `/received`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{FAULTS}\n\n{}", super::EXIT_CODES))]
pub(super) struct Args {
    /// Which regions, and where.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print the addresses as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs until SIGINT or SIGTERM. Exit codes: 0 stopped, 1 could not start, 2 bad config.
pub(super) fn run(args: &Args) -> ExitCode {
    let file = args.config.display();
    let text = match std::fs::read_to_string(&args.config) {
        Ok(text) => text,
        Err(e) => return fail(2, &format!("cannot read {file}: {e}")),
    };
    let config = match SimConfig::parse(&text) {
        Ok(config) => config,
        Err(e) => return fail(2, &format!("{file}: {e}")),
    };
    let running = match Sim::start(config) {
        Ok(running) => running,
        Err(e) => return fail(1, &e.to_string()),
    };
    if args.json {
        println!("{}", json!({ "control": running.control, "regions": running.regions }));
    } else {
        print!("{}", page(&running));
    }
    if let Err(e) = wait_for_stop() {
        return fail(1, &format!("cannot wait for signals: {e}"));
    }
    running.stop();
    ExitCode::SUCCESS
}

fn wait_for_stop() -> std::io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

fn page(running: &Running) -> String {
    let mut lines = vec![format!("control   http://{}/regions", running.control)];
    for region in &running.regions {
        for (service, address) in [("bot", region.bot), ("qna", region.qna)] {
            lines.extend(address.map(|address| format!("{service}       http://{address}   {}", region.name)));
        }
    }
    if let Some(region) = running.regions.first() {
        let url = format!("http://{}/regions/{}/fault", running.control, region.name);
        lines.push(String::new());
        if let Some(bot) = region.bot {
            let body = r#"{"type":"message","text":"hello","deliveryMode":"expectReplies"}"#;
            lines.push(format!("curl http://{bot}/api/messages -d '{body}'"));
        }
        lines.push(format!("curl -X PUT {url} -d '{{\"kind\":\"down\"}}'"));
        lines.push(format!("curl -X DELETE {url}"));
        lines.push(format!("curl http://{}/received", running.control));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn fail(code: u8, text: &str) -> ExitCode {
    eprintln!("botgate sim: {text}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_address() {
        let config = "control='127.0.0.1:0'\n[[region]]\nname='weu'\nbot='127.0.0.1:0'\nqna='127.0.0.1:0'";
        let running = Sim::start(SimConfig::parse(config).unwrap()).unwrap();
        let text = page(&running);
        for address in [Some(running.control), running.regions[0].bot, running.regions[0].qna] {
            assert!(text.contains(&address.unwrap().to_string()), "{text}");
        }
        assert!(text.contains("/regions/weu/fault -d '{\"kind\":\"down\"}'"), "{text}");
    }
}
