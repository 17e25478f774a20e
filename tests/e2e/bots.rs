//! Real bots as child processes: one per region.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::install::{folder, packages, python};
use super::service::Service;
use super::support::Client;
use super::trust::Trust;

/// Which SDK a bot is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// Bot Framework SDK, botbuilder 4.23.3 on Express 4.
    BotBuilder,
    /// Microsoft 365 Agents SDK, agents-hosting 1.8.1.
    Agents,
    /// Bot Framework SDK for Python, botbuilder-integration-aiohttp 4.17.1.
    Python,
}

impl Sdk {
    /// The command that runs a bot.
    fn command(self) -> Command {
        let program = match self {
            Self::BotBuilder => "botbuilder.mjs",
            Self::Agents => "agents.mjs",
            Self::Python => "python/bot.py",
        };
        if self == Self::Python {
            let mut command = Command::new(python());
            command.arg(folder().join(program));
            return command;
        }
        packages();
        let mut command = Command::new("node");
        command.arg(program).current_dir(folder()).env("NODE_ENV", "production");
        command
    }
}

/// A bot that plays one region.
pub struct Bot {
    service: Service,
    record: PathBuf,
}

/// An activity that reached a bot.
#[derive(Clone, Debug)]
pub struct Received {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Its id.
    pub id: String,
}

impl Bot {
    /// Starts a bot on a port that the system picks and waits until it listens. `dir` takes the record of what it received,
    /// and its standard error.
    pub fn start(sdk: Sdk, region: &str, dir: &Path) -> Self {
        Self::start_with(sdk, region, dir, None)
    }

    /// The same with token checks, when it trusts somebody.
    pub fn start_with(sdk: Sdk, region: &str, dir: &Path, trust: Option<&Trust>) -> Self {
        let record = dir.join(format!("{region}.received"));
        let (name, to, trust) = (region.to_owned(), record.clone(), trust.cloned());
        let errors = dir.join(format!("{region}.stderr"));
        let service = Service::start(move |port| {
            let mut command = sdk.command();
            command.args(["--region", &name, "--port", &port.to_string(), "--record"]).arg(&to);
            if let Some(Trust { app_ids, skill, metadata, entra_metadata }) = &trust {
                for id in app_ids {
                    command.args(["--app-id", id]);
                }
                command.args(["--skill", skill, "--metadata", metadata, "--entra-metadata", entra_metadata]);
            }
            // What the SDKs say of each refused token is not news.
            let log = std::fs::File::options().create(true).append(true).open(&errors).unwrap();
            command.stderr(Stdio::from(log));
            command
        });
        Self { service, record }
    }

    /// Sends it messages one after another, past the gateway, without leaving a trace in [`Bot::received`].
    pub async fn warm_up(&self, messages: usize) {
        let mut client = Client::open_plain(self.address(), &self.address().to_string()).await.unwrap();
        for number in 0..messages {
            let body = super::messages::message(&format!("warm-up-{number}"), "warm up");
            let reply = client.post("/api/messages", &[("content-type", "application/json")], body).await.unwrap();
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        std::fs::write(&self.record, "").unwrap();
    }

    /// What it received, over all its lives, in order.
    pub fn deliveries(&self) -> Vec<Received> {
        let text = std::fs::read_to_string(&self.record).unwrap_or_default();
        let lines = text.lines().filter_map(|line| {
            let (at, id) = line.split_once(' ')?;
            Some(Received { at: at.parse().ok()?, id: id.to_owned() })
        });
        lines.collect()
    }

    /// How often it received each activity id, over all its lives.
    pub fn received(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for Received { id, .. } in self.deliveries() {
            *counts.entry(id).or_default() += 1;
        }
        counts
    }
}

impl Deref for Bot {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl DerefMut for Bot {
    fn deref_mut(&mut self) -> &mut Service {
        &mut self.service
    }
}
