//! HTTP/2 frame by frame: what no library would send, from a client or a backend.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::Outcome;
use super::site::{HOST, Site};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
/// A head that is all there is.
pub const WHOLE: u8 = END_STREAM | END_HEADERS;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields as HPACK literals without indexing and without Huffman coding (RFC 7541, section 6.2.2): byte for byte.
pub fn hpack(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An integer of a 7-bit prefix whose first bit is 0 (RFC 7541, section 5.1).
fn integer(block: &mut Vec<u8>, value: usize) {
    if value < 127 {
        return block.push(value as u8);
    }
    block.push(127);
    let mut left = value - 127;
    while left >= 128 {
        block.push((left % 128 + 128) as u8);
        left /= 128;
    }
    block.push(left as u8);
}

/// A HEADERS frame.
pub fn headers(flags: u8, stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags, stream, &hpack(fields))
}

/// The pseudo-header fields of a usual request, with `more` after them.
pub fn request<'a>(method: &'a str, path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [(":method", method), (":scheme", "https"), (":authority", HOST), (":path", path)];
    [&usual[..], more].concat()
}

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Got {
    /// The error code of RST_STREAM or GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// `:status` of a response's HEADERS; 0 for trailers. The peer was told to keep no table: all is said in full.
    pub fn status(&self) -> u16 {
        let block = &self.payload[self.payload.iter().take_while(|octet| (0x20..0x40).contains(*octet)).count()..];
        match block {
            [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
            [0x08 | 0x18 | 0x48, length, rest @ ..] if length & 0x80 == 0 => {
                std::str::from_utf8(&rest[..usize::from(*length)]).unwrap().parse().unwrap()
            }
            [0x08 | 0x18 | 0x48, length, rest @ ..] => huffman_digits(&rest[..usize::from(length & 0x7f)]),
            _ => 0,
        }
    }
}

/// Three digits in the Huffman code of RFC 7541, appendix B: 0 to 2 have five bits, the others six.
fn huffman_digits(octets: &[u8]) -> u16 {
    let mut bits = octets.iter().flat_map(|octet| (0..8).rev().map(move |at| octet >> at & 1));
    let mut number = 0;
    for _ in 0..3 {
        let five = (0..5).fold(0_u8, |code, _| code << 1 | bits.next().unwrap());
        let digit = if five <= 2 { five } else { (five << 1 | bits.next().unwrap()) - 0b1_0110 };
        number = number * 10 + u16::from(digit);
    }
    number
}

/// One end of a connection whose frames the test writes itself.
pub struct H2Raw<S> {
    pub io: S,
    held: Vec<u8>,
}

/// A client.
pub type H2Client = H2Raw<tokio_rustls::client::TlsStream<TcpStream>>;
/// A connection of a backend.
pub type H2Served = H2Raw<tokio_rustls::server::TlsStream<TcpStream>>;

/// What became of a stream or a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A response with this status.
    Status(u16),
    /// The stream was reset with this code.
    Reset(u32),
    /// The connection was said to end, with this code and these words.
    Goaway(u32, String),
    /// The connection was closed without a word.
    Closed,
    /// Nothing, for as long as was waited.
    Nothing,
}

impl H2Client {
    /// A client of the gateway that has sent its preface, and settings by which the gateway keeps no HPACK table.
    pub async fn open(address: SocketAddr, site: &Site) -> Self {
        Self::open_with(address, site, &[0, 1, 0, 0, 0, 0]).await
    }

    /// The same with settings of one's own.
    pub async fn open_with(address: SocketAddr, site: &Site, settings: &[u8]) -> Self {
        // Each from an address of its own: one that floods is not let in again for a while.
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let from = Ipv4Addr::from(0x7f01_0000 + NEXT.fetch_add(1, Relaxed));
        Self::open_from(from, address, site, settings).await.unwrap()
    }

    /// The same from this loopback address; fails where that is not let in.
    pub async fn open_from(from: Ipv4Addr, address: SocketAddr, site: &Site, settings: &[u8]) -> Outcome<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let connector = TlsConnector::from(site.authority.client(&[b"h2"]));
        let io = connector.connect(ServerName::try_from(HOST)?, socket.connect(address).await?).await?;
        let mut client = Self { io, held: Vec::new() };
        client.write([PREFACE, &frame(SETTINGS, 0, 0, settings), &frame(SETTINGS, ACK, 0, &[])].concat()).await;
        Ok(client)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> H2Raw<S> {
    /// Writes bytes; false when the peer has closed.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.io.write_all(bytes.as_ref()).await.is_ok() && self.io.flush().await.is_ok()
    }

    /// The next frame; none when the peer has closed. An error when none came until `deadline`.
    async fn frame_by(&mut self, deadline: Instant) -> Result<Option<Got>, tokio::time::error::Elapsed> {
        loop {
            if let [a, b, c, kind, flags, s, t, u, v, rest @ ..] = &self.held[..] {
                let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                if rest.len() >= length {
                    let stream = u32::from_be_bytes([*s, *t, *u, *v]);
                    let got = Got { kind: *kind, flags: *flags, stream, payload: rest[..length].to_vec() };
                    self.held.drain(..9 + length);
                    return Ok(Some(got));
                }
            }
            let mut part = [0; 16 * 1024];
            match timeout_at(deadline, self.io.read(&mut part)).await? {
                Ok(0) | Err(_) => return Ok(None),
                Ok(n) => self.held.extend_from_slice(&part[..n]),
            }
        }
    }

