//! An open-loop load generator: requests leave at a constant rate whatever became of the ones before, and each latency is
//! measured from the moment it was meant to leave, so that a stall shows in full (no coordinated omission).

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::client::{Client, Protocol, Reply, full, whole};
use super::site::{HOST, Site};

/// What is sent, and how often.
#[derive(Clone)]
pub struct Load {
    pub address: SocketAddr,
    pub path: String,
    /// Requests per second.
    pub rate: u32,
    /// Most keep-alive connections.
    pub connections: usize,
    /// Whether each request carries an `Idempotency-Key` of its own.
    pub keyed: bool,
    /// Whether the body must come back (the backend echoes it).
    pub echoed: bool,
    /// Whether a request that a closed keep-alive connection never took is sent again on a new one, as every client does.
    pub resend_untaken: bool,
    tls: Arc<rustls::ClientConfig>,
}

/// What became of a load.
#[derive(Debug, Default)]
pub struct Report {
    /// Responses by status.
    pub statuses: BTreeMap<u16, usize>,
    /// Failures by text: connection errors, and responses that are not the request's own.
    pub errors: BTreeMap<String, usize>,
    /// Requests sent again because the connection closed before it took them.
    pub resent: usize,
    /// Latencies in order of size.
    pub latencies: Vec<Duration>,
    /// By second: requests, failures, slowest.
    pub seconds: BTreeMap<u64, (usize, usize, Duration)>,
    /// Responses by who answered: `x-backend`, or the region that a simulated bot names in its text.
    pub backends: BTreeMap<String, usize>,
}

/// A load under way.
pub struct Running {
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    load: Load,
    idle: Mutex<Vec<Client>>,
    permits: Semaphore,
    report: Mutex<Report>,
    stop: AtomicBool,
    done: AtomicUsize,
}

impl Load {
    /// 500 requests/s of keyed POSTs to `/api/messages` over at most 64 TLS connections.
    pub fn new(site: &Site, address: SocketAddr) -> Self {
        Self {
            address,
            path: "/api/messages".to_owned(),
            rate: 500,
            connections: 64,
            keyed: true,
            echoed: true,
            resend_untaken: false,
            tls: site.authority.client(&[b"http/1.1"]),
        }
    }

    /// Starts it; it goes on until [`Running::stop`].
    pub fn start(self) -> Running {
        let shared = Arc::new(Shared {
            permits: Semaphore::new(self.connections),
            load: self,
            idle: Mutex::default(),
            report: Mutex::default(),
            stop: AtomicBool::new(false),
            done: AtomicUsize::new(0),
        });
        let task = tokio::spawn(drive(Arc::clone(&shared)));
        Running { shared, task }
    }
}

impl Running {
    /// Requests that ended so far.
    pub fn done(&self) -> usize {
        self.shared.done.load(Relaxed)
    }

    /// Waits until `more` further requests have ended.
    pub async fn passes(&self, more: usize) {
        let target = self.done() + more;
        let what = format!("{more} more requests have ended");
        super::wait::wait_within(&what, Duration::from_secs(60), || async { self.done() >= target }).await;
    }

    /// Sends no more, waits for what is under way, and says what became of it all.
    pub async fn stop(self) -> Report {
        self.shared.stop.store(true, Relaxed);
        self.task.await.unwrap();
        let mut report = std::mem::take(&mut *self.shared.report.lock().unwrap());
        report.latencies.sort_unstable();
        report
    }
}

async fn drive(shared: Arc<Shared>) {
    let start = Instant::now();
    let mut requests = tokio::task::JoinSet::new();
    let mut sent: u32 = 0;
    while !shared.stop.load(Relaxed) {
        let due = start + Duration::from_secs(1) * sent / shared.load.rate;
        tokio::time::sleep_until(due).await;
        requests.spawn(one(Arc::clone(&shared), start, due, sent));
        sent += 1;
        while requests.try_join_next().is_some() {}
    }
    while let Some(ended) = requests.join_next().await {
        ended.unwrap();
    }
}

/// An activity of about 1 KiB with a nonce.
fn activity(nonce: &str) -> String {
    let text = "the quick brown fox jumps over the lazy dog. ".repeat(16);
    serde_json::json!({
        "type": "message", "id": nonce, "timestamp": "2026-01-01T00:00:00Z", "channelId": "test",
        "serviceUrl": "https://smba.example/teams/", "deliveryMode": "expectReplies",
        "from": { "id": "29:user", "name": "A user" }, "recipient": { "id": "28:bot", "name": "A bot" },
        "conversation": { "id": format!("a:{nonce}") }, "locale": "en-GB", "text": format!("{nonce} {text}"),
    })
    .to_string()
}

