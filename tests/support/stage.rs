//! A gateway in front of regions that are processes: to be killed, stopped and resumed one by one.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Reply;
use super::gateway::Gateway;
use super::sim::Region;
use super::site::{HOST, Site, pool_of};
use super::wait::{SOON, wait_within};

/// Probes that find a stopped region within about half a second.
pub const QUICK: &str =
    r#"probe = { path = "/healthz", interval = "250ms", timeout = "200ms", fall = 2, rise = 2, jitter = 0 }"#;

/// A pool `bot` on regions `one`, `two`, …, and a gateway that can be killed and started again on the same state.
pub struct Stage {
    pub site: Site,
    pub regions: Vec<Region>,
    pub gateway: Gateway,
    pub config: String,
}

/// A decision as the journal tells it: phase before, phase, active before, active, cause.
pub type Told = (String, String, String, String, String);

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

impl Stage {
    /// So many regions; `keys` are the pool's, beside quick probes.
    pub async fn new(regions: usize, keys: &str) -> Self {
        Self::with(regions, |urls| pool_of("bot", &format!("{QUICK}\n{keys}"), urls, &format!("host = \"{HOST}\"\n")))
            .await
    }

    /// So many regions, and pools as `pools` writes them.
    pub async fn with(regions: usize, pools: impl Fn(&[(&str, String, String)]) -> String) -> Self {
        let site = Site::new();
        let mut all = Vec::new();
        for name in &NAMES[..regions] {
            all.push(Region::start(&site, name, "127.0.0.1:0").await);
        }
        let urls: Vec<(&str, String, String)> =
            NAMES.iter().zip(&all).map(|(name, region)| (*name, region.url(), String::new())).collect();
        let config = site.head("") + &pools(&urls);
        let gateway = Gateway::start(&site, &config).await;
        let stage = Self { site, regions: all, gateway, config };
        for name in &NAMES[..regions] {
            stage.gateway.until_health("bot", name, "healthy").await;
        }
        stage
    }

    /// Kills the gateway as a power cut would, and starts it again on the same state.
    pub async fn power_cut(&mut self) {
        self.gateway.process.sigkill();
        self.gateway.process.exit(Duration::from_secs(5)).await;
        self.gateway = Gateway::start(&self.site, &self.config).await;
    }

    /// Starts a killed region again on its old port.
    pub async fn revive(&mut self, region: usize) {
        let (name, bot) = (self.regions[region].name.clone(), self.regions[region].bot.to_string());
        self.regions[region] = Region::start(&self.site, &name, &bot).await;
    }

    /// An order to pool `bot`: `failover`, `failback`, `pin`, `unpin`. Says `reason` where the body says none.
    pub async fn order(&self, what: &str, body: Value) -> Reply {
        let mut body = body;
        body.as_object_mut().unwrap().entry("reason").or_insert(json!("a test says so"));
        self.gateway.post(&format!("/api/v1/pools/bot/{what}"), &body).await
    }

    /// An order that must be carried out; the pool afterwards.
    pub async fn ordered(&self, what: &str, body: Value) -> Value {
        let reply = self.order(what, body).await;
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        let view = reply.json();
        assert_eq!(view["journalled"], true, "{view}");
        view["pool"].clone()
    }

    /// Phase and active backend of a pool.
    pub async fn stands(&self, pool: &str) -> (String, String) {
        let view = self.gateway.pool(pool).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&view["phase"]), text(&view["active"]))
    }

    /// Waits until pool `bot` is in this phase on this backend.
    pub async fn until(&self, phase: &str, active: &str) {
        self.until_pool("bot", phase, active).await;
    }

    /// Waits until a pool is in this phase on this backend.
    pub async fn until_pool(&self, pool: &str, phase: &str, active: &str) {
        let what = format!("{pool} is {phase} on {active}");
        wait_within(&what, SOON, || async { self.stands(pool).await == (phase.to_owned(), active.to_owned()) }).await;
    }

    /// Asserts that pool `bot` is in this phase on this backend for so long.
    pub async fn stays(&self, phase: &str, active: &str, long: Duration) {
        let start = std::time::Instant::now();
        while start.elapsed() < long {
            assert_eq!(self.stands("bot").await, (phase.to_owned(), active.to_owned()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The decisions of a pool in order, as the journal has them.
    pub async fn journal(&self, pool: &str) -> Vec<Told> {
        let entries = self.gateway.api(&format!("/api/v1/journal?pool={pool}&limit=1000")).await;
        let mut told: Vec<Told> = entries.as_array().unwrap().iter().map(told).collect();
        told.reverse();
        told
    }

    /// What `botgate explain` prints of pool `bot`.
    pub fn explain(&self) -> String {
        let admin = format!("http://{}", self.gateway.admin());
        let (code, out, err) = super::process::run(&["explain", "bot", "--admin", &admin]);
        assert_eq!(code, Some(0), "{err}");
        out
    }
}

fn told(entry: &Value) -> Told {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    (text("phase_before"), text("phase"), text("before"), text("after"), text("cause"))
}

/// Short for a decision of the journal.
pub fn tell(phase_before: &str, phase: &str, before: &str, after: &str, cause: &str) -> Told {
    let own = str::to_owned;
    (own(phase_before), own(phase), own(before), own(after), own(cause))
}
