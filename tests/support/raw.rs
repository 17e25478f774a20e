//! Bytes as they are: requests that no HTTP library would send.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::tls;
use super::site::{HOST, Site};

/// A connection whose bytes the test writes itself.
pub struct Raw<S> {
    pub io: S,
}

/// What came back until the peer closed, or the wait was over.
#[derive(Debug)]
pub struct Heard {
    pub text: String,
    /// Whether the peer closed the connection.
    pub closed: bool,
}

impl Raw<tokio_rustls::client::TlsStream<TcpStream>> {
    /// Over TLS, HTTP/1.1 agreed.
    pub async fn tls(address: SocketAddr, site: &Site) -> Self {
        Self { io: tls(address, HOST, site.authority.client(&[b"http/1.1"])).await.unwrap() }
    }
}

impl Raw<TcpStream> {
    /// Over plain TCP.
    pub async fn tcp(address: SocketAddr) -> Self {
        Self { io: TcpStream::connect(address).await.unwrap() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Writes bytes; a peer that closed already is no error here.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.io.write_all(bytes.as_ref()).await.is_ok() && self.io.flush().await.is_ok()
    }

    /// Reads until the peer closes, or for `patience`.
    pub async fn hear(&mut self, patience: Duration) -> Heard {
        self.hear_until(patience, |_| false).await
    }

    /// Reads until the text satisfies `enough`, the peer closes, or for `patience`.
    pub async fn hear_until(&mut self, patience: Duration, enough: impl Fn(&str) -> bool) -> Heard {
        let mut bytes = Vec::new();
        let deadline = tokio::time::Instant::now() + patience;
        let closed = loop {
            if enough(&String::from_utf8_lossy(&bytes)) {
                break false;
            }
            let mut part = [0; 16 * 1024];
            match tokio::time::timeout_at(deadline, self.io.read(&mut part)).await {
                Ok(Ok(0) | Err(_)) => break true,
                Ok(Ok(n)) => bytes.extend_from_slice(&part[..n]),
                Err(_) => break false,
            }
        };
        Heard { text: String::from_utf8_lossy(&bytes).into_owned(), closed }
    }

    /// Writes one request and reads one answer, up to the close or a second.
    pub async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Heard {
        self.write(bytes).await;
        self.hear(Duration::from_secs(1)).await
    }
}

impl Heard {
    /// The status of the first response; 0 when there is none.
    pub fn status(&self) -> u16 {
        self.text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    /// How many final responses came.
    pub fn responses(&self) -> usize {
        self.text.matches("HTTP/1.1 ").count() - self.text.matches("HTTP/1.1 1").count()
    }
}
