//! Question answering by the SDKs' own clients, configured once, in front of two regions with different keys and names.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::install::{folder, packages};
use super::regions::{NORTH, WEST};
use super::secrets::Search;
use super::service::Service;
use super::session::Session;
use super::support::site::PROBE;
use super::support::{Gateway, Site, together, wait_until};

/// What the clients are configured with: of no region, and good nowhere.
const CLIENT_KEY: &str = "key-of-the-clients-0123456789abcdef";
const CLIENT_KB: &str = "main";
const CLIENT_PROJECT: &str = "faq";

const POOL: &str = "qna";

/// Question answering in one region, with names and a key of its own.
struct Region {
    service: Service,
    name: &'static str,
    record: PathBuf,
}

/// What identifies a client at a region.
struct Identity {
    key: String,
    kb: String,
    project: String,
    deployment: String,
}

fn identity(region: &str) -> Identity {
    let own = |what: &str| format!("{what}-of-{region}-5f0c2b9a");
    Identity { key: own("key"), kb: own("kb"), project: own("project"), deployment: own("deployment") }
}

impl Region {
    fn start(name: &'static str, dir: &Path) -> Self {
        packages();
        let record = dir.join(format!("{name}.questions"));
        let to = record.clone();
        let service = Service::start(move |port| {
            let Identity { key, kb, project, deployment } = identity(name);
            let mut command = Command::new("node");
            command.args(["qna-region.mjs", "--region", name, "--port", &port.to_string(), "--record"]).arg(&to);
            command.args(["--key", &key, "--kb", &kb, "--project", &project, "--deployment", &deployment]);
            command.current_dir(folder());
            command
        });
        Self { service, name, record }
    }

    /// What arrived there, in order.
    fn queries(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.record).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The backend's lines of the config.
    fn backend(&self) -> String {
        let (name, url) = (self.name, self.service.url());
        let Identity { key, kb, project, deployment } = identity(name);
        format!(
            "[[pool.backend]]\nname = \"{name}\"\nurl = \"{url}\"\n\
             kb = \"{kb}\"\nproject = \"{project}\"\ndeployment = \"{deployment}\"\nkey = \"{key}\"\n\n"
        )
    }
}

/// Two regions behind a gateway that is told to write down all that it can.
struct Stage {
    west: Region,
    north: Region,
    gateway: Gateway,
    site: Site,
}

impl Stage {
    async fn start() -> Self {
        let site = Site::new();
        let [west, north] = [WEST, NORTH].map(|name| Region::start(name, site.dir()));
        let config = format!(
            "[access_log]\ntarget = \"{}\"\n\n[[route]]\npool = \"{POOL}\"\n\n\
             [[pool]]\nname = \"{POOL}\"\nkind = \"question-answering\"\n{PROBE}\n\
             failback = {{ mode = \"auto\", hold = \"1s\" }}\n\n{}{}",
            site.text_path("access.log"),
            west.backend(),
            north.backend(),
        );
        let gateway = Search::gateway(&site, &(site.head("") + &config)).await;
        Self { west, north, gateway, site }
    }

    /// The last lines of the access log.
    fn told(&self) -> String {
        let log = std::fs::read_to_string(self.site.path("access.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(3)..].join("\n")
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.gateway.address().port())
    }
}

/// The clients of three kinds, each configured once.
struct Clients {
    node: Session,
    python: Session,
    asked: usize,
}

impl Clients {
    fn start(stage: &Stage) -> Self {
        let (ca, url) = (stage.site.path("ca.pem"), stage.url());
        let node = Session::node("qna-client.mjs", &ca, &[&url, CLIENT_KEY, CLIENT_KB, CLIENT_PROJECT]);
        let python = Session::python("qna_client.py", &ca, &[&url, CLIENT_KEY, CLIENT_KB]);
        Self { node, python, asked: 0 }
    }

