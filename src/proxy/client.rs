//! Who is at the other end of a connection.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::config::{MinRate, Network};

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
    /// These networks, for a peer that lies in one.
    pub networks: Vec<Network>,
    /// Which listener, in order of the config.
    pub listener: usize,
    /// Deadline between two parts of a request body.
    pub body_timeout: Duration,
    /// Pace at which a request body must come.
    pub body_rate: MinRate,
}

impl Client {
    /// Whether this address, told by a trusted proxy, is another trusted proxy's.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}
