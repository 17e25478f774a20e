//! Those who do not behave: garbage, halves, dawdling, floods. Each kind comes from an address of its own, so that what the
//! gateway does about one address does not touch another's guests.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::client::full;
use crate::support::site::HOST;
use crate::support::{Client, Gateway, Protocol, Site};

/// What a pest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Bytes that are no TLS.
    Noise,
    /// Bytes that are no HTTP, within TLS.
    NoiseInside,
    /// A request that breaks a rule.
    BadRequest,
    /// A request that ends in the middle, with a reset.
    HalfRequest,
    /// A request whose answer nobody waits for.
    Leaver,
    /// A head, a few bytes a second.
    SlowHead,
    /// A body, a few bytes a second.
    SlowBody,
    /// An answer that is not read.
    SlowReader,
    /// A burst of connections that say nothing.
    ConnectionFlood,
    /// A burst of HTTP/2 requests that are reset at once (CVE-2023-44487).
    RapidReset,
}

/// How many do each at a time, and the longest pause between two tries of one.
const SWARM: [(Kind, usize, u64); 10] = [
    (Kind::Noise, 2, 400),
    (Kind::NoiseInside, 2, 400),
    (Kind::BadRequest, 2, 200),
    (Kind::HalfRequest, 2, 200),
    (Kind::Leaver, 2, 200),
    (Kind::SlowHead, 30, 1000),
    (Kind::SlowBody, 30, 1000),
    (Kind::SlowReader, 10, 1000),
    (Kind::ConnectionFlood, 1, 4000),
    (Kind::RapidReset, 1, 4000),
];

/// Requests that break a rule.
const BAD: [&str; 8] = [
    "GET / HTTP/1.1\r\n\r\n",
    "POST /api/messages HTTP/1.1\r\nHost: bot.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "POST /api/messages HTTP/1.1\r\nHost: bot.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /api/messages HTTP/1.1\r\nHost: bot.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "GET /api/messages HTTP/1.1\r\nHost: bot.test\r\nBad Name: x\r\n\r\n",
    "GET /../api HTTP/1.1\r\nHost: bot.test\r\n\r\n",
    "POST /api/messages HTTP/1.1\r\nHost: bot.test\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nnotjs",
    "CONNECT bot.test:443 HTTP/1.1\r\nHost: bot.test\r\n\r\n",
];

/// The longest that a pest holds on to one connection.
const STUBBORN: Duration = Duration::from_secs(30);

/// All pests.
pub struct Pests {
    nest: Arc<Nest>,
    tasks: JoinSet<()>,
}

struct Nest {
    address: SocketAddr,
    h1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
    done: Mutex<BTreeMap<Kind, usize>>,
}

/// How often each kind was at it.
#[derive(Default)]
pub struct Pestered(BTreeMap<Kind, usize>);

impl Pests {
    /// Sets them free.
    pub fn release(site: &Site, gateway: &Gateway, seed: u64) -> Self {
        let nest = Arc::new(Nest {
            address: gateway.address(),
            h1: site.authority.client(&[b"http/1.1"]),
            h2: site.authority.client(&[b"h2"]),
            done: Mutex::default(),
        });
        let (mut rng, mut tasks) = (Rng::with_seed(seed), JoinSet::new());
        for (kind, many, pause) in SWARM {
            for _ in 0..many {
                let (nest, mut rng) = (nest.clone(), Rng::with_seed(rng.u64(..)));
                tasks.spawn(async move {
                    loop {
                        tokio::time::sleep(Duration::from_millis(rng.u64(..pause))).await;
                        // What becomes of it is its own affair.
                        let _ = tokio::time::timeout(STUBBORN, nest.pester(kind, &mut rng)).await;
                        *nest.done.lock().unwrap().entry(kind).or_default() += 1;
                    }
                });
            }
        }
        Self { nest, tasks }
    }

    /// Ends them, wherever they are, and adds what they did.
    pub async fn leave(mut self, pestered: &mut Pestered) {
        self.tasks.shutdown().await;
        for (kind, times) in &*self.nest.done.lock().unwrap() {
            *pestered.0.entry(*kind).or_default() += times;
        }
    }
}

fn noise(rng: &mut Rng) -> Vec<u8> {
    (0..rng.usize(1..4096)).map(|_| rng.u8(..)).collect()
}

/// A message whose answer is as long as itself.
fn message(rng: &mut Rng, length: usize) -> String {
    let text: String = (0..length).map(|_| rng.alphanumeric()).collect();
    json!({
        "type": "message", "id": format!("p{:016x}", rng.u64(..)), "channelId": "test", "deliveryMode": "expectReplies",
        "conversation": { "id": "pest" }, "text": text,
    })
    .to_string()
}