    /// Asks until `region` answers: the admin API tells of a move a moment before requests follow it.
    async fn until(&mut self, stage: &Stage, region: &str) {
        stage.gateway.until_active(POOL, region).await;
        wait_until(&format!("{region} answers"), async || {
            let said = self.node.ask("maker who is there?", "answer").await;
            let answer = said["answer"].as_str().unwrap_or_else(|| panic!("no answer: {said}\n{}", stage.told()));
            self.asked += 1;
            answer.starts_with(region)
        })
        .await;
    }

    /// Each asks so many questions; `region` answers every one.
    async fn ask(&mut self, stage: &Stage, times: usize, topic: &str, region: &str) {
        for number in 0..times {
            let question = format!("{topic} {number}?");
            let said = [
                self.node.ask(&format!("maker {question}"), "answer").await,
                self.node.ask(&format!("custom {question}"), "answer").await,
                self.python.ask(&question, "answer").await,
            ];
            for answer in said {
                let own = format!("{region}: the answer to '{question}'");
                assert_eq!(answer["answer"], own, "{answer}\n{}", stage.told());
                assert_eq!(answer["answers"], 1, "{answer}");
                self.asked += 1;
            }
        }
    }
}

#[tokio::test]
async fn clients_configured_once_are_answered_by_either_region_as_its_own() {
    let _machine = together().await;
    let mut stage = Stage::start().await;
    let mut clients = Clients::start(&stage);

    clients.ask(&stage, 5, "before", WEST).await;
    stage.west.service.kill();
    clients.ask(&stage, 5, "without the first region", NORTH).await;
    clients.until(&stage, NORTH).await;
    stage.west.service.restart();
    clients.until(&stage, WEST).await;
    clients.ask(&stage, 5, "after", WEST).await;
    stage.west.service.freeze();
    clients.ask(&stage, 2, "while the first region hangs", NORTH).await;
    clients.until(&stage, NORTH).await;
    stage.west.service.thaw();
    clients.until(&stage, WEST).await;
    clients.ask(&stage, 2, "after that", WEST).await;

    let mut answered = 0;
    for region in [&stage.west, &stage.north] {
        let own = identity(region.name);
        for query in region.queries() {
            assert_eq!(query["status"], 200, "a query that is not {}'s own: {query}", region.name);
            assert_eq!(query["authorization"], format!("EndpointKey {}", own.key), "{query}");
            assert_eq!(query["key"], own.key, "{query}");
            assert_eq!(query["host"], region.service.address().to_string(), "{query}");
            answered += 1;
        }
    }
    assert!(answered >= clients.asked, "{answered} queries reached the regions, {} were asked", clients.asked);

    let identities = [WEST, NORTH].map(identity);
    let mut secrets = vec![CLIENT_KEY.to_owned()];
    secrets.extend(identities.into_iter().map(|own| own.key));
    Search::new(&stage.gateway, &stage.site).finds_none_of(&secrets).await;
}

#[tokio::test]
async fn clients_can_read_what_the_gateway_answers_when_no_region_does() {
    let _machine = together().await;
    let mut stage = Stage::start().await;
    let mut clients = Clients::start(&stage);
    clients.ask(&stage, 1, "before", WEST).await;
    stage.west.service.kill();
    stage.north.service.kill();
    for client in ["maker", "custom"] {
        let said = clients.node.ask(&format!("{client} anybody?"), "answer").await;
        let error = said["error"].as_str().unwrap_or_else(|| panic!("an answer from nobody: {said}"));
        // Both clients read the response as JSON and print it: it is the services' own shape.
        let shown = error.split_once(": ").and_then(|(_, json)| serde_json::from_str::<Value>(json).ok());
        let shown = shown.unwrap_or_else(|| panic!("{client} could not read the error: {error}"));
        assert!(shown["error"]["code"].is_string(), "{shown}");
        assert_ne!(shown["error"]["message"], json!(null), "{shown}");
    }
}
