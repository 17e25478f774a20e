//! A plain hyper client, over TLS or not, HTTP/1.1 or HTTP/2: no pool, no retries, nothing hidden.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Outcome;
use super::tls::Authority;

/// Any request body.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// How long one answer may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 over TLS.
    H1,
    /// HTTP/2 over TLS.
    H2,
}

/// A whole body.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

enum Sender {
    H1(hyper::client::conn::http1::SendRequest<Body>),
    H2(hyper::client::conn::http2::SendRequest<Body>),
}

/// One connection.
pub struct Client {
    sender: Sender,
    host: String,
    task: tokio::task::JoinHandle<Result<(), hyper::Error>>,
}

/// A whole response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub version: http::Version,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

/// A TLS connection to `address` under the name `host`.
pub async fn tls(
    address: SocketAddr,
    host: &str,
    config: Arc<rustls::ClientConfig>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
    TlsConnector::from(config).connect(name, tcp).await
}

impl Client {
    /// Connects over TLS and agrees on the protocol by ALPN.
    pub async fn open(address: SocketAddr, host: &str, authority: &Authority, protocol: Protocol) -> Outcome<Self> {
        let alpn: &[u8] = if protocol == Protocol::H2 { b"h2" } else { b"http/1.1" };
        Self::open_with(address, host, authority.client(&[alpn]), protocol).await
    }

    /// The same with a TLS config of one's own: it is what costs, so share it between connections.
    pub async fn open_with(
        address: SocketAddr,
        host: &str,
        config: Arc<rustls::ClientConfig>,
        protocol: Protocol,
    ) -> Outcome<Self> {
        let stream = tls(address, host, config).await?;
        let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
        if agreed != (protocol == Protocol::H2) {
            return Err(format!("asked for {protocol:?}, the server chose otherwise").into());
        }
        Self::over(stream, host, protocol).await
    }

    /// Speaks HTTP/1.1 over plain TCP.
    pub async fn open_plain(address: SocketAddr, host: &str) -> Outcome<Self> {
        Self::over(TcpStream::connect(address).await?, host, Protocol::H1).await
    }

    /// Speaks over any stream.
    pub async fn over<S>(stream: S, host: &str, protocol: Protocol) -> Outcome<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        let (sender, task) = match protocol {
            Protocol::H1 => {
                let (sender, connection) = hyper::client::conn::http1::handshake(io).await?;
                (Sender::H1(sender), tokio::spawn(connection.with_upgrades()))
            }
            Protocol::H2 => {
                let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
                // As the backends' (`backend/h2.rs`): no budget of the library's for small frames decides a test.
                builder.initial_connection_window_size(64 << 20);
                let (sender, connection) = builder.timer(TokioTimer::new()).handshake(io).await?;
                (Sender::H2(sender), tokio::spawn(connection))
            }
        };
        Ok(Self { sender, host: host.to_owned(), task })
    }

    /// A request to `path`: in origin form for HTTP/1.1, absolute for HTTP/2.
    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        match self.sender {
            Sender::H1(_) => Request::builder().method(method).uri(path).header("host", &self.host),
            Sender::H2(_) => Request::builder().method(method).uri(format!("https://{}{path}", self.host)),
        }
    }

    /// Sends a request: the response head, with the body to come.
    pub async fn begin(&mut self, request: Request<Body>) -> Outcome<Response<Incoming>> {
        let response = async {
            match &mut self.sender {
                Sender::H1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::H2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        Ok(tokio::time::timeout(PATIENCE, response).await.map_err(|_| "no response head in time")??)
    }

    /// Sends a request and reads the whole response.
    pub async fn send(&mut self, request: Request<Body>) -> Outcome<Reply> {
        whole(self.begin(request).await?).await
    }

    /// GET `path`.
    pub async fn get(&mut self, path: &str) -> Outcome<Reply> {
        let request = self.request("GET", path).body(full(""))?;
        self.send(request).await
    }

    /// POST `body` to `path` with these further headers.
    pub async fn post(&mut self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Outcome<Reply> {
        let mut request = self.request("POST", path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(full(body))?;
        self.send(request).await
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.task.is_finished()
    }

    /// A second sender of the same HTTP/2 connection.
    pub fn another(&self) -> Option<hyper::client::conn::http2::SendRequest<Body>> {
        match &self.sender {
            Sender::H1(_) => None,
            Sender::H2(sender) => Some(sender.clone()),
        }
    }

    /// HTTP/1.1: whether the next request can be sent on this connection.
    pub fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::H1(sender) => sender.is_ready(),
            Sender::H2(sender) => sender.is_ready(),
        }
    }

    /// Sends without waiting for readiness. An error that carries the request back means that none of it was written.
    pub async fn try_send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, (hyper::Error, Option<Request<Body>>)> {
        let sent = match &mut self.sender {
            Sender::H1(sender) => sender.try_send_request(request).await,
            Sender::H2(sender) => sender.try_send_request(request).await,
        };
        sent.map_err(|mut error| {
            let back = error.take_message();
            (error.into_error(), back)
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a response to its end.
pub async fn whole(response: Response<Incoming>) -> Outcome<Reply> {
    let (parts, body) = response.into_parts();
    let collected =
        tokio::time::timeout(PATIENCE, body.collect()).await.map_err(|_| "no end of the body in time")??;
    Ok(Reply {
        status: parts.status.as_u16(),
        version: parts.version,
        headers: parts.headers,
        trailers: collected.trailers().cloned(),
        body: collected.to_bytes(),
    })
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// A header as text; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Asserts a problem document (RFC 9457) with this status.
    pub fn is_problem(&self, status: StatusCode) {
        assert_eq!(self.status, status.as_u16(), "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json()["status"], status.as_u16(), "{}", self.text());
    }
}

/// A GET over plain HTTP on a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> Outcome<Reply> {
    Client::open_plain(address, &address.to_string()).await?.get(path).await
}

/// A POST of JSON over plain HTTP on a connection of its own; null sends no body.
pub async fn post_json(address: SocketAddr, path: &str, body: &serde_json::Value) -> Outcome<Reply> {
    let mut client = Client::open_plain(address, &address.to_string()).await?;
    if body.is_null() {
        return client.post(path, &[], "").await;
    }
    client.post(path, &[("content-type", "application/json")], body.to_string()).await
}
