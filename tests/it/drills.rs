//! Rehearsed failovers of the real binary, under load: what the report says against what the client saw.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::backend::{Answer, Backend, Behaviour, Health};
use crate::support::client;
use crate::support::process::run;
use crate::support::sim::Region;
use crate::support::site::{HOST, Site, pool_of};
use crate::support::wait::{SOON, alone, together, wait_within};
use crate::support::{Gateway, Load, Outcome, Report};

const INTERVAL: Duration = Duration::from_secs(1);

/// A machine under load is no reason to give a drill up, except where a test is about that.
const KEYS: &str = r#"replay = "keyed"
probe = { path = "/healthz", interval = "1s", timeout = "300ms", fall = 2, rise = 1 }
"#;

fn calm(more: &str) -> String {
    format!("{KEYS}drill = {{ max_slowdown = 1000 }}\n{more}")
}

async fn start(gateway: &Gateway, mut body: Value) -> Value {
    body["reason"] = json!("a test says so");
    let reply = gateway.post("/api/v1/drills", &body).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()
}

async fn report(gateway: &Gateway, id: &str) -> Value {
    gateway.api(&format!("/api/v1/drills/{id}")).await
}

/// The final report.
async fn ended(gateway: &Gateway, id: &str) -> Value {
    wait_within("the drill has ended", Duration::from_secs(40), || async {
        report(gateway, id).await["state"] == "ended"
    })
    .await;
    report(gateway, id).await
}

fn id(report: &Value) -> String {
    report["id"].as_str().unwrap().to_owned()
}

/// Requests that a backend ended, as the report says.
fn served(report: &Value, backend: &str) -> usize {
    let counts = report["backends"].as_array().unwrap();
    let count = counts.iter().find(|count| count["name"] == backend);
    count.map_or(0, |count| usize::try_from(count["requests"].as_u64().unwrap()).unwrap())
}

