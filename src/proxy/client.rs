//! Who is at the other end of a connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use super::forwarding::Told;
use crate::config::{MinRate, Network};
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
    /// The DNS names of the certificate that was shown to it, lower case; `*.` begins a wildcard.
    pub certificate_names: Arc<[String]>,
    /// Whether `peer` lies in the listener's trusted networks: its `Forwarded` headers are believed, and it may ask for any host.
    pub trusted: bool,
    /// These networks, for a peer that lies in one.
    pub networks: Vec<Network>,
    /// Which listener, in order of the config.
    pub listener: usize,
    /// Deadline between two parts of a request body.
    pub body_timeout: Duration,
    /// The certificate that it has shown, if its listener asks for one: verified.
    pub certificate: Option<Box<ClientCertificate>>,
    /// Pace at which a request body must come.
    pub body_rate: MinRate,
    /// What was told of it last; nothing at first.
    pub told: Told,
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

impl Client {
    /// Whether this address, told by a trusted proxy, is another trusted proxy's.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

impl Client {
    /// Whether its connection may carry a request for this host (canonical): the one of its handshake, or another that the
    /// same certificate bears.
    ///
    /// Clients of HTTP/2 use a connection for all hosts that its certificate names (RFC 9113, section 9.1.1); any other host
    /// is misdirected (RFC 9110, section 7.4): whoever looked at the name of the handshake only, a firewall say, was told
    /// something else. A client that named no host in its handshake has said nothing that could differ, and a trusted proxy
    /// names this gateway in its handshake and its own client's host in the request.
    pub(super) fn may_ask_for(&self, host: &str) -> bool {
        let Some(name) = self.server_name.as_deref().filter(|_| !self.trusted) else { return true };
        let name = name.strip_suffix('.').unwrap_or(name);
        // A wildcard is one label (RFC 6125, section 6.4.3).
        let parent = host.split_once('.').map(|(_, parent)| parent);
        let bears = |borne: &String| match borne.strip_prefix("*.") {
            Some(below) => parent == Some(below),
            None => borne == host,
        };
        name == host || self.certificate_names.iter().any(bears)
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl Client {
    /// One over TLS, that is not believed: what tests and benchmarks begin from.
    pub fn stranger() -> Self {
        Self {
            peer: SocketAddr::from(([192, 0, 2, 7], 1234)),
            local: SocketAddr::from(([198, 51, 100, 1], 8443)),
            tls: true,
            server_name: None,
            certificate_names: Arc::default(),
            trusted: false,
            networks: Vec::new(),
            listener: 0,
            body_timeout: Duration::from_secs(1),
            certificate: None,
            body_rate: MinRate::NONE,
            told: Told::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_for_the_hosts_that_its_certificate_bears() {
        let client = |server_name: Option<&str>, trusted: bool| Client {
            server_name: server_name.map(Into::into),
            certificate_names: ["bot.contoso.com".to_owned(), "*.bot.contoso.com".to_owned()].into(),
            trusted,
            ..Client::stranger()
        };
        for (host, may) in [
            ("bot.contoso.com", true),
            ("a.bot.contoso.com", true),
            ("a.b.bot.contoso.com", false),
            ("contoso.com", false),
            ("qna.contoso.com", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(client(Some("bot.contoso.com"), false).may_ask_for(host), may, "{host}");
            assert!(client(None, false).may_ask_for(host));
            assert!(client(Some("bot.contoso.com"), true).may_ask_for(host));
        }
        assert!(
            client(Some("hosts-file.local"), false).may_ask_for("hosts-file.local"),
            "what it asked for, it may have"
        );
    }
}
