//! A channel that behaves as Teams does: each message has an id of its own, leaves at a constant rate, and is sent again,
//! byte for byte, when no 2xx came in time. What became of each is set against what the bots say that they received.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use super::client::{Client, Protocol, Reply};
use super::load::chain;
use super::site::{HOST, Site};

/// What is sent, and with how much patience.
#[derive(Clone)]
pub struct Channel {
    pub address: SocketAddr,
    pub path: String,
    /// Messages in all.
    pub messages: usize,
    /// Messages per second, resends aside.
    pub rate: u32,
    /// How long an answer is waited for before the message is sent again: for each message drawn between a fifth of this
    /// and this.
    pub patience: Duration,
    /// From a refusal or a broken connection to the next send.
    pub pause: Duration,
    /// Most sends of one message.
    pub sends: u32,
    /// Headers beside the content type.
    pub headers: Vec<(String, String)>,
    /// The body of a message with this id.
    pub body: fn(&str) -> String,
    /// Draws the patience.
    pub seed: u64,
    tls: Arc<rustls::ClientConfig>,
}

/// What the channel saw of one message.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub sends: u32,
    /// The 2xx that ended it; none when it was given up.
    pub status: Option<u16>,
    /// What `Botgate-Resend` said on that answer.
    pub resend: String,
    /// What became of the sends before.
    pub troubles: Vec<String>,
    pub took: Duration,
}

/// What became of all messages, by id.
pub type Messages = BTreeMap<String, Seen>;

type Idle = Arc<Mutex<Vec<Client>>>;

impl Channel {
    /// Messages to `/api/messages` over TLS; a channel that waits 3 s for an answer.
    pub fn new(site: &Site, address: SocketAddr, messages: usize, rate: u32, seed: u64) -> Self {
        Self {
            address,
            path: "/api/messages".to_owned(),
            messages,
            rate,
            patience: Duration::from_secs(3),
            pause: Duration::from_millis(500),
            sends: 8,
            headers: Vec::new(),
            body: message,
            seed,
            tls: site.authority.client(&[b"http/1.1"]),
        }
    }

    /// Sends all of it.
    pub async fn run(self) -> Messages {
        let (start, idle, channel) = (Instant::now(), Idle::default(), Arc::new(self));
        let mut all = tokio::task::JoinSet::new();
        let mut random = Rng::with_seed(channel.seed);
        let run = random.u32(..);
        for number in 0..channel.messages {
            let due = Duration::from_secs_f64(number as f64 / f64::from(channel.rate));
            tokio::time::sleep_until(start + due).await;
            let patience = channel.patience.mul_f64(0.2 + 0.8 * random.f64());
            let (channel, idle, id) = (channel.clone(), idle.clone(), format!("m{number}-{run:08x}"));
            all.spawn(async move {
                let seen = channel.deliver(&idle, &id, patience).await;
                (id, seen)
            });
        }
        all.join_all().await.into_iter().collect()
    }

    async fn deliver(&self, idle: &Idle, id: &str, patience: Duration) -> Seen {
        let (mut seen, start, body) = (Seen::default(), Instant::now(), (self.body)(id));
        while seen.sends < self.sends {
            seen.sends += 1;
            // What is not answered in time is dropped with its connection, as a channel does.
            let trouble = match tokio::time::timeout(patience, self.send(idle, &body)).await {
                Ok(Ok(reply)) if (200..300).contains(&reply.status) => {
                    seen.status = Some(reply.status);
                    seen.resend = reply.header("botgate-resend").to_owned();
                    break;
                }
                Ok(Ok(reply)) => format!("status {}", reply.status),
                Ok(Err(trouble)) => trouble,
                Err(_) => "no answer in time".to_owned(),
            };
            let late = trouble == "no answer in time";
            seen.troubles.push(trouble);
            if !late {
                tokio::time::sleep(self.pause).await;
            }
        }
        seen.took = start.elapsed();
        seen
    }

    async fn send(&self, idle: &Idle, body: &str) -> Result<Reply, String> {
        let kept = loop {
            let next = idle.lock().unwrap().pop();
            match next {
                Some(client) if client.is_closed() || !client.is_ready() => {}
                other => break other,
            }
        };
        let mut client = match kept {
            Some(client) => client,
            None => {
                let opened = Client::open_with(self.address, HOST, Arc::clone(&self.tls), Protocol::H1).await;
                opened.map_err(|error| format!("connect: {}", chain(&*error)))?
            }
        };
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let reply = client.post(&self.path, &headers, body.to_owned()).await;
        let reply = reply.map_err(|error| chain(&*error))?;
        if !client.is_closed() {
            idle.lock().unwrap().push(client);
        }
        Ok(reply)
    }
}

fn message(id: &str) -> String {
    let text = "the quick brown fox jumps over the lazy dog. ".repeat(8);
    serde_json::json!({
        "type": "message", "id": id, "timestamp": "2026-01-01T00:00:00Z", "channelId": "test",
        "serviceUrl": "https://smba.example/teams/", "deliveryMode": "expectReplies",
        "from": { "id": "29:user", "name": "A user" }, "recipient": { "id": "28:bot", "name": "A bot" },
        "conversation": { "id": "a:1" }, "locale": "en-GB", "text": text,
    })
    .to_string()
}