fn count(report: &Value, what: &str) -> usize {
    usize::try_from(report["during"][what].as_u64().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_on_simulated_regions_under_load_passes_and_its_counts_are_the_clients_own() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let one = Region::start(&site, "one", "127.0.0.1:0").await;
    let two = Region::start(&site, "two", "127.0.0.1:0").await;
    let backends = [("one", one.url(), String::new()), ("two", two.url(), String::new())];
    let config = site.head("") + &pool_of("bot", &calm("warm = 0"), &backends, &format!("host = \"{HOST}\"\n"));
    let gateway = Gateway::start(&site, &config).await;
    gateway.until_health("bot", "two", "healthy").await;
    let running = Load::new(&site, gateway.address()).start();
    running.passes(1000).await;
    let begun = start(&gateway, json!({ "pool": "bot", "for": "4s" })).await;
    assert_eq!((&begun["origin"], &begun["target"]), (&json!("one"), &json!("two")));
    assert!(begun["before"]["requests"].as_u64() >= Some(900), "{begun}");
    running.passes(500).await;
    assert_eq!(gateway.metric("botgate_drill_active", &["pool=\"bot\""]).await, 1.0);
    let drill = ended(&gateway, &id(&begun)).await;
    running.passes(500).await;
    let client = running.stop().await;
    println!("{client}\n{drill:#}");
    client.assert_none_failed(3000);
    assert_eq!((&drill["ending"], &drill["verdict"]), (&json!("over"), &json!("pass")));
    // Requests that the standby answered went there for the drill and for nothing else, at both of its borders.
    assert_eq!(served(&drill, "two"), client.backends["two"]);
    assert_eq!((count(&drill, "failed"), count(&drill, "rescued")), (0, 0));
    assert_eq!(count(&drill, "requests"), served(&drill, "one") + served(&drill, "two"));
    assert!(served(&drill, "one") <= 64, "only what was under way when the pool moved");
    assert!(drill["move_ms"].as_f64() < Some(500.0) && drill["move_back_ms"].as_f64() < Some(500.0));
    // Nothing was kept warm, so the standby had to be dialed.
    assert!(drill["dialed"].as_u64() > Some(0));
    assert_eq!(gateway.active("bot").await, "one");
    assert_eq!(gateway.metric("botgate_drills_total", &["result=\"passed\""]).await, 1.0);
    assert_eq!(gateway.metric("botgate_drill_active", &[]).await, 0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_lies_within_a_drill_is_counted_whole_with_its_failures() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    // One request in twenty fails: the limit of this drill is above that.
    let keys = format!("{KEYS}drill = {{ max_error_rate = 0.5, max_slowdown = 1000 }}\n");
    let gateway = Gateway::start(&site, &site.config(&keys, &[&one, &two])).await;
    gateway.until_health("bot", "two", "healthy").await;
    let begun = start(&gateway, json!({ "pool": "bot", "to": "two" })).await;
    let mut load = Load::new(&site, gateway.address());
    load.echoed = false;
    let running = load.start();
    for _ in 0..20 {
        running.passes(20).await;
        two.once(Answer::status(500).into());
    }
    running.passes(50).await;
    let client = running.stop().await;
    let stopped = gateway.post(&format!("/api/v1/drills/{}/stop", id(&begun)), &json!({ "reason": "enough" })).await;
    assert_eq!(stopped.status, StatusCode::OK, "{}", stopped.text());
    let drill = ended(&gateway, &id(&begun)).await;
    println!("{client}\n{drill:#}");
    assert_eq!((count(&drill, "requests"), count(&drill, "failed")), (client.total(), client.failed()));
    assert_eq!(client.statuses[&500], 20);
    assert_eq!((&drill["ending"], &drill["verdict"]), (&json!("stopped"), &json!("pass")));
    assert!(drill["why"].as_str().is_some_and(|why| why.contains("enough")));
    let latencies: u64 = drill["during"]["latency"].as_array().unwrap().iter().filter_map(Value::as_u64).sum();
    assert_eq!(usize::try_from(latencies)?, client.total());
    Ok(())
}

/// A drill under load, whose standby turns bad. How long it took to move back, what the client saw, and the report.
async fn turned_bad(keys: &str, fault: impl AsyncFnOnce(&Backend)) -> (Duration, Report, Value) {
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = Gateway::start(&site, &site.config(keys, &[&one, &two])).await;
    gateway.until_health("bot", "two", "healthy").await;
    let mut load = Load::new(&site, gateway.address());
    load.rate = 300;
    load.echoed = false;
    let running = load.start();
    running.passes(600).await;
    let begun = start(&gateway, json!({ "pool": "bot", "for": "10m" })).await;
    running.passes(600).await;
    assert_eq!(gateway.active("bot").await, "two", "{}", report(&gateway, &id(&begun)).await);
    fault(&two).await;
    let turned = Instant::now();
    gateway.until_active("bot", "one").await;
    let took = turned.elapsed();
    running.passes(300).await;
    let client = running.stop().await;
    let drill = ended(&gateway, &id(&begun)).await;
    println!("{took:?}\n{client}\n{drill:#}");
    assert_eq!((&drill["ending"], &drill["verdict"]), (&json!("aborted"), &json!("fail")));
    assert_eq!(gateway.metric("botgate_drills_total", &["result=\"aborted\""]).await, 1.0);
    assert!(took < 2 * INTERVAL, "it took {took:?} to move back");
    (took, client, drill)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_whose_standby_goes_down_moves_back_and_loses_no_request() -> Outcome<()> {
    let _machine = alone().await;
    let (_, client, drill) = turned_bad(&calm("kind = \"bot\""), async |two: &Backend| two.refuse().await).await;
    client.assert_none_failed(1000);
    assert_eq!(count(&drill, "failed"), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_whose_standby_hangs_moves_back_and_loses_no_request() -> Outcome<()> {
    let _machine = alone().await;
    let hang = async |two: &Backend| {
        two.health(Health::Stall);
        two.always(Behaviour::Stall);
    };
    let (_, client, drill) = turned_bad(&calm("kind = \"bot\""), hang).await;
    client.assert_none_failed(1000);
    assert!(count(&drill, "rescued") > 0, "what waited there was taken away");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_whose_standby_refuses_requests_moves_back_and_loses_no_request() -> Outcome<()> {
    let _machine = alone().await;
    // Its probes stay good: only live traffic tells.
    let fault = async |two: &Backend| two.always(Answer::status(503).into());
    let (_, client, drill) = turned_bad(&calm("kind = \"bot\""), fault).await;
    client.assert_none_failed(1000);
    assert!(count(&drill, "retried") > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_whose_requests_fail_for_good_is_given_up_after_a_few_of_them() -> Outcome<()> {
    let _machine = alone().await;
    // Nothing is tried again here, and no probe tells: the limit of the drill is all there is.
    let fault = async |two: &Backend| two.always(Answer::status(500).into());
    let (_, client, drill) = turned_bad(&calm("kind = \"http\""), fault).await;
    assert!(client.failed() < 300, "{client}");
    assert_eq!(count(&drill, "failed"), client.failed(), "every failure that the client saw was the drill's");
    assert!(drill["why"].as_str().is_some_and(|why| why.contains("requests failed")), "{drill}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_whose_standby_becomes_slow_is_given_up() -> Outcome<()> {
    let _machine = alone().await;
    let keys = format!("{KEYS}drill = {{ max_slowdown = 20 }}\n");
    let fault = async |two: &Backend| two.always(Answer::with(200, "late").delay(Duration::from_millis(900)).into());
    let (_, client, drill) = turned_bad(&keys, fault).await;
    client.assert_none_failed(1000);
    assert!(drill["why"].as_str().is_some_and(|why| why.contains("too slow") || why.contains("nothing comes back")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_whose_origin_dies_ends_and_the_pool_stays_where_it_is_served() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = Gateway::start(&site, &site.config(&calm("kind = \"bot\""), &[&one, &two])).await;
    gateway.until_health("bot", "two", "healthy").await;
    let running = Load::new(&site, gateway.address()).start();
    running.passes(300).await;
    let begun = start(&gateway, json!({ "pool": "bot" })).await;
    running.passes(300).await;
    one.refuse().await;
    let drill = ended(&gateway, &id(&begun)).await;
    running.passes(300).await;
    running.stop().await.assert_none_failed(900);
    assert_eq!((&drill["ending"], &drill["move_back_ms"]), (&json!("aborted"), &Value::Null), "{drill:#}");
    let pool = gateway.pool("bot").await;
    assert_eq!((&pool["active"], &pool["phase"]), (&json!("two"), &json!("failed-over")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drills_are_ordered_one_at_a_time_and_told_by_the_command_line() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = Gateway::start(&site, &site.config(&calm(""), &[&one, &two])).await;
    gateway.until_health("bot", "two", "healthy").await;
    let url = format!("http://{}", gateway.admin());
    let botgate = async |line: &str| {
        let words: Vec<String> =
            line.split(' ').map(str::to_owned).chain(["--admin".to_owned(), url.clone()]).collect();
        let run = move || run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let (code, out, err) = botgate("drill start bot --for 10m --reason patches --json").await;
    assert_eq!(code, Some(0), "{err}");
    let begun: Value = serde_json::from_str(&out)?;
    assert_eq!(gateway.active("bot").await, "two");
    let (code, _, err) = botgate("drill start bot --reason again").await;
    assert_eq!(code, Some(1));
    assert!(err.contains(&id(&begun)) && err.contains("botgate drill stop"), "{err}");
    let (code, out, err) = botgate("drill stop --reason enough").await;
    assert!(code == Some(0) && out.contains("stopped"), "{out}{err}");
    gateway.until_active("bot", "one").await;
    ended(&gateway, &id(&begun)).await;
    let (code, out, _) = botgate("drill report").await;
    assert!(code == Some(0) && out.starts_with(&format!("# Drill {}: passed\n", id(&begun))), "{out}");
    assert!(out.contains("No request came"), "{out}");
    let (code, out, _) = botgate("drill start bot --for 1s --reason quick --wait").await;
    assert!(code == Some(0) && out.contains(": passed\n"), "{out}");
    let (_, out, _) = botgate("drill list").await;
    assert_eq!(out.lines().count(), 2, "{out}");
    let markdown = client::get(gateway.admin(), "/api/v1/drills/latest?format=markdown").await?;
    assert!(markdown.header("content-type").starts_with("text/markdown") && markdown.text().starts_with("# Drill "));
    assert_eq!(client::get(gateway.admin(), "/api/v1/drills/nope").await?.status, StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_goes_on_after_botgate_was_killed_and_comes_to_its_end() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let config = site.config(&calm(""), &[&one, &two]);
    let mut gateway = Gateway::start(&site, &config).await;
    gateway.until_health("bot", "two", "healthy").await;
    let planned = start(&gateway, json!({ "pool": "bot", "when": "Mon 00:00-00:01", "for": "30s" })).await;
    let begun = start(&gateway, json!({ "pool": "bot", "for": "6s" })).await;
    gateway.process.sigkill();
    gateway.process.exit(SOON).await;
    let gateway = Gateway::start(&site, &config).await;
    let pool = gateway.pool("bot").await;
    assert_eq!((&pool["active"], &pool["phase"]), (&json!("two"), &json!("drill")), "{pool:#}");
    let mut load = Load::new(&site, gateway.address());
    load.rate = 100;
    let running = load.start();
    running.passes(100).await;
    let client = running.stop().await;
    let drill = ended(&gateway, &id(&begun)).await;
    println!("{drill:#}");
    assert_eq!((&drill["ending"], &drill["restarts"]), (&json!("over"), &json!(1)));
    assert_eq!(served(&drill, "two"), client.total());
    assert_eq!(gateway.active("bot").await, "one");
    assert_eq!(report(&gateway, &id(&planned)).await["state"], "planned");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_whose_time_went_by_while_botgate_was_dead_moves_back_at_once() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let config = site.config(&calm(""), &[&one, &two]);
    let mut gateway = Gateway::start(&site, &config).await;
    gateway.until_health("bot", "two", "healthy").await;
    let began = Instant::now();
    let begun = start(&gateway, json!({ "pool": "bot", "for": "2s" })).await;
    gateway.process.sigkill();
    gateway.process.exit(SOON).await;
    wait_within("its time is over", SOON, || async { began.elapsed() > Duration::from_secs(2) }).await;
    let gateway = Gateway::start(&site, &config).await;
    let drill = ended(&gateway, &id(&begun)).await;
    assert_eq!((&drill["ending"], &drill["restarts"]), (&json!("over"), &json!(1)), "{drill:#}");
    assert!(drill["move_back_ms"].is_number(), "{drill:#}");
    assert_eq!(gateway.active("bot").await, "one");
    Ok(())
}
