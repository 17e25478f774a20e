//! One connection to a backend: TCP by happy eyeballs, then TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::ProtocolVersion;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::TlsClient;
use super::socket::Socket;
use crate::model::{AttemptPhase, is_own_want};

/// Pause before the next address is tried beside the ones under way (RFC 8305, section 5, "Connection Attempt Delay").
const STAGGER: Duration = Duration::from_millis(250);

/// Which protocols to offer by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// What the backend's config allows.
    Any,
    /// Only HTTP/1.1: for upgrades and probes.
    Http1,
}

/// A connection, ready to carry requests.
#[derive(Debug)]
pub struct Dialed {
    /// The bytes.
    pub stream: Stream,
    /// The address that answered.
    pub peer: SocketAddr,
    /// How far away it is: a round trip, and what its side of the TLS handshake took it; zero where there was none.
    pub round_trip: Duration,
    /// Whether HTTP/2 was negotiated.
    pub http2: bool,
}

/// Why there is no connection. Nothing of a request was sent.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name of the backend was never resolved.
    #[error("its name has no address")]
    NoAddress,
    /// No address accepted the connection.
    #[error("cannot connect to {peer}: {error}")]
    Connect {
        /// The address tried last.
        peer: SocketAddr,
        /// What it said.
        error: io::Error,
    },
    /// The TLS handshake failed.
    #[error("TLS handshake with {peer} failed: {error}")]
    Tls {
        /// The address.
        peer: SocketAddr,
        /// What was wrong.
        error: io::Error,
    },
    /// HTTP/2 could not begin.
    #[error("HTTP/2 with {peer} cannot begin: {error}")]
    Preface {
        /// The address.
        peer: SocketAddr,
        /// What was wrong.
        error: hyper::Error,
    },
    /// Out of time.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
}

impl DialError {
    /// Whether this machine could not make the connection, for want of descriptors or memory.
    pub fn is_own_want(&self) -> bool {
        matches!(self, Self::Connect { error, .. } if is_own_want(error))
    }

    /// How far it got.
    pub fn phase(&self) -> AttemptPhase {
        match self {
            Self::Tls { .. } => AttemptPhase::Tls,
            Self::NoAddress | Self::Connect { .. } | Self::Preface { .. } | Self::TimedOut(_) => AttemptPhase::Dial,
        }
    }
}

/// Connects to one of `addresses` (in order of preference), with TLS where `tls` is given, within `timeout`.
///
/// # Errors
/// [`DialError`]: when no address could be connected to, or the handshake failed, or time ran out.
pub async fn dial(
    addresses: &[SocketAddr],
    tls: Option<&TlsClient>,
    alpn: Alpn,
    timeout: Duration,
) -> Result<Dialed, DialError> {
    let dialed = async {
        let (tcp, peer) = connect(addresses).await?;
        // Small writes are whole messages here; waiting to join them only adds latency. Failing to set it harms nobody.
        let _ = tcp.set_nodelay(true);
        let Some(tls) = tls else {
            return Ok(Dialed { stream: Stream::Plain(tcp), peer, round_trip: Duration::ZERO, http2: false });
        };
        let config = match alpn {
            Alpn::Any => &tls.config,
            Alpn::Http1 => &tls.config_http1,
        };
        let began = Instant::now();
        let handshake = TlsConnector::from(config.clone()).connect(tls.server_name.clone(), Socket::Here(tcp));
        let stream = handshake.await.map_err(|error| DialError::Tls { peer, error })?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        // TLS 1.2 takes two.
        let trips = if stream.get_ref().1.protocol_version() == Some(ProtocolVersion::TLSv1_2) { 2 } else { 1 };
        let round_trip = began.elapsed() / trips;
        Ok(Dialed { stream: Stream::Tls(Box::new(stream)), peer, round_trip, http2 })
    };
    tokio::time::timeout(timeout, dialed).await.unwrap_or(Err(DialError::TimedOut(timeout)))
}

async fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), DialError> {
    let mut rest = addresses.iter().copied();
    let mut racing = FuturesUnordered::new();
    racing.push(connect_one(rest.next().ok_or(DialError::NoAddress)?));
    loop {
        let more = rest.len() > 0;
        tokio::select! {
            Some(outcome) = racing.next() => match outcome {
                Ok(connected) => return Ok(connected),
                Err(error) => match rest.next() {
                    Some(address) => racing.push(connect_one(address)),
                    None if racing.is_empty() => return Err(error),
                    None => {}
                },
            },
            () = tokio::time::sleep(STAGGER), if more => racing.extend(rest.next().map(connect_one)),
        }
    }
}

async fn connect_one(peer: SocketAddr) -> Result<(TcpStream, SocketAddr), DialError> {
    let connected = TcpStream::connect(peer).await;
    connected.map(|stream| (stream, peer)).map_err(|error| DialError::Connect { peer, error })
}

/// The bytes of a connection to a backend.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<Socket>>),
}

macro_rules! each {
    ($self:ident, $io:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Plain(stream) => {
                let $io = Pin::new(stream);
                $call
            }
            Stream::Tls(stream) => {
                let $io = Pin::new(stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, io => io.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, io => io.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, io => io.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => io.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_dead_address_does_not_keep_the_next_from_being_tried() {
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [dead.local_addr().unwrap(), alive.local_addr().unwrap()];
        drop(dead);
        let dialed = dial(&addresses, None, Alpn::Any, Duration::from_secs(5)).await.unwrap();
        assert_eq!(dialed.peer, addresses[1]);
    }

    #[tokio::test]
    async fn a_refused_dial_names_the_address() {
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = dead.local_addr().unwrap();
        drop(dead);
        let error = dial(&[address], None, Alpn::Any, Duration::from_secs(5)).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert_eq!(error.phase(), AttemptPhase::Dial);
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_said_so() {
        let error = dial(&[], None, Alpn::Any, Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(error, DialError::NoAddress));
    }
}