    /// Reads frames until one satisfies `wanted`; none when the peer closed or nothing came within `patience`.
    pub async fn until(&mut self, patience: Duration, wanted: impl Fn(&Got) -> bool) -> Option<Got> {
        let deadline = Instant::now() + patience;
        while let Ok(Some(got)) = self.frame_by(deadline).await {
            if wanted(&got) {
                return Some(got);
            }
        }
        None
    }

    /// What becomes of a stream within `patience`: the first of a final response's status, its reset, the connection's end.
    pub async fn fate(&mut self, stream: u32, patience: Duration) -> Fate {
        let deadline = Instant::now() + patience;
        loop {
            match self.frame_by(deadline).await {
                Err(_) => return Fate::Nothing,
                Ok(None) => return Fate::Closed,
                Ok(Some(got)) if got.kind == GOAWAY => {
                    let words = String::from_utf8_lossy(&got.payload[8..]).into_owned();
                    return Fate::Goaway(got.code(), words);
                }
                Ok(Some(got)) if got.stream == stream && got.kind == RST_STREAM => return Fate::Reset(got.code()),
                Ok(Some(got)) if got.stream == stream && got.kind == HEADERS && got.status() >= 200 => {
                    return Fate::Status(got.status());
                }
                Ok(Some(_)) => {}
            }
        }
    }

    /// Whether the peer closes within `patience`, whatever it says before.
    pub async fn closes(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            match self.frame_by(deadline).await {
                Err(_) => return false,
                Ok(None) => return true,
                Ok(Some(_)) => {}
            }
        }
    }

    /// Sends a request's head and waits for what becomes of it.
    pub async fn ask(&mut self, stream: u32, fields: &[(&str, &str)]) -> Fate {
        self.write(headers(WHOLE, stream, fields)).await;
        self.fate(stream, Duration::from_secs(5)).await
    }
}

/// A backend that speaks HTTP/2 over TLS and answers each request with the bytes of a script.
pub struct H2Backend {
    pub address: SocketAddr,
    /// Requests that were seen, over all connections.
    pub requests: Arc<AtomicUsize>,
    /// Connections that were accepted and spoke HTTP/2.
    pub connections: Arc<AtomicUsize>,
    script: Arc<Mutex<Script>>,
    task: tokio::task::JoinHandle<()>,
}

/// What is written once a request has come to its end, given its stream; and how often.
#[derive(Clone)]
pub struct Script {
    pub answer: fn(u32) -> Vec<u8>,
    /// Again and again until the peer closes.
    pub endless: bool,
    /// The connection is closed after it.
    pub close: bool,
}

impl H2Backend {
    /// Listens with a certificate of the site.
    pub async fn start(site: &Site) -> Self {
        let acceptor: tokio_rustls::TlsAcceptor =
            site.authority.server(&["localhost", "127.0.0.1"], &[b"h2"], false).into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = |stream| headers(WHOLE, stream, &[(":status", "200")]);
        let script = Arc::new(Mutex::new(Script { answer, endless: false, close: false }));
        let (requests, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let shared = (Arc::clone(&script), Arc::clone(&requests), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, (script, requests, connections)) = (acceptor.clone(), shared.clone());
                tokio::spawn(async move {
                    let Ok(io) = acceptor.accept(tcp).await else { return };
                    serve(H2Raw { io, held: Vec::new() }, &script, &requests, &connections).await
                });
            }
        });
        Self { address, requests, connections, script, task }
    }

    /// From now on requests are met so.
    pub fn plays(&self, answer: fn(u32) -> Vec<u8>) {
        *self.script.lock().unwrap() = Script { answer, endless: false, close: false };
    }

    /// The same, again and again.
    pub fn plays_endlessly(&self, answer: fn(u32) -> Vec<u8>) {
        *self.script.lock().unwrap() = Script { answer, endless: true, close: false };
    }

    /// The same, and then the connection is closed.
    pub fn plays_and_closes(&self, answer: fn(u32) -> Vec<u8>) {
        *self.script.lock().unwrap() = Script { answer, endless: false, close: true };
    }
}

impl Drop for H2Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut peer: H2Served, script: &Mutex<Script>, requests: &AtomicUsize, connections: &AtomicUsize) {
    const LONG: Duration = Duration::from_secs(60);
    let mut preface = [0; 24];
    // A probe only connects.
    if peer.io.read_exact(&mut preface).await.is_err() {
        return;
    }
    connections.fetch_add(1, Relaxed);
    peer.write(frame(SETTINGS, 0, 0, &[])).await;
    while let Some(got) = peer.until(LONG, |got| matches!(got.kind, HEADERS | DATA | SETTINGS)).await {
        if got.kind == SETTINGS {
            if got.flags & ACK == 0 {
                peer.write(frame(SETTINGS, ACK, 0, &[])).await;
            }
            continue;
        }
        requests.fetch_add(usize::from(got.kind == HEADERS), Relaxed);
        if got.flags & END_STREAM == 0 {
            continue;
        }
        let script = script.lock().unwrap().clone();
        let mut open = peer.write((script.answer)(got.stream)).await;
        while script.endless && open {
            open = peer.write((script.answer)(got.stream)).await;
        }
        if script.close {
            let _ = peer.io.shutdown().await;
            return;
        }
    }
}
