//! A simulated region as a process of its own, so that it can be killed or stopped alone.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::client::{Client, full};
use super::process::Process;
use super::site::Site;

/// `botgate sim` with one region.
pub struct Region {
    pub process: Process,
    pub name: String,
    pub bot: SocketAddr,
    /// Where faults are ordered.
    pub control: SocketAddr,
    record: PathBuf,
}

impl Region {
    /// Starts a region; `bot` may name a port to take, or be `127.0.0.1:0`.
    pub async fn start(site: &Site, name: &str, bot: &str) -> Self {
        let record = site.path(&format!("{name}.received"));
        let config = format!(
            "control = \"127.0.0.1:0\"\n\n[[region]]\nname = \"{name}\"\nbot = \"{bot}\"\nqna = \"127.0.0.1:0\"\n\
             record = {record:?}\n"
        );
        let path = site.write(&format!("{name}.sim.toml"), &config);
        let arguments = ["sim", "--config", path.to_str().unwrap(), "--json"];
        let mut process = Process::start(&format!("region-{name}"), &arguments, site.dir());
        let said = process.announcement("control").await;
        let regions = said["regions"].as_array().unwrap_or_else(|| panic!("no regions in {said}"));
        let bot = regions[0]["bot"].as_str().unwrap_or_else(|| panic!("no bot address in {said}"));
        let bot = bot.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        let control = said["control"].as_str().unwrap_or_else(|| panic!("no control address in {said}"));
        Self { process, name: name.to_owned(), bot, control: control.parse().unwrap(), record }
    }

    /// How often it received each activity id, over all its lives.
    pub fn received(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for id in std::fs::read_to_string(&self.record).unwrap_or_default().lines() {
            *counts.entry(id.to_owned()).or_default() += 1;
        }
        counts
    }

    /// Makes it suffer a fault, such as `{"kind":"down"}`.
    pub async fn fault(&self, fault: &str) {
        self.order("PUT", fault).await;
    }

    /// Ends its fault.
    pub async fn heal(&self) {
        self.order("DELETE", "").await;
    }

    async fn order(&self, method: &str, body: &str) {
        let mut client = Client::open_plain(self.control, "127.0.0.1").await.unwrap();
        let request = client.request(method, &format!("/regions/{}/fault", self.name)).body(full(body.to_owned()));
        let reply = client.send(request.unwrap()).await.unwrap();
        assert!(reply.status < 300, "{method} of a fault: {}", reply.text());
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.bot)
    }
}
