//! Real bots as child processes: one per region.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::Client;

/// Which SDK a bot is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// Bot Framework SDK, botbuilder 4.23.3 on Express 4.
    BotBuilder,
    /// Microsoft 365 Agents SDK, agents-hosting 1.8.1.
    Agents,
}

impl Sdk {
    fn program(self) -> &'static str {
        match self {
            Self::BotBuilder => "botbuilder.mjs",
            Self::Agents => "agents.mjs",
        }
    }
}

/// A bot that plays one region. Killed, by its own process id, when dropped.
pub struct Bot {
    sdk: Sdk,
    region: String,
    record: PathBuf,
    port: u16,
    child: Child,
}

impl Bot {
    /// Starts a bot on a port that the system picks and waits until it listens. `dir` takes the record of what it received.
    pub fn start(sdk: Sdk, region: &str, dir: &Path) -> Self {
        let record = dir.join(format!("{region}.received"));
        let (child, port) = spawn(sdk, region, 0, &record);
        Self { sdk, region: region.to_owned(), record, port, child }
    }

    /// Its address as a backend's URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// SIGKILL: as if the machine lost power.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGSTOP: connections stay open, and the kernel goes on accepting new ones; nothing answers.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it again on the port that it had, after [`Bot::kill`].
    pub fn restart(&mut self) {
        let (child, port) = spawn(self.sdk, &self.region, self.port, &self.record);
        assert_eq!(port, self.port);
        self.child = child;
    }

    /// Sends it messages one after another, past the gateway, without leaving a trace in [`Bot::received`].
    pub async fn warm_up(&self, messages: usize) {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], self.port));
        let mut client = Client::open_plain(address, &address.to_string()).await.unwrap();
        for number in 0..messages {
            let body = super::messages::message(&format!("warm-up-{number}"), "warm up");
            let reply = client.post("/api/messages", &[("content-type", "application/json")], body).await.unwrap();
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        std::fs::write(&self.record, "").unwrap();
    }

    /// How often it received each activity id, over all its lives.
    pub fn received(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for id in std::fs::read_to_string(&self.record).unwrap_or_default().lines() {
            *counts.entry(id.to_owned()).or_default() += 1;
        }
        counts
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of the bots' programs.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/bots")
}

fn spawn(sdk: Sdk, region: &str, port: u16, record: &Path) -> (Child, u16) {
    install();
    let mut command = Command::new("node");
    command.arg(sdk.program()).args(["--region", region, "--port", &port.to_string(), "--record"]).arg(record);
    command.current_dir(folder()).env("NODE_ENV", "production").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("node is needed: apt-get install nodejs npm");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{sdk:?} {region} did not start: {line}"));
    (child, u16::try_from(said["port"].as_u64().unwrap()).unwrap())
}

/// Installs the bots' packages from their lock file, unless what is installed is at least as new.
fn install() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let changed = |path: PathBuf| std::fs::metadata(path).and_then(|data| data.modified()).ok();
        let installed = changed(folder().join("node_modules/.package-lock.json"));
        if installed.is_some() && installed >= changed(folder().join("package-lock.json")) {
            return;
        }
        eprintln!("installing the bots' packages: npm ci --ignore-scripts");
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder()).stdin(Stdio::null());
        let output = npm.output().expect("npm is needed: apt-get install npm");
        assert!(output.status.success(), "npm ci failed:\n{}", String::from_utf8_lossy(&output.stderr));
    });
}
