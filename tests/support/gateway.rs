//! `botgate run` as a child process, and its admin API.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::client::{self, Client, Protocol};
use super::process::Process;
use super::site::{HOST, Site};
use super::wait::{SOON, wait_within};

/// A running gateway.
pub struct Gateway {
    pub process: Process,
    pub config: PathBuf,
    listening: Vec<SocketAddr>,
    admin: SocketAddr,
}

impl Gateway {
    /// Starts the gateway with this config and waits until it is ready.
    pub async fn start(site: &Site, config: &str) -> Self {
        Self::start_with(site, "botgate.toml", config, &[]).await
    }

    /// The same with a file name and arguments of its own.
    pub async fn start_with(site: &Site, file: &str, config: &str, arguments: &[&str]) -> Self {
        let gateway = Self::start_unready(site, file, config, arguments).await;
        gateway.ready().await;
        gateway
    }

    /// Starts the gateway and does not wait for its first probes.
    pub async fn start_unready(site: &Site, file: &str, config: &str, arguments: &[&str]) -> Self {
        Self::spawn(site, file, config, arguments, &[]).await
    }

    /// Starts the gateway with this config and environment, and waits until it is ready.
    pub async fn start_in(site: &Site, config: &str, env: &[(&str, &str)]) -> Self {
        let gateway = Self::spawn(site, "botgate.toml", config, &[], env).await;
        gateway.ready().await;
        gateway
    }

    async fn spawn(site: &Site, file: &str, config: &str, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let path = site.write(file, config);
        let text = path.to_str().unwrap().to_owned();
        let all = [&["run", "--config", &text, "--json"], arguments].concat();
        let process = Process::start_with("gateway", &all, site.dir(), env);
        Self::of(process, path).await
    }

    /// A gateway of a process that was started to be one, once it listens.
    pub async fn of(mut process: Process, config: PathBuf) -> Self {
        let said = process.announcement("listening").await;
        let listening = said["listening"].as_array().unwrap();
        let listening = listening.iter().map(|address| address.as_str().unwrap().parse().unwrap()).collect();
        let admin = said["admin"].as_str().unwrap().parse().unwrap();
        Self { process, config, listening, admin }
    }

    /// Waits until `/readyz` is green.
    pub async fn ready(&self) {
        wait_within("the gateway is ready", SOON, || async {
            client::get(self.admin, "/readyz").await.is_ok_and(|reply| reply.status == 200)
        })
        .await;
    }

    /// The address of the first listener.
    pub fn address(&self) -> SocketAddr {
        self.listening[0]
    }

    /// The addresses of all listeners, in order of the config.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// The address of the admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// A client of the first listener.
    pub async fn client(&self, site: &Site, protocol: Protocol) -> Client {
        Client::open(self.address(), HOST, &site.authority, protocol).await.unwrap()
    }

    /// The admin API: a GET, as JSON.
    pub async fn api(&self, path: &str) -> Value {
        let reply = client::get(self.admin, path).await.unwrap();
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.text());
        reply.json()
    }

    /// The admin API: a POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> client::Reply {
        client::post_json(self.admin, path, body).await.unwrap()
    }

    /// All pools.
    pub async fn pools(&self) -> Value {
        self.api("/api/v1/pools").await
    }

    /// One pool.
    pub async fn pool(&self, name: &str) -> Value {
        self.api(&format!("/api/v1/pools/{name}")).await
    }

    /// The name of the active backend of a pool; empty when there is none.
    pub async fn active(&self, pool: &str) -> String {
        self.pool(pool).await["active"].as_str().unwrap_or_default().to_owned()
    }

    /// The health of a backend.
    pub async fn health(&self, pool: &str, backend: &str) -> String {
        let view = self.pool(pool).await;
        let backends = view["backends"].as_array().unwrap();
        let found = backends.iter().find(|entry| entry["name"] == backend);
        found.unwrap_or_else(|| panic!("no backend {backend} in {view}"))["health"].as_str().unwrap().to_owned()
    }

    /// Waits until a backend is active.
    pub async fn until_active(&self, pool: &str, backend: &str) {
        wait_within(&format!("{backend} is active"), SOON, || async { self.active(pool).await == backend }).await;
    }

    /// Waits until a backend has this health.
    pub async fn until_health(&self, pool: &str, backend: &str, health: &str) {
        let what = format!("{backend} is {health}");
        wait_within(&what, SOON, || async { self.health(pool, backend).await == health }).await;
    }

    /// Asks for a reload: the outcome. Who is told that this is too often asks again when it is time.
    pub async fn reload(&self) -> Value {
        loop {
            let reply = self.post("/api/v1/reload", &Value::Null).await;
            if reply.status != 429 {
                return reply.json();
            }
            let seconds = reply.header("retry-after").parse().expect("a 429 says when to come again");
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }

    /// Takes a backend out or puts it back: `drain` or `resume`.
    pub async fn order(&self, pool: &str, backend: &str, order: &str) -> client::Reply {
        let body = serde_json::json!({ "reason": "a test says so" });
        self.post(&format!("/api/v1/pools/{pool}/backends/{backend}/{order}"), &body).await
    }

    /// The sum of a metric over the series whose line holds all of `labels`.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = client::get(self.admin, "/metrics").await.unwrap().text();
        let series = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
                && labels.iter().all(|label| line.contains(label))
        });
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// SIGTERM, and the wait until it ended.
    pub async fn stop(&mut self) -> std::process::ExitStatus {
        self.process.sigterm();
        self.process.exit(Duration::from_secs(20)).await
    }
}
