//! The admin listener, validated.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::certificate::CertificateConfig;
use crate::config::types_tls::ClientAuthConfig;
use crate::config::types_tokens::KeySourceConfig;
use crate::model::Role;

/// The admin listener.
#[derive(Clone, PartialEq)]
pub struct AdminConfig {
    /// The address. Anything but loopback has some way to prove who asks.
    pub bind: SocketAddr,
    /// The bearer token without a name: an operator's; never printed.
    pub token: Option<String>,
    /// The bearer tokens with names. No two of all tokens are the same.
    pub tokens: Vec<AdminToken>,
    /// TLS; none is plain HTTP.
    pub tls: Option<AdminTls>,
    /// Whether plain HTTP beyond loopback was asked for.
    pub plain: bool,
    /// The issuer whose tokens are taken; none takes no one's.
    pub oidc: Option<OidcConfig>,
    /// The names that this listener is asked by, lower case; empty: as the kind of caller wants it.
    pub hosts: Vec<String>,
    /// Whether who watches activities sees what was said in them.
    pub activity_text: bool,
}

/// A bearer token with a name.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken {
    /// Letters, digits and `.`, `-`, `_`, `@`.
    pub name: String,
    /// What it is good for.
    pub role: Role,
    /// The token; never printed.
    pub token: String,
}

/// TLS of the admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminTls {
    /// At least one, picked by SNI; the first is shown to callers that name none.
    pub certificates: Vec<CertificateConfig>,
    /// Whose certificates are believed; none asks for no certificate.
    pub client_auth: Option<ClientAuthConfig>,
    /// The callers that are known by their certificate, in order of writing: the first that fits counts.
    pub clients: Vec<AdminClient>,
}

/// A caller that is known by its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminClient {
    /// What its certificate says.
    pub name: ClientName,
    /// What it may do.
    pub role: Role,
}

/// What a certificate says of whom it belongs to (RFC 5280, sections 4.1.2.6 and 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientName {
    /// The common name of the subject.
    CommonName(String),
    /// A DNS name, lower case.
    Dns(String),
    /// A mail address.
    Email(String),
    /// A URI.
    Uri(String),
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::CommonName(name) | Self::Dns(name) | Self::Email(name) | Self::Uri(name)) = self;
        f.write_str(name)
    }
}

/// Bearer tokens of an OpenID issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct OidcConfig {
    /// What its tokens name as `iss`, exactly.
    pub issuer: String,
    /// What they must name as `aud`.
    pub audience: String,
    /// Where its keys are.
    pub keys: KeySourceConfig,
    /// Which role each value of the roles claim has. At least one.
    pub roles: Vec<(String, Role)>,
    /// The claim that holds roles.
    pub roles_claim: String,
    /// The claim that callers are named by.
    pub actor_claim: String,
    /// How far the clocks of issuer and gateway may be apart.
    pub skew: Duration,
}

impl AdminConfig {
    /// A listener that anybody who reaches it may command: for loopback.
    pub fn open(bind: SocketAddr) -> Self {
        Self {
            bind,
            token: None,
            tokens: Vec::new(),
            tls: None,
            plain: false,
            oidc: None,
            hosts: Vec::new(),
            activity_text: false,
        }
    }

    /// Whether there is any way to prove who asks. Without one, anybody who reaches the listener may command.
    pub fn wants_proof(&self) -> bool {
        let clients = self.tls.as_ref().is_some_and(|tls| !tls.clients.is_empty());
        self.token.is_some() || !self.tokens.is_empty() || self.oidc.is_some() || clients
    }
}

impl fmt::Debug for AdminConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminConfig")
            .field("bind", &self.bind)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("tokens", &self.tokens)
            .field("tls", &self.tls)
            .field("oidc", &self.oidc)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminToken").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}
