//! `botgate simulate` against the real thing: the same script, the same decisions, at the same times.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::support::process::{Process, run};
use crate::support::sim::Region;
use crate::support::site::{HOST, Site, pool_of};
use crate::support::wait::{alone, together, wait_until, wait_within};
use crate::support::{Gateway, Load, Outcome};

const INTERVAL: Duration = Duration::from_millis(500);

/// Requests per second, in the script and in the real run.
const RATE: u32 = 20;

const KEYS: &str = r#"replay = "keyed"
probe = { path = "/healthz", interval = "500ms", timeout = "250ms", fall = 2, rise = 2, jitter = 0.0 }
failback = { mode = "auto", hold = "2s" }
"#;

/// What is done to region `one`, or ordered about it, and when. Never on a probe's own beat, where a millisecond decides
/// which comes first.
const SCRIPT: [(u64, &str); 6] =
    [(2_100, "hang"), (6_100, "heal"), (11_100, "down"), (13_100, "heal"), (18_100, "drain"), (20_100, "resume")];

const LASTS: u64 = 24_000;

fn script() -> String {
    let event = |(at, what): &(u64, &str)| {
        let key = if matches!(*what, "drain" | "resume") { "order" } else { "does" };
        format!("[[at]]\ntime = \"{at}ms\"\npool = \"bot\"\nbackend = \"one\"\n{key} = \"{what}\"\n")
    };
    let events: Vec<String> = SCRIPT.iter().map(event).collect();
    format!("for = \"{LASTS}ms\"\ntraffic = {{ bot = {RATE} }}\n{}", events.concat())
}

/// A decision, as the simulation and the event stream both tell it.
#[derive(Debug)]
struct Decided {
    at_ms: i64,
    what: [String; 6],
}

impl Decided {
    fn new(at_ms: i64, value: &Value, after: &str) -> Self {
        let text = |key: &str| match &value[key] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // Probes and live traffic may reach their verdicts within the same milliseconds: which of them is named is chance.
        let cause = text("cause").replace("evidence", "probes");
        Self { at_ms, what: [text("pool"), text("before"), text(after), text("phase"), text("epoch"), cause] }
    }
}

/// What the binary says that the script comes to.
fn simulated(site: &Site, config: &str) -> (Vec<Decided>, Value) {
    let script = site.write("script.toml", &script());
    let (code, out, err) = run(&["simulate", "--config", config, "--script", script.to_str().unwrap(), "--json"]);
    assert_eq!(code, Some(0), "{err}");
    let timeline: Value = serde_json::from_str(&out).unwrap();
    let entries = timeline["entries"].as_array().unwrap().iter();
    let decisions = entries.filter(|entry| entry["what"] == "decision" && entry["cause"] != "start");
    let decided = decisions.map(|entry| Decided::new(entry["at_ms"].as_i64().unwrap(), entry, "after"));
    (decided.collect(), timeline["faults"].clone())
}