/// Why a message was delivered more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The gateway sent it elsewhere when the region that had it hung, or died with it.
    Replayed,
    /// The first delivery failed, so the channel's resend was delivered.
    FailedFirst,
    /// A resend was delivered, and the channel had left before it could see why: the first delivery failed after that, or it
    /// is what must never be. The access log tells.
    Unseen,
}

/// The messages against the deliveries.
#[derive(Debug, Default)]
pub struct Account {
    pub messages: usize,
    /// Messages without a 2xx, and what became of their sends.
    pub unanswered: Vec<(String, Vec<String>)>,
    /// Answered, but no bot has it.
    pub undelivered: Vec<String>,
    /// Messages by how often they were sent.
    pub sends: BTreeMap<u32, usize>,
    /// Messages by how their last resend was answered.
    pub resends: BTreeMap<String, usize>,
    /// Deliveries by region.
    pub regions: BTreeMap<String, usize>,
    /// Messages by how often they were delivered, and why more than once.
    pub deliveries: BTreeMap<(usize, Option<Why>), usize>,
    pub troubles: BTreeMap<String, usize>,
    pub slowest: Duration,
}

impl Account {
    /// Draws it up; `received` is what each region says that it received, by id.
    pub fn new(messages: &Messages, received: &[(String, HashMap<String, usize>)]) -> Self {
        let mut account = Self { messages: messages.len(), ..Self::default() };
        for (region, counts) in received {
            let own = counts.iter().filter(|(id, _)| messages.contains_key(*id)).map(|(_, count)| count).sum();
            account.regions.insert(region.clone(), own);
        }
        for (id, seen) in messages {
            let times: usize = received.iter().filter_map(|(_, counts)| counts.get(id)).sum();
            let why = (times > 1).then(|| why(seen));
            *account.deliveries.entry((times, why)).or_default() += 1;
            *account.sends.entry(seen.sends).or_default() += 1;
            if seen.sends > 1 && seen.status.is_some() {
                let how = if seen.resend.is_empty() { "delivered" } else { &seen.resend };
                *account.resends.entry(how.to_owned()).or_default() += 1;
            }
            for trouble in &seen.troubles {
                *account.troubles.entry(trouble.clone()).or_default() += 1;
            }
            if seen.status.is_none() {
                account.unanswered.push((id.clone(), seen.troubles.clone()));
            } else if times == 0 {
                account.undelivered.push(id.clone());
            }
            account.slowest = account.slowest.max(seen.took);
        }
        account
    }

    /// Messages that were delivered more than once for this reason.
    pub fn twice(&self, why: Why) -> usize {
        self.deliveries.iter().filter(|((_, because), _)| *because == Some(why)).map(|(_, count)| count).sum()
    }

    /// Asserts what botgate promises: each answered, each delivered, and no resend delivered whose first delivery did not
    /// fail. `access_log` is the gateway's, and of this load alone.
    pub fn assert_kept(&self, access_log: &Path) {
        assert!(self.unanswered.is_empty() && self.undelivered.is_empty(), "{self}\n{:?}", self.unanswered);
        let failed = failures(access_log);
        let told: usize = self.troubles.iter().filter(|(text, _)| text.starts_with("status 5")).map(|(_, n)| n).sum();
        let unseen = failed.saturating_sub(told);
        assert!(
            self.twice(Why::Unseen) <= unseen,
            "{failed} deliveries failed, the channel was told of {told}\n{self}"
        );
    }
}

/// Requests that ended with a 5xx, by the access log.
fn failures(access_log: &Path) -> usize {
    let text = std::fs::read_to_string(access_log).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter(|line| line["status"].as_u64() >= Some(500)).count()
}

fn why(seen: &Seen) -> Why {
    let failed = seen.troubles.iter().any(|trouble| trouble != "no answer in time");
    match (seen.sends > 1 && seen.resend.is_empty(), failed) {
        // Sent once, or the resend was answered from the first: it was the gateway that delivered it again.
        (false, _) => Why::Replayed,
        (true, true) => Why::FailedFirst,
        (true, false) => Why::Unseen,
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} messages, {} unanswered, {} undelivered",
            self.messages,
            self.unanswered.len(),
            self.undelivered.len()
        )?;
        writeln!(f, "slowest {:?}, sends {:?}, resends {:?}", self.slowest, self.sends, self.resends)?;
        writeln!(f, "received by region {:?}, troubles {:?}", self.regions, self.troubles)?;
        writeln!(f, "delivered  messages  why")?;
        for ((times, why), messages) in &self.deliveries {
            let why = match why {
                None => "",
                Some(Why::Replayed) => "the region that had it hung or died, and another got it",
                Some(Why::FailedFirst) => "its first delivery failed, and the channel's resend was delivered",
                Some(Why::Unseen) => {
                    "the channel had left before its first delivery failed, and its resend was delivered"
                }
            };
            writeln!(f, "{times:>9}  {messages:>8}  {why}")?;
        }
        Ok(())
    }
}
