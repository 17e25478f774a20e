//! Pools and backends as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::parity::RawParity;
use super::raw_limits::RawPoolLimits;
use super::raw_policy::{RawDrill, RawFailback, RawFlap, RawFollow, RawPin};
use super::raw_probe::RawProbe;
use super::raw_tunnel::RawTunnel;
use super::raw_unavailable::RawUnavailable;
use super::raw_values::{RawCertificate, RawDuration, RawHeaders, RawSecret, RawShare, RawSize, RawStatus};
use crate::model::{AllDown, PoolKind, Replay, Sign, WhenBothBad};

/// The backends that can serve a route, and the rules by which one of them is chosen.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Pool")]
pub(super) struct RawPool {
    /// Unique name: letters, digits, ".", "_", "-".
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// Presets for the other keys. Default "http".
    pub(super) kind: Option<PoolKind>,
    /// Bounds all attempts of a request, up to the response head. Default "30s"; bot "14s" (its channel gives up at
    /// 15 s); question-answering "10s".
    pub(super) deadline: Option<RawDuration>,
    /// Bounds one attempt, up to the response head. Default: only the deadline does; question-answering "3s".
    pub(super) attempt_timeout: Option<RawDuration>,
    /// Bounds the connection to a backend: TCP and TLS. Default "2s".
    pub(super) dial_timeout: Option<RawDuration>,
    /// Longest pause within a response body. Default "60s".
    pub(super) stream_timeout: Option<RawDuration>,
    /// How long an unused connection to a backend is kept. Default "60s".
    pub(super) keep_alive: Option<RawDuration>,
    /// Which requests may be tried at another backend once they were written to one. Default "safe"; bot "keyed";
    /// question-answering "all".
    pub(super) replay: Option<Replay>,
    /// Bodies up to this size are held for a replay. Default "256KiB".
    pub(super) replay_buffer: Option<RawSize>,
    /// What is remembered of the activities delivered, so that a channel's resend is answered and not delivered twice. Only
    /// with replay = "keyed".
    pub(super) ledger: Option<RawLedger>,
    /// When and how often a request is tried elsewhere.
    pub(super) retry: Option<RawRetry>,
    /// Active health checks; false is off. Default: GET /healthz.
    pub(super) probe: Option<RawProbe>,
    /// What live traffic may decide.
    pub(super) evidence: Option<RawEvidence>,
    /// The way back to the first priority.
    pub(super) failback: Option<RawFailback>,
    /// When moving becomes flapping.
    pub(super) flap: Option<RawFlap>,
    /// What to do when no backend is available. Default "try-all".
    pub(super) all_down: Option<AllDown>,
    /// What clients are told when no backend serves them.
    pub(super) unavailable: Option<RawUnavailable>,
    /// Where the pool is when the active backend and every standby are bad. Default "stay".
    pub(super) when_both_bad: Option<WhenBothBad>,
    /// What is true of a pin unless the operator says otherwise.
    pub(super) pin: Option<RawPin>,
    /// The pool that this one moves together with: to the backend of the same name. Default: none.
    pub(super) follow: Option<RawFollow>,
    /// WebSockets and other upgrades: how they end.
    pub(super) tunnel: Option<RawTunnel>,
    /// Rehearsals of a failover.
    pub(super) drill: Option<RawDrill>,
    /// Open connections, TLS handshake done, that each worker keeps to every standby, so that the first requests after a
    /// failover wait for none; one over HTTP/2. 0 keeps none, and so does a keep_alive below 3 s. Default 1.
    #[schemars(range(min = 0, max = 64))]
    pub(super) warm: Option<u64>,
    /// What clients may take of it.
    pub(super) limits: Option<RawPoolLimits>,
    /// Whether the backends are really in step.
    pub(super) parity: Option<Vec<RawParity>>,
    /// In order of priority. At least one.
    #[schemars(required, length(min = 1))]
    pub(super) backend: Option<Vec<RawBackend>>,
}

