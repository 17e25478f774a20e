//! The validated config: what the rest of botgate reads. Immutable.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::parity::ParityConfig;
use crate::model::{
    AllDown, BackendName, FailbackMode, PoolKind, PoolName, Replay, WhenBothBad, WhenUnavailable, Window,
};

/// A whole config, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the journal lives.
    pub state_dir: PathBuf,
    /// How long the journal keeps what it has.
    pub journal: JournalConfig,
    /// Number of workers; none is one per core.
    pub workers: Option<usize>,
    /// How long a shutdown waits for requests under way.
    pub shutdown_grace: Duration,
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

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateConfig {
    /// The chain, leaf first.
    pub chain: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
}

/// The admin listener.
#[derive(Clone, PartialEq)]
pub struct AdminConfig {
    /// The address. Anything but loopback has a token.
    pub bind: SocketAddr,
    /// The bearer token; never printed.
    pub token: Option<String>,
}

impl std::fmt::Debug for AdminConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("AdminConfig").field("bind", &self.bind).field("token", &token).finish()
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfig {
    /// Which hosts.
    pub host: HostPattern,
    /// Path prefix, on segment borders; `/` serves every path.
    pub path: String,
    /// The pool that serves it.
    pub pool: PoolName,
    /// Most bytes of a request body.
    pub max_body: u64,
}

/// The backends that can serve a route, and the rules by which one of them is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolConfig {
    /// Unique name.
    pub name: PoolName,
    /// Which presets it was built from.
    pub kind: PoolKind,
    /// Bounds all attempts of a request, up to the response head.
    pub deadline: Duration,
    /// Bounds one attempt, from the request being written to the response head; none leaves it to `deadline`.
    pub attempt_timeout: Option<Duration>,
    /// Bounds the connection to a backend: TCP and TLS.
    pub dial_timeout: Duration,
    /// Longest pause within a response body.
    pub stream_timeout: Duration,
    /// How long an unused connection to a backend is kept.
    pub keep_alive: Duration,
    /// Which requests may be tried elsewhere once written.
    pub replay: Replay,
    /// Bodies up to this many bytes are held for a replay.
    pub replay_buffer: usize,
    /// When and how often a request is tried elsewhere.
    pub retry: RetryConfig,
    /// Active health checks; none is off.
    pub probe: Option<ProbeConfig>,
    /// What live traffic may decide.
    pub evidence: EvidenceConfig,
    /// The way back to the first priority.
    pub failback: FailbackConfig,
    /// When moving becomes flapping.
    pub flap: FlapConfig,
    /// What to do when no backend is available.
    pub all_down: AllDown,
    /// Where the pool is when the active backend and every standby are bad.
    pub when_both_bad: WhenBothBad,
    /// What is true of a pin unless the operator says otherwise.
    pub pin: PinConfig,
    /// The pool that this one moves together with.
    pub follow: Option<FollowConfig>,
    /// Open connections that each worker keeps to every standby; 0 keeps none.
    pub warm: u32,
    /// Rehearsals.
    pub drill: DrillConfig,
    /// Whether the backends are really in step.
    pub parity: Vec<ParityConfig>,
    /// In order of priority; at least one.
    pub backends: Vec<BackendConfig>,
}

/// When and how often a request is tried elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryConfig {
    /// Statuses by which a backend says that it did not serve the request.
    pub status: StatusSet,
    /// Retries are at most this share of live requests (0.2 is 20 %) …
    pub budget: f64,
    /// … plus this many per second.
    pub floor: u32,
}

/// A set of HTTP statuses, as inclusive ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusSet(pub Vec<RangeInclusive<u16>>);

impl StatusSet {
    /// Whether `status` is in the set.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

/// An active health check.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeConfig {
    /// What is asked.
    pub kind: ProbeKind,
    /// From the start of one probe to the start of the next.
    pub interval: Duration,
    /// Bounds one probe.
    pub timeout: Duration,
    /// Bad probes in a row that make a backend unhealthy; at least 1.
    pub fall: u32,
    /// Good probes in a row that make it healthy again; at least 1.
    pub rise: u32,
    /// Share of the interval by which each probe is moved at random, 0 to 1, so that probes do not beat in step.
    pub jitter: f64,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq)]
pub enum ProbeKind {
    /// A connection is enough.
    Tcp,
    /// An HTTP request to the backend, over TLS when its URL says `https`.
    Http(HttpProbe),
}

