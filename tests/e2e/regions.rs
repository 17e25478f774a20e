//! Two regions of one bot behind the real gateway.

use std::path::PathBuf;

use super::bots::{Bot, Sdk};
use super::secrets::Search;
use super::support::site::PROBE;
use super::support::{Gateway, Site};

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
        let More { route, pool, end, debug } = more;
        let config = format!(
            "[[route]]\npath = \"/api/messages\"\npool = \"{POOL}\"\n{route}\n\n\
             [[pool]]\nname = \"{POOL}\"\nkind = \"bot\"\nreplay = \"keyed\"\n{PROBE}\n\
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