fn head(length: usize) -> String {
    format!(
        "POST /api/messages HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// A few bytes now and then, until the peer has had enough.
async fn dawdle(io: &mut TlsStream<TcpStream>, bytes: &[u8]) -> std::io::Result<()> {
    let mut answer = [0; 512];
    for part in bytes.chunks(3) {
        io.write_all(part).await?;
        io.flush().await?;
        let heard = tokio::time::timeout(Duration::from_millis(700), io.read(&mut answer)).await;
        if matches!(heard, Ok(Ok(0) | Err(_))) {
            return Ok(());
        }
    }
    Ok(())
}

impl Nest {
    /// A connection from the kind's own address.
    async fn dial(&self, kind: Kind) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if kind == Kind::SlowReader {
            socket.set_recv_buffer_size(4096)?;
        }
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, 10 + kind as u8), 0)))?;
        socket.connect(self.address).await
    }

    async fn tls(&self, kind: Kind, config: &Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(HOST).map_err(std::io::Error::other)?;
        TlsConnector::from(config.clone()).connect(name, self.dial(kind).await?).await
    }

    async fn pester(&self, kind: Kind, rng: &mut Rng) -> std::io::Result<()> {
        let mut answer = vec![0; 4096];
        match kind {
            Kind::Noise => {
                let mut io = self.dial(kind).await?;
                io.write_all(&noise(rng)).await?;
                while io.read(&mut answer).await? > 0 {}
            }
            Kind::NoiseInside => {
                let mut io = self.tls(kind, if rng.bool() { &self.h1 } else { &self.h2 }).await?;
                io.write_all(&noise(rng)).await?;
                while io.read(&mut answer).await? > 0 {}
            }
            Kind::BadRequest => {
                let mut io = self.tls(kind, &self.h1).await?;
                io.write_all(BAD[rng.usize(..BAD.len())].as_bytes()).await?;
                let _ = io.read(&mut answer).await?;
            }
            Kind::HalfRequest => {
                let body = message(rng, 2000);
                let whole = head(body.len()) + &body;
                let mut io = self.tls(kind, &self.h1).await?;
                io.write_all(&whole.as_bytes()[..rng.usize(1..whole.len())]).await?;
                io.flush().await?;
                io.get_ref().0.set_zero_linger()?;
            }
            Kind::Leaver => {
                let body = message(rng, 2000);
                let mut io = self.tls(kind, &self.h1).await?;
                io.write_all((head(body.len()) + &body).as_bytes()).await?;
                io.flush().await?;
            }
            Kind::SlowHead => dawdle(&mut self.tls(kind, &self.h1).await?, head(10).as_bytes()).await?,
            Kind::SlowBody => {
                let body = message(rng, 2000);
                let mut io = self.tls(kind, &self.h1).await?;
                io.write_all(head(body.len()).as_bytes()).await?;
                dawdle(&mut io, body.as_bytes()).await?;
            }
            Kind::SlowReader => {
                let body = message(rng, 150_000);
                let mut io = self.tls(kind, &self.h1).await?;
                for _ in 0..4 {
                    io.write_all((head(body.len()) + &body).as_bytes()).await?;
                }
                io.flush().await?;
                // The gateway ends it, or STUBBORN does.
                io.get_ref().0.writable().await?;
                tokio::time::sleep(STUBBORN).await;
            }
            Kind::ConnectionFlood => {
                let mut all = Vec::new();
                for _ in 0..150 {
                    all.push(self.dial(kind).await?);
                }
            }
            Kind::RapidReset => self.rapid_reset(rng).await?,
        }
        Ok(())
    }

    /// Dropping what waits for an answer is how a client resets its stream.
    async fn rapid_reset(&self, rng: &mut Rng) -> std::io::Result<()> {
        let stream = self.tls(Kind::RapidReset, &self.h2).await?;
        let client = Client::over(stream, HOST, Protocol::H2).await.map_err(std::io::Error::other)?;
        let Some(sender) = client.another() else { return Ok(()) };
        for _ in 0..300 {
            let request = client.request("POST", "/api/messages").header("content-type", "application/json");
            let Ok(request) = request.body(full(Bytes::from(message(rng, 100)))) else { return Ok(()) };
            let mut sender = sender.clone();
            if sender.ready().await.is_err() {
                return Ok(());
            }
            let answer = tokio::spawn(sender.send_request(request));
            tokio::task::yield_now().await;
            answer.abort();
        }
        Ok(())
    }
}

impl Pestered {
    /// Asserts that each kind was at it.
    pub fn assert_made(&self) {
        for (kind, ..) in SWARM {
            assert!(self.0.contains_key(&kind), "there was no {kind:?}\n{self}");
        }
    }
}

impl fmt::Display for Pestered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pests: {:?}", self.0)
    }
}
