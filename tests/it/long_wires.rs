//! Clients that are far away: what they send and are sent is bound by the wire, not by a window.

use std::time::{Duration, Instant};

use crate::support::backend::{Answer, Backend};
use crate::support::client::{Client, Protocol, full};
use crate::support::long_wire::LongWire;
use crate::support::site::{HOST, PROBE, Site};
use crate::support::wait::alone;
use crate::support::{Gateway, Outcome};

/// Each way.
const DELAY: Duration = Duration::from_millis(25);
const BODY: usize = 48 << 20;

/// What a window of 256 KiB, opened again once per round trip, would take for it: 9.6 s.
fn by_a_small_window() -> Duration {
    2 * DELAY * (BODY / (256 << 10)) as u32
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_over_a_round_trip_of_50_ms_is_not_bound_by_a_window() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let config = site.config(PROBE, &[&backend]).replace("pool = \"bot\"", "pool = \"bot\"\nmax_body = \"64MiB\"");
    let gateway = Gateway::start(&site, &config).await;
    let wire = LongWire::to(gateway.address(), DELAY).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = Client::open(wire.address(), HOST, &site.authority, protocol).await?;
        backend.always(Answer::status(200).into());
        let began = Instant::now();
        assert_eq!(client.post("/", &[], vec![7; BODY]).await?.status, 200);
        let up = began.elapsed();
        assert_eq!(backend.log().last().length, BODY);
        backend.always(Answer::with(200, vec![7; BODY]).into());
        let began = Instant::now();
        assert_eq!(client.get("/").await?.body.len(), BODY);
        let down = began.elapsed();
        println!("{protocol:?}: {BODY} octets up in {up:?}, down in {down:?}");
        let limit = by_a_small_window() / 2;
        assert!(up < limit && down < limit, "{protocol:?}: up {up:?}, down {down:?}, at most {limit:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_response_of_an_http2_backend_50_ms_away_is_not_bound_by_a_window() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let backend = Backend::start_h2("one", &site).await;
    let wire = LongWire::to(backend.address(), DELAY).await;
    let config = site.config("probe = false\ndeadline = \"60s\"", &[&backend]);
    let config = config.replace(&backend.address().to_string(), &wire.address().to_string());
    let gateway = Gateway::start(&site, &config).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    assert_eq!(client.get("/").await?.status, 200);
    backend.always(Answer::with(200, vec![7; BODY]).into());
    let began = Instant::now();
    assert_eq!(client.get("/").await?.body.len(), BODY);
    let down = began.elapsed();
    println!("{BODY} octets of an HTTP/2 backend in {down:?}");
    // Once per round trip 512 KiB would take it 4.8 s.
    assert!(down < by_a_small_window() / 4, "{down:?}");
    // Who does not read fills no more than the windows, and keeps no other waiting.
    let before = gateway.process.resident_kib();
    let mut stuck = Vec::new();
    for _ in 0..4 {
        let mut client = gateway.client(&site, Protocol::H1).await;
        let request = client.request("GET", "/").body(full("")).unwrap();
        stuck.push((client.begin(request).await?, client));
    }
    backend.always(Answer::status(200).into());
    for _ in 0..10 {
        assert_eq!(client.get("/").await?.status, 200);
    }
    let more = gateway.process.resident_kib().saturating_sub(before);
    println!("{more} KiB more while four clients do not read");
    assert!(more < 48 << 10, "{more} KiB");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_windows_have_grown_fills_no_more_memory_than_they_are() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let config = site.config(PROBE, &[&backend]).replace("pool = \"bot\"", "pool = \"bot\"\nmax_body = \"1GiB\"");
    let gateway = Gateway::start(&site, &config).await;
    let wire = LongWire::to(gateway.address(), DELAY).await;
    let mut client = Client::open(wire.address(), HOST, &site.authority, Protocol::H2).await?;
    backend.always(Answer::status(200).into());
    assert_eq!(client.post("/", &[], vec![7; BODY]).await?.status, 200);
    let before = gateway.process.resident_kib();
    backend.read_bodies(false);
    let stuck = client.post("/", &[], vec![7; 4 * BODY]);
    let most = async {
        let (mut most, began) = (0, Instant::now());
        while began.elapsed() < Duration::from_secs(3) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            most = most.max(gateway.process.resident_kib().saturating_sub(before));
        }
        most
    };
    let most = tokio::select! {
        reply = stuck => panic!("answered although its body was not read: {reply:?}"),
        most = most => most,
    };
    println!("{most} KiB more while the backend takes nothing");
    // 16 MiB of a stream's window, once more with the allocator's rounding, and the backend's own buffers.
    assert!(most < 48 << 10, "{most} KiB");
    Ok(())
}
