//! Two regions of one bot behind the real gateway.

use std::path::PathBuf;

use serde_json::Value;

use super::bots::{Bot, Sdk};
use super::messages::event;
use super::secrets::Search;
use super::support::site::PROBE;
use super::support::{Gateway, Protocol, Site, wait_until};

/// The name of the pool in these tests.
pub const POOL: &str = "bot-api";

/// First priority.
pub const WEST: &str = "westeurope";

/// The standby.
pub const NORTH: &str = "northeurope";

/// A gateway over TLS in front of two bots.
pub struct Regions {
    pub gateway: Gateway,
    pub west: Bot,
    pub north: Bot,
    pub site: Site,
}

/// What a config has beside the usual.
#[derive(Default)]
pub struct More<'a> {
    /// Keys and tables of the route.
    pub route: &'a str,
    /// Keys of the pool.
    pub pool: &'a str,
    /// Other probes than the usual.
    pub probe: Option<&'a str>,
    /// Tables at the end.
    pub end: &'a str,
    /// Whether the gateway logs all it can.
    pub debug: bool,
}

impl Regions {
    /// Starts both bots, then the gateway, and waits until it is ready. The pool probes every 500 ms with a timeout of
    /// 250 ms, gives up a backend after two, and fails back after a hold of one second.
    pub async fn start(sdk: Sdk) -> Self {
        Self::start_with(sdk, &More::default()).await
    }

    /// The same with more in the config.
    pub async fn start_with(sdk: Sdk, more: &More<'_>) -> Self {
        let site = Site::new();
        let west = Bot::start(sdk, WEST, site.dir());
        let north = Bot::start(sdk, NORTH, site.dir());
        Self::around(site, west, north, more).await
    }

    /// Starts a gateway in front of these bots.
    pub async fn around(site: Site, west: Bot, north: Bot, more: &More<'_>) -> Self {
        let More { route, pool, probe, end, debug } = more;
        let probe = probe.unwrap_or(PROBE);
        let config = format!(
            "[[route]]\npath = \"/api/messages\"\npool = \"{POOL}\"\n{route}\n\n\
             [[pool]]\nname = \"{POOL}\"\nkind = \"bot\"\nreplay = \"keyed\"\n{probe}\n\
             failback = {{ mode = \"auto\", hold = \"1s\" }}\n{pool}\n\n\
             [[pool.backend]]\nname = \"{WEST}\"\nurl = \"{}\"\n\n\
             [[pool.backend]]\nname = \"{NORTH}\"\nurl = \"{}\"\n\n{end}",
            west.url(),
            north.url(),
        );
        let config = site.head("") + &config;
        let gateway = if *debug { Search::gateway(&site, &config).await } else { Gateway::start(&site, &config).await };
        Self { gateway, west, north, site }
    }

    /// Waits until a region is active, and answers: the admin API tells of a move a moment before requests follow it. What
    /// is asked has no id, so that no record has it. For gateways that ask for no token.
    pub async fn until(&self, region: &str) {
        self.gateway.until_active(POOL, region).await;
        let mut client = self.gateway.client(&self.site, Protocol::H1).await;
        let mut activity: Value = serde_json::from_str(&event("")).unwrap();
        activity.as_object_mut().unwrap().remove("id");
        wait_until(&format!("{region} answers"), async || {
            let headers = [("content-type", "application/json")];
            let reply = client.post("/api/messages", &headers, activity.to_string()).await.unwrap();
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply.header("x-backend") == region
        })
        .await;
    }

    /// The messaging endpoint.
    pub fn url(&self) -> String {
        format!("https://localhost:{}/api/messages", self.gateway.address().port())
    }

    /// The test CA's certificate.
    pub fn ca(&self) -> PathBuf {
        self.site.path("ca.pem")
    }

    /// How many activities reached both regions, or one of them more than once: replays of what had been sent when a
    /// region was lost.
    pub fn received_twice(&self) -> usize {
        let mut counts = self.west.received();
        for (id, count) in self.north.received() {
            *counts.entry(id).or_default() += count;
        }
        counts.values().filter(|count| **count > 1).count()
    }
}
