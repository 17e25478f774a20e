//! A backend that writes down every byte that reaches it and reads it as strictly as can be.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::strict::{Message, Side, read};

/// What a connection of the backend saw during a case.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Whole requests in order, those of probes and of the next clients left out.
    pub requests: Vec<Message>,
    /// When each of them was whole, among those of all connections.
    pub order: Vec<usize>,
    /// Every byte of them.
    pub bytes: Vec<u8>,
    /// The begin of one that is not whole, and its bytes.
    pub pending: (Message, Vec<u8>),
    /// What the strictest reading says against the bytes.
    pub malformed: Option<String>,
}

/// How requests are answered, but for probes and the next clients.
#[derive(Clone, Default)]
pub struct Script {
    /// None: an echo of the method and the target.
    pub answer: Option<Vec<u8>>,
    pub early: bool,
    pub closes: bool,
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    /// Which case it is, and what was seen since it began, by connection.
    seen: Mutex<(u64, Vec<Seen>)>,
    /// Whole requests so far.
    count: std::sync::atomic::AtomicUsize,
}

/// A listening recorder.
pub struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// Whether a request line belongs to no case.
fn is_aside(line: &str) -> bool {
    line.contains(" /healthz ") || line.contains(" /after/")
}

impl Recorder {
    /// Listens on this address.
    pub async fn start(bind: &str) -> Self {
        let listener = TcpListener::bind(bind).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, task }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forgets what was seen, and answers by this script from now on.
    pub fn begin(&self, script: Script) {
        *self.shared.script.lock().unwrap() = script;
        let mut seen = self.shared.seen.lock().unwrap();
        seen.0 += 1;
        seen.1.fill(Seen::default());
    }

    /// What was seen since, by connections that saw anything, once nothing more comes.
    pub async fn seen(&self) -> Vec<Seen> {
        let size = |seen: &Seen| seen.bytes.len() + seen.pending.1.len();
        let bytes = || self.shared.seen.lock().unwrap().1.iter().map(size).sum::<usize>();
        let mut before = bytes();
        loop {
            tokio::time::sleep(Duration::from_millis(15)).await;
            if bytes() == before {
                break;
            }
            before = bytes();
        }
        let seen = self.shared.seen.lock().unwrap();
        seen.1.iter().filter(|seen| size(seen) > 0).cloned().collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let _ = tcp.set_nodelay(true);
        let place = {
            let seen = &mut shared.seen.lock().unwrap().1;
            seen.push(Seen::default());
            seen.len() - 1
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move { serve(tcp, &shared, place).await });
    }
}

async fn serve(mut tcp: TcpStream, shared: &Shared, place: usize) -> Option<()> {
    let mut bytes = Vec::new();
    let mut answered = false;
    let mut case = 0;
    loop {
        let (message, taken) = match read(&bytes, Side::Request) {
            Ok(found) => found,
            Err(why) => {
                note(shared, place, case, |seen| {
                    seen.malformed = Some(why);
                    seen.bytes.extend_from_slice(&bytes);
                });
                let _ =
                    tcp.write_all(b"HTTP/1.1 400 Malformed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
                // What else comes is part of the finding.
                let mut rest = [0; 4096];
                while let Ok(n @ 1..) = tcp.read(&mut rest).await {
                    note(shared, place, case, |seen| seen.bytes.extend_from_slice(&rest[..n]));
                }
                return None;
            }
        };
        let aside = is_aside(&message.start);
        if !aside {
            note(shared, place, case, |seen| seen.pending = (message.clone(), bytes.clone()));
        }
        if message.complete && !aside {
            note(shared, place, case, |seen| {
                seen.bytes.extend_from_slice(&bytes[..taken]);
                seen.requests.push(message.clone());
                seen.order.push(shared.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
                seen.pending = Default::default();
            });
        }
        let script = if aside { Script::default() } else { shared.script.lock().unwrap().clone() };
        if message.head && !answered && (message.complete || script.early) {
            answered = true;
            tcp.write_all(&script.answer.unwrap_or_else(|| echo(&message))).await.ok()?;
            if script.closes {
                tcp.shutdown().await.ok()?;
                // Closing with bytes unread would reset what was sent.
                while let Ok(1..) = tcp.read(&mut [0; 4096]).await {}
                return None;
            }
        }
        if message.complete {
            bytes.drain(..taken);
            answered = false;
            if !bytes.is_empty() {
                continue;
            }
        }
        let mut part = [0; 16 * 1024];
        let n = tcp.read(&mut part).await.ok().filter(|n| *n > 0)?;
        if bytes.is_empty() {
            case = shared.seen.lock().unwrap().0;
        }
        bytes.extend_from_slice(&part[..n]);
    }
}

/// Notes what a case did, unless another has begun since.
fn note(shared: &Shared, place: usize, case: u64, what: impl FnOnce(&mut Seen)) {
    let mut seen = shared.seen.lock().unwrap();
    if seen.0 == case {
        what(&mut seen.1[place]);
    }
}

fn echo(message: &Message) -> Vec<u8> {
    let target = message.target();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", target.len());
    let body = if message.start.starts_with("HEAD ") { "" } else { target.as_str() };
    format!("{head}{body}").into_bytes()
}
