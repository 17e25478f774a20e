//! A config as it is written: every key optional, every value unparsed. `botgate schema` is made of these types, and
//! the shape of a file is checked against that schema, so a key is described here and nowhere else.

use schemars::JsonSchema;
use serde::Deserialize;

use super::admin::RawAdmin;
use super::raw_guard::RawGuard;
use super::raw_pool::RawPool;
use super::raw_tls::{RawCipherOrder, RawClientAuth, RawHsts, RawOcsp};
use super::raw_values::{RawCertificate, RawDuration, RawSize};

/// The configuration of botgate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Config")]
pub(super) struct RawConfig {
    /// Directory of the journal, relative to this file. Default "state".
    pub(super) state_dir: Option<String>,
    /// How long the journal keeps what it has.
    pub(super) journal: Option<RawJournal>,
    /// Number of workers. Default: one per core.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) workers: Option<u64>,
    /// Who the process goes on as once its ports are bound, when root starts it: a name or a number. Default: who starts it.
    pub(super) user: Option<String>,
    /// The group of that user. Default: the user's own.
    pub(super) group: Option<String>,
    /// How long a shutdown waits for requests under way. Default "30s".
    pub(super) shutdown_grace: Option<RawDuration>,
    /// Most bytes of requests that are held in memory, over all workers: bodies that a guard reads or that a replay may need,
    /// and answers on their way into a ledger. Default "256MiB".
    pub(super) held_bodies: Option<RawSize>,
    /// Where clients connect. At least one.
    #[schemars(required, length(min = 1))]
    pub(super) listener: Option<Vec<RawListener>>,
    /// The admin API and /metrics.
    pub(super) admin: Option<RawAdmin>,
    /// The access log. Left out: off.
    pub(super) access_log: Option<RawAccessLog>,
    /// Name resolution of backends.
    pub(super) dns: Option<RawDns>,
    /// Host and path to pool. At least one.
    #[schemars(required, length(min = 1))]
    pub(super) route: Option<Vec<RawRoute>>,
    /// The backends that can serve a route. At least one.
    #[schemars(required, length(min = 1))]
    pub(super) pool: Option<Vec<RawPool>>,
}

/// How long the journal keeps what it has.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Journal")]
pub(super) struct RawJournal {
    /// Entries older than this are dropped, but for the last ones of each pool. At least "1h". Default "400d".
    pub(super) max_age: Option<RawDuration>,
    /// Past this size the oldest entries are dropped. At least "1MiB". Default "256MiB".
    pub(super) max_size: Option<RawSize>,
}

/// A bound address.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Listener")]
pub(super) struct RawListener {
    /// Address and port: "0.0.0.0:443", "[::]:443". Port 0 lets the system pick one.
    #[schemars(required)]
    pub(super) bind: Option<String>,
    /// Whether TLS is terminated here. Default true.
    pub(super) tls: Option<bool>,
    /// Certificates, picked by SNI; the first is shown to clients that name none. Reloaded when the files change.
    pub(super) certificates: Option<Vec<RawCertificate>>,
    /// Whether each connection begins with a PROXY protocol header (v1 or v2). Default false.
    pub(super) proxy_protocol: Option<bool>,
    /// Networks (CIDR) of proxies: their X-Forwarded-* and Forwarded headers are believed, and they may ask for a host that
    /// is not on the certificate of their connection. Default: none.
    pub(super) trusted: Option<Vec<String>>,
    /// Most connections at once, over all workers. Default 10000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(super) max_connections: Option<u64>,
    /// Deadline of the PROXY header and the TLS handshake together. Default "10s".
    pub(super) handshake_timeout: Option<RawDuration>,
    /// Deadline of a request head. Default "10s".
    pub(super) header_timeout: Option<RawDuration>,
    /// Longest pause between two parts of a request body. Default "30s".
    pub(super) body_timeout: Option<RawDuration>,
    /// How long a connection may be idle between two requests. Default "75s".
    pub(super) idle_timeout: Option<RawDuration>,
    /// Most bytes of a request head. Default "32KiB".
    pub(super) max_header_size: Option<RawSize>,
    /// CA certificates (PEM) that clients' certificates must lead to: clients are asked for one. Default: they are not.
    pub(super) client_ca: Option<String>,
    /// Certificate revocation lists (PEM) for these, one of each CA that issues below `client_ca`. Out of date: nobody gets in.
    pub(super) client_crl: Option<Vec<String>>,
    /// "require" (default with `client_ca`): no connection without a good certificate. "request": only a bad one is refused.
    pub(super) client_auth: Option<RawClientAuth>,
    /// Whether backends are told the client's certificate by the header Client-Cert (RFC 9440). Default false.
    pub(super) client_header: Option<bool>,
    /// "fast" (default): AES-128 before AES-256. "strong": keys of 256 bits first. Both put ChaCha20 first for who puts it
    /// first. "client": the client's order.
    pub(super) cipher_order: Option<RawCipherOrder>,
    /// "fetch": OCSP responses are fetched in the background and stapled. Default "off".
    pub(super) ocsp: Option<RawOcsp>,
    /// Strict-Transport-Security on every response: "365d", or { max_age, subdomains, preload }. Default: none.
    pub(super) hsts: Option<RawHsts>,
    /// Most connections at once from one IPv4 address or IPv6 /64 that is not trusted; 0 is no cap of its own. Default:
    /// half of max_connections, and 1000 at least.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub(super) max_connections_per_address: Option<u64>,
    /// Bytes per second at which a request body must come while it is waited for; 0 is any pace. Default "256B".
    pub(super) min_body_rate: Option<RawSize>,
    /// Bytes per second at which a client must read while more is there for it; 0 is any pace. Default "4KiB".
    pub(super) min_read_rate: Option<RawSize>,
    /// How long a client may be slower than these. Default "20s".
    pub(super) rate_grace: Option<RawDuration>,
}

/// The access log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AccessLog")]
pub(super) struct RawAccessLog {
    /// "stdout", or the path of a file, relative to this file.
    #[schemars(required)]
    pub(super) target: Option<String>,
}

/// Name resolution of backends.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Dns")]
pub(super) struct RawDns {
    /// Name servers: "10.0.0.53" or "10.0.0.53:53". Default: the system's.
    pub(super) servers: Option<Vec<String>>,
    /// Answers are asked again no sooner than this. Default "1s".
    pub(super) min_ttl: Option<RawDuration>,
    /// Answers are asked again no later than this. Default "60s".
    pub(super) max_ttl: Option<RawDuration>,
    /// Deadline of one look-up. Default "2s".
    pub(super) timeout: Option<RawDuration>,
}

/// Host and path prefix to pool.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Route")]
pub(super) struct RawRoute {
    /// "bot.contoso.com", "*.contoso.com", or left out for any host.
    pub(super) host: Option<String>,
    /// Path prefix, on segment borders. Default "/".
    pub(super) path: Option<String>,
    /// The name of the pool that serves it.
    #[schemars(required)]
    pub(super) pool: Option<String>,
    /// What a request must be before a backend sees it. Default: on when the pool's kind is "bot".
    pub(super) guard: Option<RawGuard>,
    /// Most bytes of a request body. Default "1MiB" when the pool's kind is "bot", else "10MiB".
    pub(super) max_body: Option<RawSize>,
}
