//! Those who behave: clients over HTTP/1.1 and HTTP/2, on kept and on new connections, each of which knows what it must get.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use fastrand::Rng;
use rustls::ClientConfig;
use serde_json::json;
use tokio::task::JoinSet;

use crate::messages::reply;
use crate::support::client::{full, whole};
use crate::support::load::chain;
use crate::support::site::HOST;
use crate::support::{Client, Gateway, Protocol, Reply, Site};

/// How a guest comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Manner {
    /// HTTP/1.1, one connection for all.
    Kept,
    /// HTTP/1.1, a connection for each request.
    New,
    /// HTTP/2, one connection for all.
    Http2,
}

/// How many there are of each, and the pause between two requests of one.
const PARTY: [(Manner, usize, u64); 3] = [(Manner::Kept, 12, 80), (Manner::Http2, 6, 80), (Manner::New, 2, 250)];

/// How many there are: at any moment each has at most one connection, and one request.
pub fn many() -> usize {
    PARTY.iter().map(|(_, guests, _)| guests).sum()
}

/// An answer that comes later is none: the channel gives up at 15 s.
const PATIENCE: Duration = Duration::from_secs(15);

/// All guests.
pub struct Guests {
    host: Arc<Host>,
    tasks: JoinSet<()>,
}

struct Host {
    address: std::net::SocketAddr,
    h1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
    leave: AtomicBool,
    served: AtomicUsize,
    failed: AtomicUsize,
    report: Mutex<Report>,
}

/// What became of their requests.
#[derive(Debug, Default)]
pub struct Report {
    served: BTreeMap<Manner, usize>,
    failures: BTreeMap<String, usize>,
    latencies: Vec<Duration>,
    bytes: usize,
}

impl Guests {
    /// Lets them all come.
    pub fn invite(site: &Site, gateway: &Gateway, seed: u64) -> Self {
        let host = Arc::new(Host {
            address: gateway.address(),
            h1: site.authority.client(&[b"http/1.1"]),
            h2: site.authority.client(&[b"h2"]),
            leave: AtomicBool::new(false),
            served: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            report: Mutex::default(),
        });
        let (mut rng, mut tasks) = (Rng::with_seed(seed), JoinSet::new());
        for (manner, guests, pause) in PARTY {
            for number in 0..guests {
                let name = format!("{manner:?}{number}-{:08x}", rng.u32(..));
                tasks.spawn(stay(
                    host.clone(),
                    manner,
                    name,
                    Duration::from_millis(pause),
                    Rng::with_seed(rng.u64(..)),
                ));
            }
        }
        Self { host, tasks }
    }

    /// In a few words.
    pub fn so_far(&self) -> String {
        format!("{} served, {} failed", self.host.served.load(Relaxed), self.host.failed.load(Relaxed))
    }

    /// Lets them finish what they are at.
    pub async fn leave(self) -> Report {
        self.host.leave.store(true, Relaxed);
        self.tasks.join_all().await;
        let mut report = std::mem::take(&mut *self.host.report.lock().unwrap());
        report.latencies.sort_unstable();
        report
    }
}

async fn stay(host: Arc<Host>, manner: Manner, name: String, pause: Duration, mut rng: Rng) {
    let (mut kept, mut number) = (None, 0);
    while !host.leave.load(Relaxed) {
        number += 1;
        let message = Message::new(&format!("{name}-{number}"), &mut rng);
        if manner == Manner::New {
            kept = None;
        }
        let asked = Instant::now();
        let outcome = match tokio::time::timeout(PATIENCE, ask(&host, manner, &mut kept, &message)).await {
            Ok(Ok(reply)) => message.is_answered_by(&reply),
            Ok(Err(error)) => Err(error),
            Err(_) => Err("no answer in time".to_owned()),
        };
        let took = asked.elapsed();
        match outcome {
            Ok(()) => {
                host.served.fetch_add(1, Relaxed);
                let mut report = host.report.lock().unwrap();
                *report.served.entry(manner).or_default() += 1;
                report.bytes += message.body.len();
                report.latencies.push(took);
            }
            Err(error) => {
                kept = None;
                host.failed.fetch_add(1, Relaxed);
                println!("{manner:?} failed after {took:?}: {error}");
                *host.report.lock().unwrap().failures.entry(format!("{manner:?}: {error}")).or_default() += 1;
            }
        }
        tokio::time::sleep(pause.mul_f64(0.5 + rng.f64())).await;
    }
}

