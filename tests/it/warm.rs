//! Connections that stand open to the standby before it is needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::support::backend::{Backend, Health};
use crate::support::client::Protocol;
use crate::support::site::{HOST, Site, pool_of};
use crate::support::wait::{alone, together, wait_until};
use crate::support::{Gateway, Outcome};

/// Probes come once at the start: whatever else connects is a request, or the floor.
const ONE_PROBE: &str = r#"probe = { path = "/healthz", interval = "60s", timeout = "2s", fall = 1, rise = 1 }"#;

/// Every site's gateway has two.
const WORKERS: usize = 2;

async fn warm(gateway: &Gateway, backend: &str) -> usize {
    gateway.metric("botgate_warm_connections", &[&format!("backend=\"{backend}\"")]).await as usize
}

/// One that is about to end may stand beside its replacement.
async fn until_warm(gateway: &Gateway, backend: &str, connections: usize) {
    let what = format!("{connections} connections stand open to {backend}");
    wait_until(&what, async || warm(gateway, backend).await >= connections).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_requests_after_a_failover_pay_no_handshake() -> Outcome<()> {
    let _machine = together().await;
    for (http2, each) in [(false, 3), (true, 1)] {
        let site = Site::new();
        let one = Backend::start_tls("one", &site).await;
        let two = if http2 { Backend::start_h2("two", &site).await } else { Backend::start_tls("two", &site).await };
        let gateway = Gateway::start(&site, &site.config(&format!("warm = 3\n{ONE_PROBE}"), &[&one, &two])).await;
        until_warm(&gateway, "two", each * WORKERS).await;
        assert_eq!(warm(&gateway, "one").await, 0, "the active backend is warmed by its traffic");
        let before = two.accepted();
        assert_eq!(before, each * WORKERS + two.probes(), "HTTP/2: {http2}");
        assert_eq!(two.log().count(), 0, "no request is sent to warm a connection");
        let mut clients = Vec::new();
        for _ in 0..6 {
            let mut client = gateway.client(&site, Protocol::H1).await;
            assert_eq!(client.get("/").await?.header("x-backend"), "one");
            clients.push(client);
        }
        gateway.order("bot", "one", "drain").await;
        gateway.until_active("bot", "two").await;
        for client in &mut clients {
            assert_eq!(client.get("/").await?.header("x-backend"), "two");
        }
        assert_eq!(two.accepted(), before, "HTTP/2: {http2}");
        assert_eq!(two.log().count(), 6);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_standby_closes_is_opened_again() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start_tls("two", &site).await);
    let gateway = Gateway::start(&site, &site.config(&format!("warm = 2\n{ONE_PROBE}"), &[&one, &two])).await;
    for _ in 0..2 {
        until_warm(&gateway, "two", 2 * WORKERS).await;
        let before = two.accepted();
        two.cut_connections();
        wait_until("the floor is laid again", async || two.accepted() >= before + 2 * WORKERS).await;
        until_warm(&gateway, "two", 2 * WORKERS).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_cannot_be_reached_is_dialed_less_and_less() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    // It accepts, and closes before the handshake.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://{}", listener.local_addr()?);
    let dials = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dials);
    let task = tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Relaxed);
        }
    });
    let ca = format!("ca = \"{}\"\n", site.text_path("ca.pem"));
    let backends = [("one", one.url(), String::new()), ("two", url, ca)];
    let pool = pool_of("bot", "warm = 8\nprobe = false", &backends, &format!("host = \"{HOST}\"\n"));
    let _gateway = Gateway::start(&site, &(site.head("") + &pool)).await;
    wait_until("the first dial", async || dials.load(Relaxed) > 0).await;
    let start = Instant::now();
    // At 0 s, 1 s, 3 s and 7 s by each worker.
    wait_until("the fourth round of dials", async || dials.load(Relaxed) > 3 * WORKERS).await;
    assert!(start.elapsed() > Duration::from_secs(5), "{} dials in {:?}", dials.load(Relaxed), start.elapsed());
    task.abort();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_could_not_take_over_is_left_alone() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let mut standbys = Vec::new();
    for name in ["good", "drained", "bad", "cold"] {
        standbys.push(Backend::start_tls(name, &site).await);
    }
    let [good, drained, bad, cold] = &standbys[..] else { unreachable!() };
    bad.health(Health::Status(500));
    let one = Backend::start("one").await;
    let entry = |backend: &'_ Backend| (backend.url(), site.trust(backend));
    let named = |name: &'static str, backend: &Backend| {
        let (url, trust) = entry(backend);
        (name, url, trust)
    };
    let bot = [named("one", &one), named("good", good), named("drained", drained), named("bad", bad)];
    let other = [named("one", &one), named("cold", cold)];
    let config = site.head("")
        + &pool_of("bot", ONE_PROBE, &bot, &format!("host = \"{HOST}\"\n"))
        + &pool_of("other", &format!("warm = 0\n{ONE_PROBE}"), &other, "host = \"other.test\"\n");
    let gateway = Gateway::start(&site, &config).await;
    until_warm(&gateway, "drained", WORKERS).await;
    gateway.order("bot", "drained", "drain").await;
    wait_until("the drained one is no standby", async || warm(&gateway, "drained").await == 0).await;
    let before = drained.accepted();
    drained.cut_connections();
    // Several looks of every worker pass until the good one has been warmed anew, twice.
    for _ in 0..2 {
        until_warm(&gateway, "good", WORKERS).await;
        let before = good.accepted();
        good.cut_connections();
        wait_until("the good standby is warmed anew", async || good.accepted() >= before + WORKERS).await;
    }
    assert_eq!(drained.accepted(), before, "drained");
    assert_eq!(bad.accepted(), bad.probes(), "unhealthy");
    assert_eq!(cold.accepted(), cold.probes(), "warm = 0");
    assert!(bad.probes() > 0 && cold.probes() > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_request_after_a_failover_is_faster_warm_than_cold() -> Outcome<()> {
    const ROUNDS: usize = 5;
    let _machine = alone().await;
    let mut medians = Vec::new();
    for floor in [1, 0] {
        let mut took = Vec::new();
        for _ in 0..ROUNDS {
            let site = Site::new();
            let (one, two) = (Backend::start_tls("one", &site).await, Backend::start_tls("two", &site).await);
            let keys = format!("warm = {floor}\n{ONE_PROBE}");
            let gateway = Gateway::start(&site, &site.config(&keys, &[&one, &two])).await;
            until_warm(&gateway, "two", floor * WORKERS).await;
            let mut client = gateway.client(&site, Protocol::H1).await;
            for _ in 0..20 {
                client.get("/").await?;
            }
            gateway.order("bot", "one", "drain").await;
            gateway.until_active("bot", "two").await;
            let start = Instant::now();
            assert_eq!(client.get("/").await?.header("x-backend"), "two");
            took.push(start.elapsed());
        }
        took.sort_unstable();
        medians.push(took[ROUNDS / 2]);
        println!("the first request after a failover over TLS, warm = {floor}: {took:?}");
    }
    assert!(medians[0] < medians[1], "warm {:?}, cold {:?}", medians[0], medians[1]);
    Ok(())
}
