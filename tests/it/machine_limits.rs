//! The machine runs out of something: descriptors, disk, memory.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustix::process::Resource;
use tokio::net::TcpStream;

use crate::support::backend::Backend;
use crate::support::client::{self, Client, Protocol};
use crate::support::site::{HOST, PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

/// A client that has its answer within a few seconds, or none.
async fn served(gateway: &Gateway, site: &Site) -> bool {
    let ask = async {
        let mut client = Client::open(gateway.address(), HOST, &site.authority, Protocol::H1).await.ok()?;
        client.get("/").await.ok().map(|reply| reply.status == 200)
    };
    matches!(tokio::time::timeout(Duration::from_secs(3), ask).await, Ok(Some(true)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_those_that_are_served_go_on_and_the_others_are_served_when_there_are_some() -> Outcome<()>
{
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let mut gateway = Gateway::start(&site, &site.config(PROBE, &[&one])).await;
    let mut known = [gateway.client(&site, Protocol::H1).await, gateway.client(&site, Protocol::H2).await];
    for client in &mut known {
        assert_eq!(client.get("/").await?.status, 200);
    }
    let most = gateway.process.descriptors() as u64 + 8;
    gateway.process.limit(Resource::Nofile, most);
    // Far more than there is room for; those that are not accepted wait in the kernel's queue.
    let mut crowd = Vec::new();
    for _ in 0..64 {
        crowd.push(TcpStream::connect(gateway.address()).await?);
    }
    wait_until("no descriptor is left", async || gateway.process.stderr().contains("cannot accept connections")).await;
    let start = Instant::now();
    let mut answered = 0;
    while start.elapsed() < Duration::from_secs(2) {
        for client in &mut known {
            assert_eq!(client.get("/").await?.status, 200);
            answered += 1;
        }
    }
    assert!(answered > 50, "{answered}");
    let said = gateway.process.stderr().matches("cannot accept connections").count();
    assert!(said < 40, "it says so {said} times in a few seconds");
    drop(crowd);
    wait_until("new clients are served again", async || served(&gateway, &site).await).await;
    gateway.ready().await;
    assert_eq!(gateway.stop().await.code(), Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_that_gets_no_descriptor_fails_its_request_and_says_nothing_against_the_backend() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    // No probes and no warm connections: the dials are those of the requests.
    let keys = "probe = { path = \"/healthz\", interval = \"1h\", timeout = \"1s\" }\nwarm = 0\ndeadline = \"3s\"";
    let gateway = Gateway::start(&site, &site.config(keys, &[&one, &two])).await;
    let mut clients = Vec::new();
    // Twice as many as it takes to convict a backend (`evidence.failures`).
    for _ in 0..20 {
        clients.push(gateway.client(&site, Protocol::H1).await);
    }
    // Not one more.
    // Numbers below are taken, so none is given.
    gateway.process.limit_softly(Resource::Nofile, 3);
    for reply in join_all(clients.iter_mut().map(|client| client.get("/"))).await {
        let reply = reply?;
        assert!(matches!(reply.status, 502 | 503), "{} {}", reply.status, reply.text());
    }
    gateway.process.limit_softly(Resource::Nofile, 4096);
    wait_until("the backend is tried again", async || served(&gateway, &site).await).await;
    assert_eq!(gateway.active("bot").await, "one", "a want of this machine moved the pool");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_that_get_no_descriptor_move_no_pool() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let keys = "probe = { path = \"/healthz\", interval = \"100ms\", timeout = \"90ms\", fall = 2 }\nwarm = 0";
    let gateway = Gateway::start(&site, &site.config(keys, &[&one, &two])).await;
    gateway.ready().await;
    // Numbers below are taken, so none is given.
    gateway.process.limit_softly(Resource::Nofile, 3);
    let told = async || gateway.process.stderr().matches("cannot be probed").count() >= 8;
    wait_until("several probes of each could not be made", told).await;
    gateway.process.limit_softly(Resource::Nofile, 4096);
    wait_until("it serves", async || served(&gateway, &site).await).await;
    assert_eq!(gateway.active("bot").await, "one");
    let log = gateway.process.stderr();
    assert!(!log.contains("unhealthy"), "a want of this machine was held against a backend:\n{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_grow_stop_no_request_and_no_decision() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let log = site.text_path("access.log");
    let config = format!("[access_log]\ntarget = \"{log}\"\n\n") + &site.pool(PROBE, &[&one, &two]);
    let mut gateway = Gateway::start(&site, &(site.head("") + &config)).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    assert_eq!(client.get("/").await?.status, 200);
    // Every write past it fails with EFBIG, as on a disk that is full; the signal that comes with it is ignored.
    gateway.process.limit_softly(Resource::Fsize, 512);
    for _ in 0..20 {
        assert_eq!(client.get("/").await?.status, 200);
    }
    one.refuse().await;
    gateway.until_active("bot", "two").await;
    assert_eq!(client.get("/").await?.status, 200);
    wait_until("/readyz tells of the journal", async || {
        client::get(gateway.admin(), "/readyz")
            .await
            .is_ok_and(|reply| reply.status == 200 && reply.text().contains("journal"))
    })
    .await;
    assert_eq!(gateway.metric("botgate_journal_well", &[]).await, 0.0);
    gateway.process.limit_softly(Resource::Fsize, 1 << 30);
    wait_until("the journal is well", async || gateway.metric("botgate_journal_well", &[]).await == 1.0).await;
    let entries = gateway.api("/api/v1/journal?pool=bot").await.to_string();
    assert!(entries.contains("\"two\""), "the decision that had no room is written now: {entries}");
    let lines = || std::fs::read_to_string(&log).unwrap().lines().count();
    let before = lines();
    assert_eq!(client.get("/").await?.status, 200);
    wait_until("the access log goes on", async || lines() > before).await;
    assert_eq!(gateway.stop().await.code(), Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_beyond_its_limit_costs_no_memory() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&one])).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    assert_eq!(client.post("/", &[], vec![0_u8; 1 << 20]).await?.status, 200);
    let before = gateway.process.resident_kib();
    for _ in 0..8 {
        let mut client = gateway.client(&site, Protocol::H1).await;
        assert_eq!(client.post("/", &[], vec![0_u8; 32 << 20]).await.map_or(413, |reply| reply.status), 413);
    }
    let grown = gateway.process.resident_kib().saturating_sub(before);
    assert!(grown < 32 << 10, "256 MiB that were refused left {grown} KiB");
    Ok(())
}
