//! What `botgate dev` serves, as the config text that `botgate run` would take. Pure but for a look at free ports.

use std::fmt::Write;
use std::net::{SocketAddr, TcpListener};

use super::Args;
use super::ca::DevCertificates;
use crate::sim::{QnaIdentity, RegionConfig, Running, SimConfig};

/// The simulated regions, in order of priority: paired regions of Azure.
const REGIONS: [&str; 2] = ["westeurope", "northeurope"];

/// Simulated regions for what no URL was given for; none when there is nothing to simulate.
pub(super) fn simulated(args: &Args) -> Option<SimConfig> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let bot = args.bot.is_empty().then_some(any);
    let qna = args.qna.is_empty().then_some(any);
    if bot.is_none() && qna.is_none() {
        return None;
    }
    let region = |name: &&str| RegionConfig {
        name: (*name).to_owned(),
        bot,
        qna,
        identity: QnaIdentity::default(),
        latency: None,
        record: None,
    };
    Some(SimConfig { control: free_or_any(args.faults_listen), regions: REGIONS.iter().map(region).collect() })
}

/// The address, or any port there when it is in use: two `botgate dev` can run side by side.
fn free_or_any(address: SocketAddr) -> SocketAddr {
    match TcpListener::bind(address) {
        Ok(_) => address,
        Err(_) => SocketAddr::new(address.ip(), 0),
    }
}

/// What to do when another process, another `botgate dev` say, listens on the address that clients are to use.
pub(super) fn in_use(address: SocketAddr) -> Option<String> {
    let error = TcpListener::bind(address).err()?;
    let free = SocketAddr::new(address.ip(), address.port().checked_add(1).unwrap_or(0));
    Some(format!(
        "cannot listen on {address}: {error}; stop what listens there, or choose another address: --listen {free}"
    ))
}

/// What is served.
pub(super) struct Plan {
    listen: SocketAddr,
    admin: SocketAddr,
    chain: String,
    key: String,
    bots: Backends,
    qna: Backends,
}

struct Backends {
    simulated: bool,
    list: Vec<(String, String)>,
}

impl Plan {
    /// Serves what the command line names, and simulated regions for the rest.
    pub(super) fn new(args: &Args, certificates: &DevCertificates, simulated: Option<&Running>) -> Self {
        let regions = simulated.map_or(&[][..], |running| &running.regions);
        let backends = |urls: &[String], address: fn(&crate::sim::RegionAddresses) -> Option<SocketAddr>| Backends {
            simulated: urls.is_empty(),
            list: if urls.is_empty() {
                regions.iter().filter_map(|it| Some((it.name.clone(), format!("http://{}", address(it)?)))).collect()
            } else {
                urls.iter().enumerate().map(|(at, url)| (given_name(at), url.clone())).collect()
            },
        };
        Self {
            listen: args.listen,
            admin: free_or_any(args.admin_listen),
            chain: certificates.chain.display().to_string(),
            key: certificates.key.display().to_string(),
            bots: backends(&args.bot, |region| region.bot),
            qna: backends(&args.qna, |region| region.qna),
        }
    }

    /// Names of the bot's regions in order of priority.
    pub(super) fn regions(&self) -> Vec<String> {
        self.bots.list.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Whether the regions of the bot are simulated.
    pub(super) fn simulates_bots(&self) -> bool {
        self.bots.simulated
    }

    /// The config.
    pub(super) fn config(&self) -> String {
        let mut text = String::new();
        let Self { listen, admin, chain, key, .. } = self;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "shutdown_grace = \"2s\"\n\n[[listener]]\nbind = \"{listen}\"");
        // A tunnel to this machine (ngrok, dev tunnels) names `localhost` in its handshake and its public host in the request.
        text.push_str("trusted = [\"127.0.0.0/8\", \"::1/128\"]\n");
        let _ = writeln!(text, "certificates = [{{ chain = {}, key = {} }}]", quoted(chain), quoted(key));
        let _ = writeln!(text, "\n[admin]\nbind = \"{admin}\"\nactivity_text = true");
        for (path, pool) in [("/api/messages", "bot-api"), ("/qnamaker", "qna"), ("/language", "qna")] {
            let _ = writeln!(text, "\n[[route]]\npath = \"{path}\"\npool = \"{pool}\"");
            if pool == "bot-api" {
                // A bot on its developer's machine is spoken to without tokens, or checks them itself.
                let _ = writeln!(text, "[route.guard]\ntokens = \"off\"");
            }
        }
        self.bots.write(&mut text, "bot-api", "bot");
        self.qna.write(&mut text, "qna", "question-answering");
        text
    }
}

impl Backends {
    fn write(&self, text: &mut String, pool: &str, kind: &str) {
        // Nobody knows what a bot of the developer's own answers to a GET: a connection must be enough.
        let probe = if self.simulated { "path = \"/healthz\"" } else { "kind = \"tcp\"" };
        let _ = writeln!(text, "\n[[pool]]\nname = \"{pool}\"\nkind = \"{kind}\"");
        let _ = writeln!(text, "probe = {{ {probe}, interval = \"500ms\", timeout = \"250ms\", fall = 2, rise = 3 }}");
        let _ = writeln!(text, "failback = {{ mode = \"auto\", hold = \"10s\" }}");
        for (name, url) in &self.list {
            let _ = writeln!(text, "\n  [[pool.backend]]\n  name = {}\n  url = {}", quoted(name), quoted(url));
        }
    }
}

fn given_name(at: usize) -> String {
    if at == 0 { "local".to_owned() } else { format!("local-{}", at + 1) }
}

/// As a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
