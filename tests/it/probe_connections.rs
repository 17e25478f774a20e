//! Probes over the connection of the probe before, and what only a new one can tell.

use std::time::{Duration, Instant};

use crate::support::backend::{Backend, Health};
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_until, wait_within};
use crate::support::{Gateway, Outcome};

/// One bad probe is enough to be given up.
const STRICT: &str = r#"probe = { path = "/healthz", interval = "100ms", timeout = "2s", fall = 1, rise = 1 }"#;

async fn probed(backend: &Backend, more: usize) {
    let before = backend.probes();
    wait_until("it is probed", async || backend.probes() >= before + more).await;
}

/// How often a gateway has switched.
async fn epoch(gateway: &Gateway) -> i64 {
    gateway.pool("bot").await["epoch"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_of_what_is_well_share_connections_and_those_that_are_told_to_do_not() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (plain, tls, h2) =
        (Backend::start("one").await, Backend::start_tls("one", &site).await, Backend::start_h2("one", &site).await);
    for backend in [&plain, &tls, &h2] {
        let gateway = Gateway::start(&site, &site.config(STRICT, &[backend])).await;
        gateway.until_health("bot", "one", "healthy").await;
        let (probes, accepted) = (backend.probes(), backend.accepted());
        probed(backend, 30).await;
        let (probes, accepted) = (backend.probes() - probes, backend.accepted() - accepted);
        // One of five opens a connection.
        assert!((probes / 5 - 2..=probes / 5 + 2).contains(&accepted), "{probes} probes, {accepted} connections");
        drop(gateway);
        let strict = STRICT.replace("fall = 1", "connection = \"new\", fall = 1");
        let gateway = Gateway::start(&site, &site.config(&strict, &[backend])).await;
        gateway.until_health("bot", "one", "healthy").await;
        let (probes, accepted) = (backend.probes(), backend.accepted());
        probed(backend, 10).await;
        // One may be on its way.
        assert!(backend.accepted() - accepted + 1 >= backend.probes() - probes);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_closed_between_probes_is_no_bad_probe() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (plain, tls, h2) =
        (Backend::start("one").await, Backend::start_tls("one", &site).await, Backend::start_h2("one", &site).await);
    for backend in [&plain, &tls, &h2] {
        let standby = Backend::start("two").await;
        let gateway = Gateway::start(&site, &site.config(STRICT, &[backend, &standby])).await;
        gateway.until_health("bot", "one", "healthy").await;
        let before = epoch(&gateway).await;
        for _ in 0..12 {
            probed(backend, 1).await;
            wait_until("it was answered", async || {
                gateway.pool("bot").await["backends"][0]["probe"]["error"].is_null()
            })
            .await;
            backend.cut_connections();
        }
        assert_eq!((gateway.active("bot").await.as_str(), epoch(&gateway).await), ("one", before));
        assert!(!gateway.process.stderr().contains("→ unhealthy"), "{}", gateway.process.stderr());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_takes_no_new_connection_is_found_although_the_old_ones_work() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = Gateway::start(&site, &site.config(STRICT, &[&one, &two])).await;
    gateway.until_health("bot", "one", "healthy").await;
    probed(&one, 3).await;
    one.shut_door().await;
    let shut = one.probes();
    gateway.until_health("bot", "one", "unhealthy").await;
    // One of five opens a connection, and one may have been on its way.
    assert!(one.probes() - shut <= 5, "{} probes were good meanwhile", one.probes() - shut);
    // And nothing that works over an old connection makes it healthy.
    let error = gateway.pool("bot").await["backends"][0]["probe"]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("refused"), "{error}");
    one.listen_again().await;
    gateway.until_health("bot", "one", "healthy").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_no_longer_good_is_found_although_old_connections_work() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start_tls("one", &site).await, Backend::start("two").await);
    let gateway = Gateway::start(&site, &site.config(STRICT, &[&one, &two])).await;
    gateway.until_health("bot", "one", "healthy").await;
    probed(&one, 3).await;
    one.shut_door().await;
    one.listen_as("elsewhere.example", &site).await;
    gateway.until_health("bot", "one", "unhealthy").await;
    let error = gateway.pool("bot").await["backends"][0]["probe"]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("TLS handshake"), "{error}");
    // It is mended: that is found at once, for every probe asks anew.
    one.shut_door().await;
    one.listen_again().await;
    gateway.until_health("bot", "one", "healthy").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_is_found_as_soon_over_a_kept_connection_as_over_a_new_one() -> Outcome<()> {
    let _machine = together().await;
    for how in ["kept", "new"] {
        let site = Site::new();
        let (one, two) = (Backend::start("one").await, Backend::start("two").await);
        let keys = PROBE.replace("fall = 2", &format!("connection = \"{how}\", fall = 2"));
        let gateway = Gateway::start(&site, &site.config(&keys, &[&one, &two])).await;
        gateway.until_health("bot", "one", "healthy").await;
        probed(&one, 2).await;
        one.health(Health::Stall);
        let hung = Instant::now();
        // An interval until it is asked, and one more until it is asked again, each answer a timeout late.
        wait_within("it is given up", Duration::from_secs(10), async || gateway.active("bot").await == "two").await;
        println!("{how}: given up after {:?}", hung.elapsed());
        assert!(hung.elapsed() < Duration::from_millis(2000), "{how}: {:?}", hung.elapsed());
    }
    Ok(())
}
