//! Who is at the other end of a connection.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::pki::Identity;

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
    /// The certificate that it has shown, if its listener asks for one: verified.
    pub certificate: Option<Box<ClientCertificate>>,
}

/// The verified certificate of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Who it says that the client is.
    pub identity: Identity,
    /// What backends are told by `Client-Cert`; none: nothing.
    pub header: Option<HeaderValue>,
}

impl ClientCertificate {
    /// Of this leaf (DER); `told` is whether backends are told.
    pub fn new(identity: Identity, leaf: &[u8], told: bool) -> Self {
        // A byte sequence (RFC 9440, section 2.1; RFC 8941, section 3.3.5): base64 is header text.
        let header = told.then(|| HeaderValue::try_from(format!(":{}:", STANDARD.encode(leaf))).ok()).flatten();
        Self { identity, header }
    }
}
