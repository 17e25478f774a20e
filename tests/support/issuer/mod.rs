//! A local issuer of tokens: OpenID metadata and keys over loopback, and every token that anybody could mint.
//!
//! `Signers` has the keys, `cases` the matrix, `export` writes it as JSON for others than the gateway, `claims` and
//! `entra_claims` are what a good token says.

mod cases;
mod mint;
mod scene;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub use cases::cases;
pub use mint::*;
pub use scene::*;

/// The time it is, in seconds since 1970, as tokens want it.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// The server of both issuers.
pub struct Issuer {
    pub signers: Signers,
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    address: SocketAddr,
    /// What `/channel/keys` and `/entra/keys` say.
    keys: Mutex<[String; 2]>,
    /// Whether connections are closed unheard.
    away: AtomicBool,
    /// How often the connector's keys were given out.
    given: AtomicUsize,
}

impl Issuer {
    /// Publishes the keys of new signers.
    pub async fn start() -> Self {
        let signers = Signers::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            address,
            keys: Mutex::new([signers.channel_jwks().to_string(), signers.entra_jwks().to_string()]),
            away: AtomicBool::new(false),
            given: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Self { signers, address, shared, task }
    }

    /// Where the metadata of the channel connector is.
    pub fn metadata(&self) -> String {
        format!("http://{}/channel/metadata", self.address)
    }

    /// Where the metadata of Entra is.
    pub fn entra_metadata(&self) -> String {
        format!("http://{}/entra/metadata", self.address)
    }

    /// Keys of `[route.guard]` for tokens of channels.
    pub fn channels_only(&self) -> String {
        format!("app_ids = [\"{APP}\", \"{SECOND_APP}\"]\nmetadata = \"{}\"\n", self.metadata())
    }

    /// The same, with emulators and one skill.
    pub fn open(&self) -> String {
        let entra =
            format!("entra_metadata = \"{}\"\nemulator = true\nskills = [\"{SKILL}\"]\n", self.entra_metadata());
        self.channels_only() + &entra
    }

    /// From now on the connector publishes these keys.
    pub fn publish(&self, jwks: &Value) {
        self.shared.keys.lock().unwrap()[0] = jwks.to_string();
    }

    /// Closes every connection unheard, or answers again.
    pub fn away(&self, away: bool) {
        self.shared.away.store(away, SeqCst);
    }

    /// How often the connector's keys were given out.
    pub fn given(&self) -> usize {
        self.shared.given.load(SeqCst)
    }

    /// A good token of the connector, from now on.
    pub fn token(&self) -> String {
        self.signers.endorsed.token(&claims(now()))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        if !shared.away.load(SeqCst) {
            let shared = shared.clone();
            tokio::spawn(async move { answer(stream, &shared).await });
        }
    }
}

/// Answers one request, and closes. A connection that breaks off is the gateway's affair.
async fn answer(mut stream: TcpStream, shared: &Shared) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) if head.len() < 16 * 1024 => head.push(byte),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&head);
    let path = text.split(' ').nth(1).unwrap_or_default();
    let metadata = |who: &str| {
        json!({"issuer": "https://issuer.test", "jwks_uri": format!("http://{}/{who}/keys", shared.address)})
            .to_string()
    };
    let keys = |at: usize| shared.keys.lock().unwrap()[at].clone();
    let body = match path {
        "/channel/metadata" => metadata("channel"),
        "/entra/metadata" => metadata("entra"),
        "/channel/keys" => {
            shared.given.fetch_add(1, SeqCst);
            keys(0)
        }
        "/entra/keys" => keys(1),
        _ => String::new(),
    };
    let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let _ = stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}
