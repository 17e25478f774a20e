//! `botgate simulate`: what a script of faults would cause, without a socket.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::print::{self, Style, Tone, plain};
use super::{EXIT_CODES, Exit, table};
use crate::config::{self, Report};
use crate::model::{Direction, Health, Phase};
use crate::steering::Decision;
use crate::steering::timeline::{self, Entry, FaultReport, Happened, Timeline};

/// Show what faults would cause: when each is found, what steering decides, what clients meet, when the pool moves back
///
/// Reads a config and a script of faults and orders, and runs both in virtual time, by the code that `botgate run`
/// steers by: ten minutes take milliseconds, no socket is opened, and state_dir is not touched. Probes come on the dot of
/// their interval (no jitter), and between gateway and backends no time passes: a real run agrees within one probe
/// interval. Secrets are not needed: an environment variable of the config may be unset. Drills that the config schedules do not begin by themselves: order them in the script.
#[derive(Debug, clap::Args)]
#[command(after_help = format!(r#"The script:
  for = "3m"                          # how long it goes on
  start = "2026-11-21T01:59:00Z"      # the wall clock at its start, for windows
  traffic = {{ bot-api = 50 }}          # requests per second; 10 where nothing is said, 0 for none

  [[at]]
  time = "10s"
  pool = "bot-api"                    # left out: every pool that has the backend
  backend = "westeurope"
  does = "hang"                       # or one of the faults below
  for = "30s"                         # heals by itself; left out: until "heal"
  spare_probes = false                # true: its probes stay good, only live traffic tells

  [[at]]
  time = "2m"
  pool = "bot-api"
  order = "drain"                     # or one of the orders below
  backend = "northeurope"
  reason = "patch day"                # also: force = true; for = "10m" with pin and drill

Faults: down, hang, slow 800ms, status 503, reset, flaky 30%, drift; they end with heal, in-step.
Orders: failover, failback, pin, unpin, drain, resume, drill, end-drill.

Examples:
  botgate simulate --config botgate.toml --script faults.toml
  botgate simulate --config botgate.toml --script faults.toml --json | jq .faults

{EXIT_CODES}"#))]
pub(super) struct Args {
    /// The config file
    #[arg(long, short, value_name = "FILE", env = "BOTGATE_CONFIG")]
    config: PathBuf,
    /// The script of faults and orders
    #[arg(long, short, value_name = "FILE")]
    script: PathBuf,
    /// Print the timeline as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Exit {
    let unusable = |what: &str, report: Report| {
        print::fail(Exit::Usage, &format!("{what} cannot be used\n{}", report.render(false)))
    };
    let config = match config::load_without_secrets(&args.config) {
        Ok(loaded) => loaded.config,
        Err(report) => return unusable("the config", report),
    };
    let script = match config::load_script(&args.script, &config) {
        Ok(script) => script,
        Err(report) => return unusable("the script", report),
    };
    let timeline = timeline::run(&config, &script);
    if args.json {
        print::json(&timeline);
    } else {
        print::out(&told(&timeline, Style::of_stdout()));
    }
    Exit::Done
}

fn told(timeline: &Timeline, style: Style) -> String {
    let rates = timeline.traffic.iter().map(|(pool, rate)| format!("{pool} {rate}/s")).collect::<Vec<_>>().join(", ");
    let mut text = format!("{} from {}; requests: {rates}\n\n", clock(timeline.lasts), timeline.start);
    let width = timeline.traffic.iter().map(|(pool, _)| pool.as_str().chars().count()).max().unwrap_or(0).max(4);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", style.paint(Tone::Quiet, &format!("{:>12}  {:width$}  WHAT", "TIME", "POOL")));
    for Entry { at, pool, what, .. } in &timeline.entries {
        let (tone, what) = line(what);
        let indent = 16 + width;
        let what = table::wrapped(&what, indent);
        let _ = write!(text, "{:>12}  {:width$}  {}", clock(*at), pool.as_str(), paint(style, tone, what.trim_start()));
    }
    for fault in &timeline.faults {
        text.push('\n');
        text.push_str(&summary(fault, style));
    }
    text
}

fn paint(style: Style, tone: Option<Tone>, lines: &str) -> String {
    match tone {
        Some(tone) => format!("{}\n", style.paint(tone, lines.trim_end())),
        None => lines.to_owned(),
    }
}

fn line(what: &Happened) -> (Option<Tone>, String) {
    match what {
        Happened::Fault { backend, does } => (Some(Tone::Strong), format!("{backend}: {does}")),
        Happened::Detection { backend, by } => (None, format!("{backend} found out: {by}")),
        Happened::Health { backend, was, is, error } => {
            let why = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            let tone = if *is == Health::Unhealthy { Tone::Bad } else { Tone::Good };
            (Some(tone), format!("{backend}: {was} → {is}{why}"))
        }
        Happened::Decision(decision) => (Some(tone_of(decision)), decision.to_string()),
        Happened::Refused { order, reasons, forcible } => {
            let force = if *forcible { "; `force = true` does it all the same" } else { "" };
            (Some(Tone::Bad), format!("{order} refused: {}{force}", reasons.join("; ")))
        }
        Happened::ClientsFail { backend, after } => {
            (Some(Tone::Bad), format!("the first request that met {backend} fails, after {}", clock(*after)))
        }
    }
}

fn tone_of(decision: &Decision) -> Tone {
    match (decision.phase, decision.direction) {
        (Phase::AllDown, _) => Tone::Bad,
        (_, Some(Direction::Failover)) => Tone::Warning,
        (Phase::Steady, _) => Tone::Good,
        _ => Tone::Warning,
    }
}

