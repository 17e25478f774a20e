//! A backend that grants every upgrade and hands the socket to the test: what then passes is the test's business.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::wait::SOON;

/// A backend of tunnels.
pub struct Listening {
    name: String,
    address: SocketAddr,
    healthy: Arc<AtomicBool>,
    upgraded: mpsc::UnboundedReceiver<TcpStream>,
    task: tokio::task::JoinHandle<()>,
}

impl Listening {
    pub async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, upgraded) = mpsc::unbounded_channel();
        let healthy = Arc::new(AtomicBool::new(true));
        let shared = healthy.clone();
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let _ = tcp.set_nodelay(true);
                tokio::spawn(serve(tcp, shared.clone(), tell.clone()));
            }
        });
        Self { name: name.to_owned(), address, healthy, upgraded, task }
    }

    /// Name, URL and no further keys, as a pool wants them.
    pub fn entry(&self) -> (&str, String, String) {
        (&self.name, format!("http://{}", self.address), String::new())
    }

    /// How it answers probes.
    pub fn healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Relaxed);
    }

    /// The next socket that was upgraded.
    pub async fn next(&mut self) -> TcpStream {
        tokio::time::timeout(SOON, self.upgraded.recv()).await.expect("an upgrade in time").expect("it listens")
    }

    /// The same, as the server's side of a WebSocket.
    pub async fn websocket(&mut self) -> WebSocketStream<TcpStream> {
        WebSocketStream::from_raw_socket(self.next().await, Role::Server, None).await
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut tcp: TcpStream, healthy: Arc<AtomicBool>, tell: mpsc::UnboundedSender<TcpStream>) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match tcp.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let field = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(": "));
            fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let Some(protocol) = field("upgrade") else {
            let status = if healthy.load(Relaxed) { "200 OK" } else { "500 Internal Server Error" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            if tcp.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            continue;
        };
        let accept = field("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes())).unwrap_or_default();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {protocol}\r\nsec-websocket-accept: {accept}\r\n\r\n"
        );
        if tcp.write_all(answer.as_bytes()).await.is_ok() {
            let _ = tell.send(tcp);
        }
        return;
    }
}
