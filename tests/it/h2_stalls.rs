//! HTTP/2 clients that ask for much and take nothing: what they hold is bounded, and they are cut after a time.

use std::time::{Duration, Instant};

use crate::support::backend::{Answer, Backend};
use crate::support::client::Protocol;
use crate::support::h2raw::{H2Client, WHOLE, WINDOW_UPDATE, frame, headers, request};
use crate::support::site::{PROBE, Site};
use crate::support::wait::{alone, wait_until};
use crate::support::{Gateway, Outcome};

/// In KiB.
const MIB: u64 = 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_never_read_hold_little_and_are_cut() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(&site, &(site.head("idle_timeout = \"2s\"") + &site.pool(PROBE, &[&backend]))).await;
    backend.always(Answer::with(200, vec![7; 8 << 20]).into());
    assert_eq!(gateway.client(&site, Protocol::H2).await.get("/").await?.body.len(), 8 << 20);
    let before = gateway.process.resident_kib();
    for (what, settings, update) in [
        ("no window", [0, 4, 0, 0, 0, 0], None),
        ("a window of an octet", [0, 4, 0, 0, 0, 1], None),
        ("large windows, and nothing is read", [0, 4, 0x7f, 0xff, 0xff, 0xff], Some(0x7000_0000_u32)),
    ] {
        let mut client = H2Client::open_with(gateway.address(), &site, &settings).await;
        if let Some(more) = update {
            client.write(frame(WINDOW_UPDATE, 0, 0, &more.to_be_bytes())).await;
        }
        let asked: Vec<u8> = (0..128).flat_map(|n| headers(WHOLE, 2 * n + 1, &request("GET", "/", &[]))).collect();
        let seen = backend.log().count();
        client.write(asked).await;
        wait_until("all are under way", async || backend.log().count() >= seen + 128).await;
        let began = Instant::now();
        let mut most = 0;
        // The gateway says so itself: this client does not read.
        while gateway.metric("botgate_connections", &["side=\"client\""]).await > 0.0 {
            most = most.max(gateway.process.resident_kib().saturating_sub(before));
            assert!(began.elapsed() < Duration::from_secs(20), "{what}: not cut");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("{what}: {} MiB more at most, cut after {:?}", most / MIB, began.elapsed());
        // 128 streams of 64 KiB each, twice with what is read ahead of the backends, and what TLS and the allocator keep.
        assert!(most < 160 * MIB, "{what}: {} MiB", most / MIB);
        wait_until("the backends are let go", async || backend.open() <= 2).await;
    }
    Ok(())
}