/// What one fault came to.
fn summary(fault: &FaultReport, style: Style) -> String {
    let lasted = fault.lasted.map_or("to the end".to_owned(), |lasted| format!("for {}", clock(lasted)));
    let title = format!("{}/{}: {} at {}, {lasted}", fault.pool, fault.backend, fault.does, clock(fault.at));
    let mut text = format!("{}\n", style.paint(Tone::Strong, &plain(&title)));
    let after = |span: Option<Duration>| span.map_or("never".to_owned(), |span| format!("after {}", clock(span)));
    let to = fault.moved_to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
    let back = match (fault.moved, fault.back) {
        (None, _) => String::new(),
        (Some(_), None) => "; not back by the end".to_owned(),
        (Some(_), Some(back)) => format!("; back at {}", clock(fault.at + back)),
    };
    let (found, given_up, moved) = (after(fault.found), after(fault.given_up), after(fault.moved));
    let found = format!("found {found}; given up {given_up}; the pool moved{to} {moved}{back}");
    text.push_str(&table::wrapped(&found, 2));
    let clients = &fault.clients;
    let met = match clients.met {
        0 => "no simulated request met it".to_owned(),
        met => format!(
            "{met} simulated {} met it: {} answered elsewhere, {} failed, the slowest took {}",
            if met == 1 { "request" } else { "requests" },
            clients.elsewhere,
            clients.failed,
            clock(clients.slowest)
        ),
    };
    text.push_str(&table::wrapped(&met, 2));
    for bound in &fault.bounds {
        text.push_str(&listed(bound));
    }
    text
}

fn listed(bound: &str) -> String {
    format!("  - {}", table::wrapped(bound, 4).trim_start())
}

/// `12.150 s`, `1m 02.000 s`, `3h 00m 05.000 s`: to the millisecond, since the order of things is told by it.
fn clock(span: Duration) -> String {
    let (seconds, millis) = (span.as_secs(), span.subsec_millis());
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}.{millis:03} s"),
        (0, _) => format!("{minutes}m {rest:02}.{millis:03}s"),
        _ => format!("{hours}h {minutes:02}m {rest:02}.{millis:03}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CONFIG: &str = "[[listener]]\nbind = \"127.0.0.1:80\"\ntls = false\n[[route]]\npool = \"bot\"\n[[pool]]\n\
        name = \"bot\"\nkind = \"bot\"\n[[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n[[pool.backend]]\nname = \"neu\"\n\
        url = \"http://b\"\n";

    fn timeline(script: &str) -> Timeline {
        let config = config::parse("botgate.toml", CONFIG, Path::new(""), &|_| None).unwrap().config;
        timeline::run(&config, &config::parse_script("script.toml", script, &config).unwrap())
    }

    #[test]
    fn a_timeline_is_told_within_80_columns_and_names_what_matters() {
        let script = "for = \"3m\"\n[[at]]\ntime = \"11s\"\nbackend = \"weu\"\ndoes = \"hang\"\nfor = \"20s\"\n\
            [[at]]\ntime = \"2m30s\"\norder = \"unpin\"\n";
        let text = told(&timeline(script), Style::PLAIN);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for wanted in [
            "3m 00.000s from 2026-11-21T00:00:00Z; requests: bot 10/s\n",
            "    11.000 s  bot   weu: hang\n",
            "weu found out: a request waits longer than 100ms",
            "failover weu → neu (epoch 2)",
            "    31.000 s  bot   weu: heal\n",
            "failback neu → weu (epoch 3): weu was ready for the hold",
            "unpin refused: the pool is neither pinned nor latched",
            "bot/weu: hang at 11.000 s, for 20.000 s\n",
            "  - other methods without a key: wait for 14 s (deadline), and fail with 504\n",
        ] {
            assert!(text.contains(wanted), "{wanted:?} in\n{text}");
        }
    }

    #[test]
    fn the_json_has_every_entry_with_its_kind_and_every_fault_with_its_figures() {
        let script = "for = \"1m\"\n[[at]]\ntime = \"11s\"\nbackend = \"weu\"\ndoes = \"down\"\n";
        let json = serde_json::to_value(timeline(script)).unwrap();
        let entries = json["entries"].as_array().unwrap();
        let kinds: Vec<&str> = entries.iter().filter_map(|entry| entry["what"].as_str()).collect();
        assert_eq!(kinds, ["decision", "health", "health", "fault", "detection", "health", "decision"]);
        assert_eq!(entries[6]["direction"], "failover");
        let fault = &json["faults"][0];
        assert_eq!(
            (&fault["does"], &fault["moved_to"], &fault["back_ms"]),
            (&"down".into(), &"neu".into(), &().into())
        );
        assert!(fault["moved_ms"].as_u64().is_some_and(|ms| ms < 500), "{fault}");
    }

    #[test]
    fn the_sample_script_runs_against_the_sample_config() {
        let certificates = "certificates = [{ chain = \"certs/bot.pem\", key = \"certs/bot.key\" }]";
        let sample = include_str!("../../config/botgate.toml").replace(certificates, "tls = false");
        let config = config::parse("botgate.toml", &sample, Path::new(""), &|_| Some("x".to_owned())).unwrap().config;
        let script = include_str!("../../config/simulate-example.toml");
        let timeline = timeline::run(&config, &config::parse_script("script.toml", script, &config).unwrap());
        assert!(timeline.faults.len() == 4 && timeline.faults.iter().all(|fault| fault.moved.is_some()));
        assert_eq!(timeline.faults.iter().map(|fault| fault.clients.failed).sum::<u64>(), 0);
    }

    #[test]
    fn times_are_told_to_the_millisecond() {
        let told = [0, 12_150, 62_000, 10_805_000].map(|ms| clock(Duration::from_millis(ms)));
        assert_eq!(told, ["0.000 s", "12.150 s", "1m 02.000s", "3h 00m 05.000s"]);
    }
}
