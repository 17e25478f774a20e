//! Who is at the other end of a connection.

use std::net::SocketAddr;
use std::time::Duration;

/// The client side of one connection, the same for all of its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client's address: the PROXY protocol's where the connection brought one, else the socket's.
    pub peer: SocketAddr,
    /// The address that it connected to: the PROXY protocol's where the connection brought one, else the socket's.
    pub local: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The host name of its TLS handshake (SNI, RFC 6066, section 3), lower case.
    pub server_name: Option<Box<str>>,
    /// Whether `peer` lies in the listener's trusted networks: its `Forwarded` headers are believed.
    pub trusted: bool,
    /// Which listener, in order of the config.
    pub listener: usize,
    /// Deadline between two parts of a request body.
    pub body_timeout: Duration,
}
