//! SIGTERM, whatever is under way; and clocks that jump.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::backend::{Answer, Backend};
use crate::support::client::{self, Client, Protocol};
use crate::support::raw::Raw;
use crate::support::site::{HOST, PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

/// Sends SIGTERM and checks that the process ends in good order, within its grace and not much later.
async fn ends_well(gateway: &mut Gateway, within: Duration) {
    let start = Instant::now();
    gateway.process.sigterm();
    let status = gateway.process.exit(within).await;
    let log = gateway.process.stderr();
    assert_eq!(status.code(), Some(0), "after {:?}:\n{log}", start.elapsed());
    assert!(!log.contains("panicked"), "{log}");
}

async fn pair(site: &Site, keys: &str) -> (Gateway, Backend, Backend) {
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let config = site.config(&format!("{PROBE}\n{keys}"), &[&one, &two]).replace("\"10s\"", "\"2s\"");
    (Gateway::start(site, &config).await, one, two)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_in_the_middle_of_handshakes_heads_and_bodies_ends_within_the_grace() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (mut gateway, one, _two) = pair(&site, "").await;
    // A handshake that is never finished, a head and a body that never end.
    let _connected = Raw::tcp(gateway.address()).await;
    let mut hello = Raw::tcp(gateway.address()).await;
    hello.io.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await?;
    let mut head = Raw::tls(gateway.address(), &site).await;
    head.write(format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nx-")).await;
    let mut body = Raw::tls(gateway.address(), &site).await;
    body.write(format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 100\r\n\r\nhalf")).await;
    wait_until("the half body's request is at the backend", async || one.log().count() == 1).await;
    // And one request that can be answered, which must be.
    one.once(Answer::with(200, "late").delay(Duration::from_millis(500)).into());
    let mut client = gateway.client(&site, Protocol::H2).await;
    let slow = tokio::spawn(async move { client.get("/slow").await.map(|reply| reply.text()) });
    wait_until("it is at the backend", async || one.log().count() == 2).await;
    ends_well(&mut gateway, Duration::from_secs(10)).await;
    assert_eq!(slow.await??, "late");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_in_the_middle_of_a_failover_loses_no_request() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    for pause in [0, 3, 30, 120] {
        let (mut gateway, one, _two) = pair(&site, "").await;
        let mut client = gateway.client(&site, Protocol::H1).await;
        assert_eq!(client.get("/").await?.status, 200);
        one.refuse().await;
        let asked = tokio::spawn(async move { client.get("/").await.map(|reply| reply.status) });
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let under_way = asked.is_finished() || one.log().count() > 1;
        ends_well(&mut gateway, Duration::from_secs(10)).await;
        // A request that had not come before the end of listening may find its connection closed; no other may fail.
        match asked.await? {
            Ok(status) => assert_eq!(status, 200, "after {pause} ms"),
            Err(error) => assert!(!under_way && pause == 0, "after {pause} ms: {error}"),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_in_the_middle_of_reloads_and_drills_ends_well_and_the_next_start_knows_the_state() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (mut gateway, one, two) = pair(&site, "failback = { hold = \"1h\" }").await;
    let order = json!({ "pool": "bot", "for": "10m", "reason": "a rehearsal" });
    let started = gateway.post("/api/v1/drills", &order).await;
    assert!(started.status < 300, "{} {}", started.status, started.text());
    gateway.until_active("bot", "two").await;
    let admin = gateway.admin();
    let reloads = tokio::spawn(async move {
        let mut asked = 0;
        while client::post_json(admin, "/api/v1/reload", &json!(null)).await.is_ok() {
            asked += 1;
        }
        asked
    });
    gateway.process.sighup();
    tokio::time::sleep(Duration::from_millis(50)).await;
    ends_well(&mut gateway, Duration::from_secs(10)).await;
    assert!(reloads.await? > 0);
    let config = std::fs::read_to_string(&gateway.config)?;
    let again = Gateway::start(&site, &config).await;
    assert!(again.api("/api/v1/drills").await.to_string().contains("a rehearsal"));
    assert!(again.active("bot").await == "one" || again.active("bot").await == "two");
    drop((one, two));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_before_it_is_ready_ends_well() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    for pause in [0, 5, 20, 60] {
        let config = site.config(PROBE, &[&one]);
        let mut gateway = Gateway::start_unready(&site, "botgate.toml", &config, &[]).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        ends_well(&mut gateway, Duration::from_secs(10)).await;
    }
    Ok(())
}

/// Where Debian has it; the wall clock of one process, set while it runs. Without it there is nothing to see here.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_clock_that_jumps_years_moves_no_pool_ends_no_pin_and_drops_no_history() -> Outcome<()> {
    let _machine = together().await;
    if !std::path::Path::new(FAKETIME).exists() {
        println!("faketime is not installed");
        return Ok(());
    }
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let clock = site.write("clock", "+0");
    let env = [
        ("LD_PRELOAD", FAKETIME),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let gateway = Gateway::start_in(&site, &site.config(PROBE, &[&one, &two]), &env).await;
    let pin = json!({ "backend": "two", "for": "2h", "reason": "measuring" });
    assert_eq!(gateway.post("/api/v1/pools/bot/pin", &pin).await.status, 200);
    let pinned = gateway.pool("bot").await;
    let rows = |text: &str| text.matches("\"id\"").count();
    let before = rows(&gateway.api("/api/v1/journal?pool=bot").await.to_string());
    let mut client = gateway.client(&site, Protocol::H1).await;
    for jump in ["+2y", "-20y", "+0"] {
        site.write("clock", jump);
        // It has the new time: what it says of itself has the year.
        wait_until("the clock has jumped", async || {
            let probed = gateway.pool("bot").await["backends"][0]["probe"]["last"].to_string();
            let year: i32 = probed.trim_matches('"').get(..4).and_then(|year| year.parse().ok()).unwrap_or(0);
            let now: i32 = jiff::Timestamp::now().to_string()[..4].parse().unwrap();
            year == now + jump[..jump.len() - usize::from(jump != "+0")].parse::<i32>().unwrap()
        })
        .await;
        assert_eq!(client.get("/").await?.status, 200);
        assert_eq!(gateway.client(&site, Protocol::H2).await.get("/").await?.status, 200);
        let pool = gateway.pool("bot").await;
        for key in ["phase", "active", "epoch"] {
            assert_eq!(pool[key], pinned[key], "{jump}: {key}");
        }
        gateway.ready().await;
    }
    // The look for old rows comes once a minute and with every change of its rules: let it come now, two years ahead.
    site.write("clock", "+2y");
    let config = std::fs::read_to_string(&gateway.config)?;
    site.write("botgate.toml", &config.replace("workers = 2\n", "workers = 2\njournal = { max_age = \"300d\" }\n"));
    assert_eq!(gateway.reload().await["result"], "applied");
    // An order is written after that: by the same thread, one after the other.
    assert_eq!(gateway.post("/api/v1/pools/bot/unpin", &json!({})).await.status, 200);
    let after = rows(&gateway.api("/api/v1/journal?pool=bot").await.to_string());
    assert!(after > before, "{before} rows before, {after} after");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_cuts_what_a_first_one_waits_for() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let mut gateway = Gateway::start(&site, &site.config(PROBE, &[&one])).await;
    one.once(Answer::with(200, "never").delay(Duration::from_secs(60)).into());
    let mut client = Client::open(gateway.address(), HOST, &site.authority, Protocol::H1).await?;
    let asked = tokio::spawn(async move { client.get("/").await.is_ok() });
    wait_until("it is at the backend", async || one.log().count() == 1).await;
    gateway.process.sigterm();
    wait_until("it drains", async || gateway.process.stderr().contains("draining")).await;
    ends_well(&mut gateway, Duration::from_secs(5)).await;
    assert!(!asked.await?);
    Ok(())
}
