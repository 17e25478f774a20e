//! The end of a process, and the one that takes its place.

use std::time::Duration;

use crate::support::backend::{Answer, Backend};
use crate::support::client::{Client, Protocol};
use crate::support::site::{HOST, PROBE, Site};
use crate::support::wait::{alone, together, wait_until};
use crate::support::{Gateway, Load, Outcome};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_requests_under_way_end_and_exits_with_0() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let mut gateway = Gateway::start(&site, &site.config(PROBE, &[&one])).await;
    one.always(Answer::with(200, "slow").delay(Duration::from_millis(700)).into());
    let mut under_way = Vec::new();
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        under_way.push(tokio::spawn(async move { client.post("/", &[], "x").await }));
    }
    let _idle = gateway.client(&site, Protocol::H1).await;
    wait_until("both are under way", || async { one.log().count() == 2 }).await;
    let status = gateway.stop().await;
    assert_eq!(status.code(), Some(0), "{}", gateway.process.stderr());
    for request in under_way {
        assert_eq!(request.await??.text(), "slow");
    }
    let refused = Client::open(gateway.address(), HOST, &site.authority, Protocol::H1).await;
    assert!(refused.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_after_its_grace_whatever_hangs() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let config = site.config(PROBE, &[&one]).replace("shutdown_grace = \"10s\"", "shutdown_grace = \"500ms\"");
    let mut gateway = Gateway::start(&site, &config).await;
    one.always(crate::support::Behaviour::Stall);
    let mut client = gateway.client(&site, Protocol::H1).await;
    let request = tokio::spawn(async move { client.post("/", &[], "x").await });
    wait_until("it is under way", || async { one.log().count() == 1 }).await;
    let start = std::time::Instant::now();
    gateway.process.sigterm();
    gateway.process.exit(Duration::from_secs(5)).await;
    assert!(start.elapsed() >= Duration::from_millis(450), "{:?}", start.elapsed());
    assert!(request.await?.map_or(true, |reply| reply.status >= 500));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_stops_at_once_and_does_not_say_that_all_were_answered() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let config = site.config(PROBE, &[&one]).replace("shutdown_grace = \"10s\"", "shutdown_grace = \"60s\"");
    let mut gateway = Gateway::start(&site, &config).await;
    one.always(crate::support::Behaviour::Stall);
    let mut client = gateway.client(&site, Protocol::H1).await;
    let request = tokio::spawn(async move { client.post("/", &[], "x").await });
    wait_until("it is under way", || async { one.log().count() == 1 }).await;
    gateway.process.sigterm();
    wait_until("it drains", || async { gateway.process.stderr().contains("draining") }).await;
    gateway.process.sigterm();
    // The request's own deadline is not over by then.
    gateway.process.exit(Duration::from_secs(8)).await;
    let stderr = gateway.process.stderr();
    assert!(stderr.contains("second signal") && !stderr.contains("were answered"), "{stderr}");
    assert!(request.await?.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_takes_the_port_over_under_load_without_a_lost_request() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let pool = site.pool(&format!("replay = \"keyed\"\n{PROBE}"), &[&one, &two]);
    let mut old = Gateway::start(&site, &(site.head("") + &pool)).await;
    let mut load = Load::new(&site, old.address());
    load.resend_untaken = true;
    let running = load.start();
    running.passes(500).await;
    for round in 0..2 {
        let config = site.head_on(&old.address().to_string(), "") + &pool;
        let new = Gateway::start_with(&site, &format!("next-{round}.toml"), &config, &["--handover"]).await;
        assert_eq!(new.address(), old.address());
        running.passes(250).await;
        let status = old.stop().await;
        assert_eq!(status.code(), Some(0), "{}", old.process.stderr());
        running.passes(500).await;
        old = new;
    }
    let report = running.stop().await;
    println!("{report}");
    report.assert_none_failed(1500);
    let (_, twice) = one.log().keys();
    assert!(twice <= report.resent, "{twice} requests reached the backend twice, {} were resent", report.resent);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_gateway_without_handover_finds_the_port_in_use() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let pool = site.pool(PROBE, &[&one]);
    let gateway = Gateway::start(&site, &(site.head("") + &pool)).await;
    let config = site.write("second.toml", &(site.head_on(&gateway.address().to_string(), "") + &pool));
    let text = config.to_str().unwrap().to_owned();
    let (code, _, stderr) =
        tokio::task::spawn_blocking(move || crate::support::process::run(&["run", "--config", &text])).await?;
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    let port = gateway.address().port().to_string();
    assert!(stderr.contains(&port) && stderr.to_lowercase().contains("in use"), "{stderr}");
    assert_eq!(gateway.client(&site, Protocol::H1).await.get("/").await?.status, 200);
    Ok(())
}