async fn one(shared: Arc<Shared>, start: Instant, due: Instant, number: u32) {
    let nonce = format!("n{number}-{:016x}", fastrand::u64(..));
    let outcome = {
        let _permit = shared.permits.acquire().await.unwrap();
        exchange(&shared, &nonce).await
    };
    let took = due.elapsed();
    let mut report = shared.report.lock().unwrap();
    let ok = match outcome {
        Ok(reply) => {
            *report.statuses.entry(reply.status).or_default() += 1;
            *report.backends.entry(answered_by(&reply)).or_default() += 1;
            let own = !shared.load.echoed || reply.status != 200 || reply.text().contains(&nonce);
            if !own {
                *report.errors.entry("a response that is not the request's own".to_owned()).or_default() += 1;
            }
            own && reply.status < 400
        }
        Err(error) => {
            *report.errors.entry(error).or_default() += 1;
            false
        }
    };
    report.latencies.push(took);
    let second = report.seconds.entry((due - start).as_secs()).or_default();
    second.0 += 1;
    second.1 += usize::from(!ok);
    second.2 = second.2.max(took);
    shared.done.fetch_add(1, Relaxed);
}

/// Who answered: a scripted backend says so in a header, a simulated region in its text.
fn answered_by(reply: &Reply) -> String {
    let text = reply.text();
    let region = text.split_once(": you said").and_then(|(before, _)| before.rsplit('"').next());
    match reply.header("x-backend") {
        "" => region.unwrap_or_default().to_owned(),
        name => name.to_owned(),
    }
}

async fn exchange(shared: &Shared, nonce: &str) -> Result<Reply, String> {
    let load = &shared.load;
    let body = activity(nonce);
    let bearer = format!("Bearer {}", "x".repeat(793));
    let mut tries = 0;
    loop {
        tries += 1;
        let kept = loop {
            let next = shared.idle.lock().unwrap().pop();
            match next {
                Some(client) if client.is_closed() || !client.is_ready() => {}
                other => break other,
            }
        };
        let reused = kept.is_some();
        let mut client = match kept {
            Some(client) => client,
            None => {
                let opened = Client::open_with(load.address, HOST, Arc::clone(&load.tls), Protocol::H1).await;
                opened.map_err(|error| format!("connect: {}", chain(&*error)))?
            }
        };
        let mut request = client.request("POST", &load.path);
        request = request.header("content-type", "application/json").header("authorization", &bearer);
        if load.keyed {
            request = request.header("idempotency-key", nonce);
        }
        let request = request.body(full(body.clone())).map_err(|error| error.to_string())?;
        let sent = tokio::time::timeout(Duration::from_secs(20), client.try_send(request)).await;
        match sent.map_err(|_| "no response head within 20 s".to_owned())? {
            Ok(response) => {
                let reply = whole(response).await.map_err(|error| format!("body: {}", chain(&*error)))?;
                if !client.is_closed() {
                    shared.idle.lock().unwrap().push(client);
                }
                return Ok(reply);
            }
            // RFC 9112, section 9.3.1: a request on a connection that the server was closing may be sent again.
            Err((_, back)) if load.resend_untaken && reused && back.is_some() && tries < 4 => {
                shared.report.lock().unwrap().resent += 1;
            }
            Err((error, back)) => {
                let kind = if back.is_some() { "never written" } else { "written" };
                let connection = if reused { "kept" } else { "new" };
                return Err(format!("{kind}, on a {connection} connection: {}", chain(&error)));
            }
        }
    }
}

/// An error with its causes.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

impl Report {
    /// How many requests were sent.
    pub fn total(&self) -> usize {
        self.latencies.len()
    }

    /// How many failed: no response, another's response, or a status of 400 and above.
    pub fn failed(&self) -> usize {
        self.seconds.values().map(|second| second.1).sum()
    }

    /// The latency below which this share of requests lies.
    pub fn percentile(&self, share: f64) -> Duration {
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let index = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(index.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// The slowest.
    pub fn slowest(&self) -> Duration {
        self.latencies.last().copied().unwrap_or_default()
    }

    /// Asserts that at least so many requests were sent and none failed.
    pub fn assert_none_failed(&self, at_least: usize) {
        assert!(self.total() >= at_least, "only {} requests were sent\n{self}", self.total());
        assert_eq!(self.failed(), 0, "requests failed\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} requests, {} failed, {} resent", self.total(), self.failed(), self.resent)?;
        writeln!(f, "statuses {:?}, backends {:?}", self.statuses, self.backends)?;
        for (error, times) in &self.errors {
            writeln!(f, "{times} × {error}")?;
        }
        let [half, most, nearly] = [0.5, 0.99, 0.999].map(|share| self.percentile(share));
        writeln!(f, "p50 {half:?}  p99 {most:?}  p99.9 {nearly:?}  slowest {:?}", self.slowest())?;
        writeln!(f, "second  requests  failed  slowest")?;
        for (second, (requests, failed, slowest)) in &self.seconds {
            writeln!(f, "{second:>6}  {requests:>8}  {failed:>6}  {slowest:?}")?;
        }
        Ok(())
    }
}
