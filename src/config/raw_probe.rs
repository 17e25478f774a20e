//! Probes, as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::raw_values::{RawDuration, RawHeaders, RawSecret, RawStatus};

/// Whether and how backends are probed: false is off.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Probe", title = "a table or false", extend("examples" = [false, {"path": "/healthz"}]))]
pub(super) enum RawProbe {
    Switch(bool),
    Table(Box<RawProbeTable>),
}

/// An active health check.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ProbeTable")]
pub(super) struct RawProbeTable {
    /// What is asked: "http" a request (default), "tcp" a connection, "activity" a bot, "question" a question-answering
    /// service.
    pub(super) kind: Option<RawProbeKind>,
    /// Default "GET".
    pub(super) method: Option<RawProbeMethod>,
    /// Path and query, below the backend's base path. Default "/healthz"; activity "/api/messages"; question: where the
    /// backend's `kb` or `project` is asked.
    pub(super) path: Option<String>,
    /// Sent as well as the backend's own headers.
    pub(super) headers: Option<RawHeaders>,
    /// For a request: whether a backend that is well is asked over the connection of the probe before, every fifth time
    /// aside ("kept", the default), or over a new one each time ("new"). What is not plainly well always has a new one.
    pub(super) connection: Option<RawProbeConnection>,
    /// From the start of one probe to the start of the next. Default "2s"; activity "5s", question "10s".
    pub(super) interval: Option<RawDuration>,
    /// Bounds one probe. Default "1s"; activity "2s", question "3s".
    pub(super) timeout: Option<RawDuration>,
    /// Bad probes in a row that make a backend unhealthy. Default 2.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) fall: Option<u64>,
    /// Good probes in a row that make it healthy again. Default 3.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) rise: Option<u64>,
    /// Statuses that are good. Default "200-299".
    pub(super) status: Option<RawStatus>,
    /// Text that the body must hold (only with GET), the reply of a bot at `pointer`, or the answer to a question.
    pub(super) contains: Option<String>,
    /// A JSON value that the body must hold. Only with GET.
    pub(super) json: Option<RawJsonCheck>,
    /// For an activity: where its response is looked into (RFC 6901; "*" stands for every element of an array). Default
    /// "/activities/0/text" with `contains` or `equals`.
    pub(super) pointer: Option<String>,
    /// For an activity: the value that must be there: any TOML value but a date.
    pub(super) equals: Option<serde_json::Value>,
    /// For an activity: what is said to the bot. Default "botgate probe".
    pub(super) text: Option<String>,
    /// For an activity: its channel. Default "test".
    pub(super) channel_id: Option<String>,
    /// For an activity: the id of its conversation. Default "botgate-probe".
    pub(super) conversation: Option<String>,
    /// For an activity: the id of who says it. Default "botgate-probe".
    pub(super) from: Option<String>,
    /// For an activity: the id of the bot. Default "bot".
    pub(super) recipient: Option<String>,
    /// For an activity: its serviceUrl. Default "https://botgate.invalid/": replies stand in the response.
    pub(super) service_url: Option<String>,
    /// For an activity: whose token signs it. Default: none.
    pub(super) sign: Option<RawSign>,
    /// For a question: what is asked. Choose one whose answer is known.
    pub(super) question: Option<String>,
    /// For a question: the least score of its answer, 0 to 100. Custom question answering's confidence of 0 to 1 is counted
    /// by 100. Default: none.
    #[schemars(range(min = 0, max = 100))]
    pub(super) min_score: Option<f64>,
    /// Share of the interval by which each probe is moved at random, 0 to 1. Default 0.1.
    #[schemars(range(min = 0, max = 1))]
    pub(super) jitter: Option<f64>,
}

/// A value at a JSON pointer (RFC 6901).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "JsonCheck")]
pub(super) struct RawJsonCheck {
    /// Where: "/status".
    #[schemars(required)]
    pub(super) pointer: Option<String>,
    /// What: any TOML value but a date.
    #[schemars(required)]
    pub(super) equals: Option<serde_json::Value>,
}

/// What a probe is.
#[derive(Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ProbeKind")]
pub(super) enum RawProbeKind {
    /// A request.
    Http,
    /// A connection.
    Tcp,
    /// A synthetic message to a bot, which is to reply in its response.
    Activity,
    /// A question to a question-answering service.
    Question,
}

/// What a probe is sent over.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ProbeConnection")]
pub(super) enum RawProbeConnection {
    /// The connection of the probe before.
    Kept,
    /// A new one.
    New,
}

/// The method of a probe.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "ProbeMethod")]
pub(super) enum RawProbeMethod {
    /// GET.
    Get,
    /// HEAD.
    Head,
}

/// Whose token signs an activity: fetched by OAuth 2.0 client credentials (RFC 6749, section 4.4), as a skill's caller or the
/// bot's own registration does.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sign")]
pub(super) struct RawSign {
    /// Where tokens are issued: "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token".
    #[schemars(required)]
    pub(super) token_url: Option<String>,
    /// The application's id.
    #[schemars(required)]
    pub(super) client_id: Option<String>,
    /// Its secret.
    #[schemars(required)]
    pub(super) client_secret: Option<RawSecret>,
    /// What the token is for: "APP_ID/.default" of the bot, or "https://api.botframework.com/.default".
    #[schemars(required)]
    pub(super) scope: Option<String>,
    /// A PEM file of CA certificates to trust at `token_url` instead of the system's, relative to this file.
    pub(super) ca: Option<String>,
}