fn millis(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// The script's beginning in real time: a beat of the probes of `one`, which the simulation has at its start as well.
async fn beginning(gateway: &Gateway) -> (Instant, i64) {
    let last = async || {
        let pool = gateway.pool("bot").await;
        millis(pool["backends"][0]["probe"]["last"].as_str().unwrap())
    };
    let before = last().await;
    wait_until("another probe has ended", async || last().await > before).await;
    let (beat, now) = (last().await, jiff::Timestamp::now().as_millisecond());
    let ago = Duration::from_millis(u64::try_from(now - beat).unwrap());
    (Instant::now().checked_sub(ago).unwrap(), beat)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_run_for_real_has_the_simulated_decisions_at_the_simulated_times() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let one = Region::start(&site, "one", "127.0.0.1:0").await;
    let two = Region::start(&site, "two", "127.0.0.1:0").await;
    let backends = [("one", one.url(), String::new()), ("two", two.url(), String::new())];
    let config = site.head("") + &pool_of("bot", KEYS, &backends, &format!("host = \"{HOST}\"\n"));
    let gateway = Gateway::start(&site, &config).await;
    let admin = format!("http://{}", gateway.admin());
    let watch = Process::start("watch", &["watch", "bot", "--json", "--admin", &admin], site.dir());
    let mut load = Load::new(&site, gateway.address());
    load.rate = RATE;
    let load = load.start();
    load.passes(RATE as usize).await;

    let (expected, faults) = simulated(&site, gateway.config.to_str().unwrap());
    let (start, began) = beginning(&gateway).await;
    for (at, what) in SCRIPT {
        tokio::time::sleep_until(start + Duration::from_millis(at)).await;
        match what {
            "hang" => one.process.sigstop(),
            "down" => one.fault(r#"{"kind":"down"}"#).await,
            "heal" if at < 10_000 => one.process.sigcont(),
            "heal" => one.heal().await,
            order => assert_eq!(gateway.order("bot", "one", order).await.status, 200, "{order}"),
        }
    }
    let seen = || watch.stdout().iter().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Value>>();
    let all = Duration::from_secs(10);
    wait_within("every simulated decision was taken", all, async || seen().len() >= expected.len()).await;
    let report = load.stop().await;

    let at = |decision: &Value| millis(decision["at"].as_str().unwrap()) - began;
    let real: Vec<Decided> = seen().iter().map(|it| Decided::new(at(it), it, "active")).collect();
    println!("simulated {expected:#?}\nreal {real:#?}");
    assert_eq!(real.len(), expected.len());
    for (real, simulated) in real.iter().zip(&expected) {
        assert_eq!(real.what, simulated.what);
        let apart = real.at_ms.abs_diff(simulated.at_ms);
        assert!(u128::from(apart) <= INTERVAL.as_millis(), "{apart} ms apart: {real:?} and {simulated:?}");
    }
    let failed: u64 = faults.as_array().unwrap().iter().map(|fault| fault["clients"]["failed"].as_u64().unwrap()).sum();
    assert_eq!((report.failed() as u64, failed), (0, 0), "what clients met\n{report}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_and_run_warn_of_numbers_that_cannot_work_together() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backends = ["one", "two"].map(|name| (name, "http://127.0.0.1:9".to_owned(), String::new()));
    let config = site.head("") + &pool_of("bot", &KEYS.replace("2s", "10ms"), &backends, "");
    let line = config.lines().position(|line| line.starts_with("failback")).unwrap() + 1;
    let gateway = Gateway::start_unready(&site, "botgate.toml", &config, &[]).await;

    let (code, out, _) = run(&["check", "--config", gateway.config.to_str().unwrap(), "--json"]);
    let checked: Value = serde_json::from_str(&out).unwrap();
    let problems = checked["problems"].as_array().unwrap();
    let at: Vec<_> =
        problems.iter().filter(|it| it["key"] == "pool[0].failback.hold").map(|it| &it["position"]).collect();
    assert_eq!((code, at.len()), (Some(0), 1), "{out}");
    assert_eq!(at[0]["line"], line);
    let warned = || gateway.process.stderr().contains("pool[0].failback.hold: a hold of 0.01 s is shorter");
    wait_until("run logs the warning", async || warned()).await;
    Ok(())
}

#[test]
fn a_script_that_cannot_be_used_is_told_with_its_line_and_exit_code_2() {
    let site = Site::new();
    // A simulation needs no secrets.
    let secret = "headers = { Authorization = \"${BOTGATE_IT_IS_NOT_SET}\" }\n".to_owned();
    let backends = [("one", "http://127.0.0.1:9".to_owned(), secret)];
    let config = site.write("botgate.toml", &(site.head("") + &pool_of("bot", "", &backends, "")));
    let script = site.write("script.toml", "for = \"1m\"\n[[at]]\ntime = \"1s\"\nbackend = \"one\"\ndose = \"hang\"\n");
    let (config, script) = (config.to_str().unwrap(), script.to_str().unwrap());
    let (code, out, err) = run(&["simulate", "--config", config, "--script", script]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains(":5:1") && err.contains("did you mean `does`?"), "{err}");
    assert!(!site.path("state").exists(), "a simulation touched the state");
}
