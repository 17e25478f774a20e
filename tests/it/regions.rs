//! The main job: 500 requests a second while a region dies. Regions are processes: killed, stopped, cut off.

use std::time::Duration;

use crate::support::backend::{Answer, Backend, Behaviour, Health};
use crate::support::sim::Region;
use crate::support::site::{HOST, PROBE, Site, pool_of};
use crate::support::wait::alone;
use crate::support::{Gateway, Load, Outcome, Report};

/// The bound on any one request while a region dies.
const SLOWEST: Duration = Duration::from_secs(2);

fn keys(more: &str) -> String {
    format!("replay = \"keyed\"\nfailback = {{ mode = \"auto\", hold = \"60s\" }}\n{PROBE}\n{more}")
}

async fn regions() -> (Site, Region, Region, Gateway) {
    let site = Site::new();
    let one = Region::start(&site, "one", "127.0.0.1:0").await;
    let two = Region::start(&site, "two", "127.0.0.1:0").await;
    let backends = [("one", one.url(), String::new()), ("two", two.url(), String::new())];
    let config = site.head("") + &pool_of("bot", &keys(""), &backends, &format!("host = \"{HOST}\"\n"));
    let gateway = Gateway::start(&site, &config).await;
    gateway.until_health("bot", "two", "healthy").await;
    (site, one, two, gateway)
}

/// What every loss of a region must come to.
fn assert_survived(report: &Report) {
    println!("{report}");
    report.assert_none_failed(1500);
    assert!(report.slowest() < SLOWEST, "a request took {:?}\n{report}", report.slowest());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_region_costs_no_request() -> Outcome<()> {
    let _machine = alone().await;
    let (site, one, _two, gateway) = regions().await;
    let running = Load::new(&site, gateway.address()).start();
    running.passes(750).await;
    one.process.sigkill();
    running.passes(1000).await;
    assert_survived(&running.stop().await);
    assert_eq!(gateway.active("bot").await, "two");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_region_costs_no_request() -> Outcome<()> {
    let _machine = alone().await;
    let (site, one, _two, gateway) = regions().await;
    let running = Load::new(&site, gateway.address()).start();
    running.passes(750).await;
    one.process.sigstop();
    running.passes(1500).await;
    let report = running.stop().await;
    one.process.sigcont();
    assert_survived(&report);
    assert_eq!(gateway.active("bot").await, "two");
    assert!(gateway.metric("botgate_rescued_total", &[]).await >= 1.0);
    Ok(())
}

/// One fault of a scripted backend under load, with every rule of retries and evidence as `kind = "bot"` presets it.
async fn under_load(fault: impl AsyncFnOnce(&Backend)) -> (Gateway, Report) {
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = Gateway::start(&site, &site.config(&format!("kind = \"bot\"\n{PROBE}"), &[&one, &two])).await;
    let running = Load::new(&site, gateway.address()).start();
    // Live requests of some seconds: retries have their share of them.
    running.passes(2500).await;
    fault(&one).await;
    running.passes(1000).await;
    (gateway, running.stop().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_answers_503_costs_no_request() -> Outcome<()> {
    let _machine = alone().await;
    // Its probes stay good: only live traffic tells.
    let (gateway, report) = under_load(async |one| one.always(Answer::status(503).into())).await;
    assert_survived(&report);
    assert_eq!(gateway.active("bot").await, "two", "evidence did not move the pool");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_resets_before_the_head_costs_no_request() -> Outcome<()> {
    let _machine = alone().await;
    let fault = async |one: &Backend| {
        one.health(Health::Status(500));
        one.always(Behaviour::Reset);
    };
    let (gateway, report) = under_load(fault).await;
    assert_survived(&report);
    assert_eq!(gateway.active("bot").await, "two");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_whose_socket_closes_costs_no_request_and_its_return_neither() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let keys = keys("").replace("60s", "500ms");
    let gateway = Gateway::start(&site, &site.config(&keys, &[&one, &two])).await;
    let running = Load::new(&site, gateway.address()).start();
    for _ in 0..2 {
        running.passes(300).await;
        one.refuse().await;
        gateway.until_active("bot", "two").await;
        one.listen_again().await;
        gateway.until_active("bot", "one").await;
    }
    running.passes(300).await;
    assert_survived(&running.stop().await);
    Ok(())
}
