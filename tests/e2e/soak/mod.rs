//! Everything goes wrong at once, for a long time: regions die, hang, slow down and lie; the config is reloaded, well and
//! badly; strangers send garbage, send slowly, and flood. Those who behave must not notice, and nothing may grow from one truce
//! to the next.
//!
//! ```text
//! BOTGATE_SOAK=1800 cargo test --release --features e2e --test e2e soak -- --nocapture
//! ```
//! `BOTGATE_SOAK` is how long, in seconds (180); `BOTGATE_SEED` repeats the faults of a run.

mod faults;
mod guests;
mod pests;
mod truce;
mod vitals;

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::support::sim::Region;
use super::support::site::{HOST, pool_of};
use super::support::storm::seed;
use super::support::{Gateway, Site, alone};
use faults::Faults;
use guests::Guests;
use pests::{Pestered, Pests};
use truce::Truces;
use vitals::Vitals;

const POOL: &str = "bot";

/// Faults follow each other more closely than a pool in service would bear. The ledger is full within seconds, and within a
/// truce forgets all that it took in before: whatever else grew is not hidden by it.
const KEYS: &str = r#"kind = "bot"
probe = { path = "/healthz", interval = "500ms", timeout = "500ms", fall = 2, rise = 2 }
failback = { mode = "auto", hold = "1s" }
flap = { failovers = 100000, within = "1h" }
retry = { budget = "100%", floor = 300 }
keep_alive = "10s"
ledger = { entries = 16384, age = "5s", bytes = "4MiB" }
"#;

/// Slow clients are to be found out within the shortest run.
const LISTENER: &str = r#"header_timeout = "5s"
handshake_timeout = "5s"
body_timeout = "5s"
idle_timeout = "20s"
"#;

/// How long faults are made, truces not counted.
fn length() -> Duration {
    Duration::from_secs(std::env::var("BOTGATE_SOAK").map_or(180, |text| text.parse().unwrap()))
}

/// The config; `number` makes each one differ from the last in something that a reload changes.
fn config(site: &Site, regions: [&Region; 2], number: u64) -> String {
    let backends: Vec<_> = regions.iter().map(|region| (region.name.as_str(), region.url(), String::new())).collect();
    let keys = format!("{KEYS}deadline = \"{}s\"\n", 14 + number % 2);
    site.head(LISTENER) + &pool_of(POOL, &keys, &backends, &format!("host = \"{HOST}\"\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_behaves_notices_nothing_and_nothing_grows_while_everything_goes_wrong() {
    let _machine = alone().await;
    let (seed, length) = (seed(), length());
    let mut rng = Rng::with_seed(seed);
    let site = Site::new();
    let regions = [Region::start(&site, "one", "127.0.0.1:0").await, Region::start(&site, "two", "127.0.0.1:0").await];
    let mut gateway = Gateway::start(&site, &config(&site, [&regions[0], &regions[1]], 0)).await;
    gateway.until_health(POOL, "two", "healthy").await;
    let still = Vitals::of(&gateway).descriptors;

    let guests = Guests::invite(&site, &gateway, rng.u64(..));
    let vitals = vitals::watch(&gateway);
    let mut faults = Faults::new(&site, &gateway, regions, rng.u64(..));
    let (mut pestered, mut truces, start) = (Pestered::default(), Truces::default(), Instant::now());
    for _ in 0..3 {
        let pests = Pests::release(&site, &gateway, rng.u64(..));
        faults
            .make(length / 3, || {
                println!("{:>5} s  {}  {}", start.elapsed().as_secs(), vitals.last(), guests.so_far());
            })
            .await;
        pests.leave(&mut pestered).await;
        truces.hold(&gateway, still).await;
    }
    let (made, regions) = faults.end();
    let (report, vitals) = (guests.leave().await, vitals.stop().await);
    println!("{made}\n{report}\n{pestered}\n{vitals}\n{truces}");

    report.assert_well(length);
    pestered.assert_made();
    made.assert_made(length);
    truce::given_back(&gateway, still).await;
    truces.assert_flat(length);
    assert_eq!(gateway.metric("botgate_panics_total", &[]).await, 0.0, "a request panicked");
    let log = gateway.process.stderr();
    assert!(!log.contains("panicked"), "something panicked:\n{log}");
    assert!(gateway.stop().await.success());
    drop(regions);
}