/// What an HTTP probe sends and expects.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpProbe {
    /// GET or HEAD.
    pub method: http::Method,
    /// Path and query, below the backend's base path.
    pub path: String,
    /// Sent as well as the backend's own headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Statuses that are good.
    pub status: StatusSet,
    /// What the body must hold; only with GET.
    pub body: Option<BodyCheck>,
}

/// What a probe's response body must hold. Read up to 64 KiB.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyCheck {
    /// This text, somewhere.
    Contains(String),
    /// This value at this JSON pointer (RFC 6901).
    Json {
        /// Where.
        pointer: String,
        /// What.
        equals: serde_json::Value,
    },
}

/// What live traffic may decide.
#[derive(Clone, Debug, PartialEq)]
pub struct EvidenceConfig {
    /// An attempt that waits this long for its head makes its backend a suspect, which is probed at once.
    pub suspect_after: Duration,
    /// This many failed attempts within `within` make a backend unhealthy whatever its probes say; none: never …
    pub failures: Option<u32>,
    /// The span in which failures are counted.
    pub within: Duration,
    /// … if they are at least this share (0 to 1) of its attempts in that span.
    pub share: f64,
    /// How long such a verdict stands before good probes may lift it.
    pub recover: Duration,
}

/// The way back to the first priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailbackConfig {
    /// Who decides.
    pub mode: FailbackMode,
    /// How long the first priority must stay healthy first.
    pub hold: Duration,
    /// When a pool of mode `window` may move back; at least one then.
    pub windows: Vec<Window>,
}

/// What is true of a pin unless the operator says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PinConfig {
    /// Whether a pin gives way when its backend becomes unavailable.
    pub yield_when_down: bool,
}

/// The pool that this one moves together with: its backends bear the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowConfig {
    /// That pool.
    pub pool: PoolName,
    /// What to do when the backend of the region moved to is not available here.
    pub when_unavailable: WhenUnavailable,
}

/// Rehearsals of a failover.
#[derive(Clone, Debug, PartialEq)]
pub struct DrillConfig {
    /// Begins by itself in these windows, once in each; empty: only by hand.
    pub windows: Vec<Window>,
    /// How long one lasts.
    pub lasts: Duration,
    /// Given up when more than this share (0 to 1) of its requests fail …
    pub max_error_rate: f64,
    /// … or when its p99 is more than this many times that of the hour before.
    pub max_slowdown: f64,
}

impl Default for DrillConfig {
    fn default() -> Self {
        Self { windows: Vec::new(), lasts: Duration::from_secs(600), max_error_rate: 0.01, max_slowdown: 3.0 }
    }
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

/// When moving becomes flapping: more than `failovers` within `within` latches the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlapConfig {
    /// The budget.
    pub failovers: u32,
    /// Its span.
    pub within: Duration,
}

/// One regional deployment.
#[derive(Clone, PartialEq)]
pub struct BackendConfig {
    /// Unique in its pool.
    pub name: BackendName,
    /// Where it is.
    pub url: BackendUrl,
    /// 1 is first; equal priorities stand in order of writing.
    pub priority: u32,
    /// The `Host` it is sent; none takes the URL's.
    pub host: Option<HeaderValue>,
    /// The TLS server name; none takes the URL's host.
    pub server_name: Option<String>,
    /// Headers set on every request to it: its credentials. Values are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Path prefixes that are replaced, the first that fits.
    pub rewrite: Vec<RewriteConfig>,
    /// CA certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client certificate to show.
    pub client_certificate: Option<CertificateConfig>,
    /// Whether HTTP/2 is offered by ALPN. Only with https.
    pub http2: bool,
}

impl std::fmt::Debug for BackendConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let headers: Vec<&HeaderName> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("BackendConfig")
            .field("name", &self.name)
            .field("url", &self.url.to_string())
            .field("priority", &self.priority)
            .field("headers", &headers)
            .finish_non_exhaustive()
    }
}

/// The URL of a backend. Without credentials, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackendUrl {
    /// Whether the scheme is `https`.
    pub tls: bool,
    /// Host name (lower case) or address, without brackets.
    pub host: String,
    /// Port; 443 or 80 when the URL has none.
    pub port: u16,
    /// What the path begins with: empty, or `/x` without a slash at its end.
    pub base_path: String,
}

impl BackendUrl {
    /// `host` or `host:port`, as in a `Host` header: the port only when it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl std::fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.base_path)
    }
}

/// A path prefix that is replaced on the way to a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewriteConfig {
    /// The prefix, on segment borders.
    pub prefix: String,
    /// What takes its place.
    pub to: String,
}
