//! The validated config: what the rest of botgate reads. Immutable. Its pools are in `types_pool`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::admin::AdminConfig;
use super::certificate::CertificateConfig;
use super::types_guard::GuardConfig;
use super::types_limits::ListenerLimits;
use super::types_pool::PoolConfig;
use super::types_tls::{CipherOrder, ClientAuthConfig, HstsConfig};
use crate::model::PoolName;

/// A whole config, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the journal lives.
    pub state_dir: PathBuf,
    /// How long the journal keeps what it has.
    pub journal: JournalConfig,
    /// Number of workers; none is one per core.
    pub workers: Option<usize>,
    /// Who the process goes on as once its ports are bound; none: who starts it.
    pub account: Option<AccountConfig>,
    /// How long a shutdown waits for requests under way.
    pub shutdown_grace: Duration,
    /// Most bytes of requests, and of answers on their way into a ledger, that are held in memory at once.
    pub held_bodies: u64,
    /// Where clients connect. At least one.
    pub listeners: Vec<ListenerConfig>,
    /// The admin listener.
    pub admin: AdminConfig,
    /// The access log; none is off.
    pub access_log: Option<AccessLogConfig>,
    /// Name resolution of backends.
    pub dns: DnsConfig,
    /// Host and path to pool, in order of writing.
    pub routes: Vec<RouteConfig>,
    /// The pools, in order of writing.
    pub pools: Vec<PoolConfig>,
}

/// A user of the machine, by names or numbers that the machine is asked for at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountConfig {
    /// The user.
    pub user: String,
    /// The group; none: the user's own.
    pub group: Option<String>,
}

/// How long the journal keeps what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// Entries older than this are dropped, but for the last ones of each pool.
    pub max_age: Duration,
    /// Past this many bytes the oldest entries are dropped.
    pub max_size: u64,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(400 * 24 * 3600), max_size: 256 << 20 }
    }
}

/// A bound address.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenerConfig {
    /// The address; port 0 lets the system pick one.
    pub bind: SocketAddr,
    /// Certificates, or none for plain HTTP (`tls = false`).
    pub certificates: Option<Vec<CertificateConfig>>,
    /// Whether each connection begins with a PROXY protocol header (v1 or v2).
    pub proxy_protocol: bool,
    /// Networks whose `X-Forwarded-*` and `Forwarded` headers are kept and extended.
    pub trusted: Vec<Network>,
    /// Most connections at once, over all workers.
    pub max_connections: usize,
    /// Deadline of the PROXY header and the TLS handshake together.
    pub handshake_timeout: Duration,
    /// Deadline of a request head.
    pub header_timeout: Duration,
    /// Deadline between two parts of a request body.
    pub body_timeout: Duration,
    /// Deadline between two requests on a connection.
    pub idle_timeout: Duration,
    /// Most bytes of a request head.
    pub max_header_size: usize,
    /// Whose client certificates are accepted; none: clients are asked for none.
    pub client_auth: Option<ClientAuthConfig>,
    /// Whether backends are told the client's certificate (`Client-Cert`, RFC 9440).
    pub client_header: bool,
    /// In which order suites are taken, of those that a client offers.
    pub cipher_order: CipherOrder,
    /// Whether OCSP responses are fetched for its certificates.
    pub ocsp_fetch: bool,
    /// `Strict-Transport-Security` on every response.
    pub hsts: Option<HstsConfig>,
    /// What its clients may take.
    pub limits: ListenerLimits,
}

/// A network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The network address.
    pub address: std::net::IpAddr,
    /// The number of leading bits that count.
    pub prefix: u8,
}

impl Network {
    /// Whether `address` lies in this network. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        use std::net::IpAddr::{V4, V6};
        match (self.address, address.to_canonical()) {
            (V4(network), V4(address)) => {
                let shift = 32 - u32::from(self.prefix.min(32));
                let high = |a: std::net::Ipv4Addr| u32::from(a).checked_shr(shift).unwrap_or(0);
                high(network) == high(address)
            }
            (V6(network), V6(address)) => {
                let shift = 128 - u32::from(self.prefix.min(128));
                let high = |a: std::net::Ipv6Addr| u128::from(a).checked_shr(shift).unwrap_or(0);
                high(network) == high(address)
            }
            _ => false,
        }
    }
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogConfig {
    /// JSON lines on standard output.
    Stdout,
    /// JSON lines appended to a file.
    File(PathBuf),
}

/// Name resolution of backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsConfig {
    /// Name servers; empty takes the system's.
    pub servers: Vec<SocketAddr>,
    /// Answers are asked again no sooner than this.
    pub min_ttl: Duration,
    /// Answers are asked again no later than this.
    pub max_ttl: Duration,
    /// Deadline of one look-up.
    pub timeout: Duration,
}

/// Which hosts a route serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Any host.
    Any,
    /// This one: lower case, no port, no trailing dot.
    Exact(String),
    /// Any host below this one (`*.contoso.com` is held as `contoso.com`).
    Below(String),
}

/// Host and path prefix to pool.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteConfig {
    /// Which hosts.
    pub host: HostPattern,
    /// Path prefix, on segment borders; `/` serves every path.
    pub path: String,
    /// The pool that serves it.
    pub pool: PoolName,
    /// Most bytes of a request body.
    pub max_body: u64,
    /// What a request must be before a backend sees it; none lets everything through.
    pub guard: Option<GuardConfig>,
}