/// Sends a message, on the kept connection where it still stands. What a connection that was closing never took is sent again
/// on a new one, as every client does (RFC 9112, section 9.3.1; RFC 9113, section 6.8).
async fn ask(host: &Host, manner: Manner, kept: &mut Option<Client>, message: &Message) -> Result<Reply, String> {
    for _ in 0..4 {
        let mut client = match kept.take().filter(|client| !client.is_closed() && client.is_ready()) {
            Some(client) => client,
            None => {
                let (protocol, tls) = match manner {
                    Manner::Http2 => (Protocol::H2, &host.h2),
                    Manner::Kept | Manner::New => (Protocol::H1, &host.h1),
                };
                let opened = Client::open_with(host.address, HOST, tls.clone(), protocol).await;
                opened.map_err(|error| format!("connect: {}", chain(&*error)))?
            }
        };
        let request = client.request("POST", "/api/messages").header("content-type", "application/json");
        let request = request.body(full(message.body.clone())).map_err(|error| error.to_string())?;
        match client.try_send(request).await {
            Ok(response) => {
                let reply = whole(response).await.map_err(|error| format!("body: {}", chain(&*error)))?;
                *kept = Some(client);
                return Ok(reply);
            }
            Err((_, Some(_))) => {}
            Err((error, None)) => return Err(chain(&error)),
        }
    }
    Err("four connections closed before they took the request".to_owned())
}

/// A message, and what its answer must be.
struct Message {
    text: String,
    body: String,
    digest: String,
}

impl Message {
    /// Most are a line, some a page, a few a book: all within what is held for a replay.
    fn new(id: &str, rng: &mut Rng) -> Self {
        let length = match rng.u32(..100) {
            0..80 => rng.usize(..1024),
            80..97 => rng.usize(1024..20 * 1024),
            _ => rng.usize(64 * 1024..200 * 1024),
        };
        let mut text = format!("{id} ");
        text.extend((0..length).map(|_| rng.alphanumeric()));
        let body = json!({
            "type": "message", "id": id, "channelId": "test", "serviceUrl": "https://channel.invalid/",
            "deliveryMode": "expectReplies", "from": { "id": "user" }, "recipient": { "id": "bot" },
            "conversation": { "id": format!("c-{id}") }, "text": text,
        })
        .to_string();
        let digest = digest(&SHA256, body.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { text, body, digest }
    }

    fn is_answered_by(&self, answer: &Reply) -> Result<(), String> {
        if answer.status != 200 {
            return Err(format!("status {}: {}", answer.status, answer.text().chars().take(200).collect::<String>()));
        }
        if answer.header("x-sim-body-sha256") != self.digest {
            return Err("WRONG BODY: the answer is to another request, or to a part of this one".to_owned());
        }
        let text = reply(&answer.text()).ok_or("WRONG BODY: the answer is no reply")?;
        let own = text.split_once(": you said '").is_some_and(|(_, said)| said.strip_suffix('\'') == Some(&self.text));
        if own { Ok(()) } else { Err("WRONG BODY: the reply says something else".to_owned()) }
    }
}

impl Report {
    /// Asserts that there were many, and that not one failed.
    pub fn assert_well(&self, length: Duration) {
        let served: usize = self.served.values().sum();
        let least = usize::try_from(length.as_secs()).unwrap() * 60;
        assert!(self.failures.is_empty(), "guests noticed\n{self}");
        assert!(served >= least, "only {served} requests in {length:?}\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |share: f64| self.latencies.get((self.latencies.len() as f64 * share) as usize).copied();
        let failed: usize = self.failures.values().sum();
        writeln!(f, "guests: {:?} served, {failed} failed, {} MiB sent", self.served, self.bytes >> 20)?;
        write!(f, "p50 {:?}  p99 {:?}  p99.9 {:?}  slowest {:?}", at(0.5), at(0.99), at(0.999), self.latencies.last())?;
        for (failure, times) in &self.failures {
            write!(f, "\n{times} × {failure}")?;
        }
        Ok(())
    }
}
