//! A channel that gives up on its messages too early, and sends the same again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use fastrand::Rng;

use super::messages::message;
use super::support::client::full;
use super::support::site::HOST;
use super::support::{Client, Outcome, Protocol, Reply, Site};

/// How long a bot thinks about such a message.
const THOUGHT: Duration = Duration::from_millis(300);

/// How often a message is sent.
const PAUSE: Duration = Duration::from_millis(100);

/// A channel at work.
pub struct Impatient {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Sent>,
}

/// What became of its messages.
#[derive(Debug, Default)]
pub struct Sent {
    /// The ids of the messages.
    pub ids: Vec<String>,
    /// How many were answered before the channel gave up.
    pub in_time: usize,
    /// Messages whose last sending was not answered with 2xx by their own reply, and what came instead.
    pub failed: Vec<String>,
}

impl Impatient {
    /// Starts it: ten messages a second, each given up after a random time in which about half of them are answered.
    pub fn start(site: &Site, address: SocketAddr, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tls = site.authority.client(&[b"http/1.1"]);
        let task = tokio::spawn(drive(address, tls, Arc::clone(&stop), Rng::with_seed(seed)));
        Self { stop, task }
    }

    /// Sends no new message, and says what became of all.
    pub async fn stop(self) -> Sent {
        self.stop.store(true, Relaxed);
        self.task.await.unwrap()
    }
}

async fn drive(address: SocketAddr, tls: Arc<rustls::ClientConfig>, stop: Arc<AtomicBool>, mut rng: Rng) -> Sent {
    let mut messages = tokio::task::JoinSet::new();
    let mut sent = Sent::default();
    let mut due = tokio::time::interval(PAUSE);
    while !stop.load(Relaxed) {
        due.tick().await;
        let id = format!("resent-{}", sent.ids.len());
        let patience = Duration::from_millis(rng.u64(20..600));
        sent.ids.push(id.clone());
        messages.spawn(one(address, Arc::clone(&tls), id, patience));
    }
    for outcome in messages.join_all().await {
        match outcome {
            Ok(in_time) => sent.in_time += usize::from(in_time),
            Err(failure) => sent.failed.push(failure),
        }
    }
    sent
}

/// One message: sent, given up after `patience`, sent again with the same body and waited for. Whether the first was answered.
async fn one(
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    id: String,
    patience: Duration,
) -> Result<bool, String> {
    let body = message(&id, &format!("wait {} for {id}", THOUGHT.as_millis()));
    let first = tokio::time::timeout(patience, post(address, Arc::clone(&tls), body.clone())).await;
    let in_time = first.is_ok();
    // A channel resends what got no 2xx; that it does so after one too, its answer lost on the way, is no other case here.
    let again = tokio::time::timeout(Duration::from_secs(20), post(address, tls, body)).await;
    let mut answers = vec![again.map_err(|_| format!("{id}: no answer within 20 s"))?];
    answers.extend(first);
    for answer in answers {
        let reply = answer.map_err(|error| format!("{id}: {error}"))?;
        if !(200..300).contains(&reply.status) || !reply.text().contains(&format!("for {id}'")) {
            return Err(format!("{id}: {} {}", reply.status, reply.text()));
        }
    }
    Ok(in_time)
}

async fn post(address: SocketAddr, tls: Arc<rustls::ClientConfig>, body: String) -> Outcome<Reply> {
    let mut client = Client::open_with(address, HOST, tls, Protocol::H1).await?;
    let request = client.request("POST", "/api/messages").header("content-type", "application/json");
    client.send(request.body(full(body))?).await
}