/// When and how often a request is tried elsewhere.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Retry")]
pub(super) struct RawRetry {
    /// Statuses by which a backend says that it did not serve the request. Default: none; bot 502, 503, 504;
    /// question-answering 429, 500-504.
    pub(super) status: Option<RawStatus>,
    /// How often every backend may be tried for one request, within its deadline, where none could be reached or each broke
    /// off; between two rounds there is a pause of 100 ms, 200 ms … 2 s, or until a backend is found well. Default 1; bot 6.
    #[schemars(range(min = 1, max = 100))]
    pub(super) rounds: Option<u64>,
    /// Retries are at most this share of live requests … Default "20%".
    pub(super) budget: Option<RawShare>,
    /// … plus this many per second. Default 10.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(super) floor: Option<u64>,
}

/// What is remembered of the activities delivered. What does not fit is delivered untracked.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Ledger")]
pub(super) struct RawLedger {
    /// Most activities, in flight and done, over all workers; 0 remembers none. Default 65536.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub(super) entries: Option<u64>,
    /// How long an outcome is remembered. Default "2m".
    pub(super) age: Option<RawDuration>,
    /// Most bytes of all answers kept; past that only statuses are. Default "64MiB".
    pub(super) bytes: Option<RawSize>,
    /// Longest body that is kept of an answer. Default "64KiB".
    pub(super) answer: Option<RawSize>,
}

/// What live traffic may decide.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Evidence")]
pub(super) struct RawEvidence {
    /// An attempt that waits this long for its response head makes its backend a suspect, which is probed at once.
    /// Default "100ms".
    pub(super) suspect_after: Option<RawDuration>,
    /// This many failed attempts within `within` make a backend unhealthy whatever its probes say; 0 is never.
    /// Default 10.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(super) failures: Option<u64>,
    /// The span in which failures are counted. Default "2s".
    pub(super) within: Option<RawDuration>,
    /// … if they are at least this share of its attempts in that span. Default "50%".
    pub(super) share: Option<RawShare>,
    /// How long such a verdict stands before good probes may lift it. Default "10s".
    pub(super) recover: Option<RawDuration>,
    /// Which failed attempts count: no connection ("dial"), no TLS ("tls"), a connection that broke before the response
    /// head ("broken"), no head in time ("timeout"), a body that broke off ("stream"). Default: all.
    pub(super) signs: Option<Vec<Sign>>,
    /// Statuses that count as failed. Default: none; bot 502-504; question-answering
    /// 500, 502-504.
    pub(super) status: Option<RawStatus>,
}

/// One regional deployment.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Backend")]
pub(super) struct RawBackend {
    /// Unique in its pool: letters, digits, ".", "_", "-".
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// Where it is: "https://host[:port][/base/path]".
    #[schemars(required)]
    pub(super) url: Option<String>,
    /// 1 is first; equal priorities stand in order of writing. Default: the order of writing.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) priority: Option<u64>,
    /// The Host header it is sent. Default: the URL's.
    pub(super) host: Option<String>,
    /// The TLS server name (SNI, and the name its certificate must bear). Default: the URL's host.
    pub(super) server_name: Option<String>,
    /// Headers set on every request to it: its credentials.
    pub(super) headers: Option<RawHeaders>,
    /// Path prefixes that are replaced, the first that fits.
    pub(super) rewrite: Option<Vec<RawRewrite>>,
    /// The id of its knowledge base (QnA Maker): takes the place of the one in
    /// "/qnamaker/knowledgebases/{id}/generateAnswer".
    pub(super) kb: Option<String>,
    /// Its project (custom question answering): takes the place of `projectName` in "/language/:query-knowledgebases".
    pub(super) project: Option<String>,
    /// Its deployment of that project: takes the place of `deploymentName`. Default: the one that the client asks for.
    pub(super) deployment: Option<String>,
    /// Its key, sent as "Authorization: EndpointKey …" and as "Ocp-Apim-Subscription-Key: …". A client's own credentials
    /// do not reach it then.
    pub(super) key: Option<RawSecret>,
    /// A PEM file of CA certificates to trust instead of the system's, relative to this file. Only with https.
    pub(super) ca: Option<String>,
    /// The client certificate to show. Only with https.
    pub(super) client_certificate: Option<RawCertificate>,
    /// Whether HTTP/2 is offered by ALPN. Only with https. Default true.
    pub(super) http2: Option<bool>,
}

/// A path prefix that is replaced on the way to a backend.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rewrite")]
pub(super) struct RawRewrite {
    /// The prefix, on segment borders.
    #[schemars(required)]
    pub(super) prefix: Option<String>,
    /// What takes its place.
    #[schemars(required)]
    pub(super) to: Option<String>,
}
