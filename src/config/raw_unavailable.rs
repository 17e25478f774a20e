//! What a pool's clients are told when no backend serves them, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::raw_values::RawDuration;

/// What clients are told when botgate has no response of a backend for them: all are down, none could be reached, the last
/// one broke off, or none answered in time.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Unavailable")]
pub(super) struct RawUnavailable {
    /// The status. Default: bot 503, so that channels that can resend do; others 502, 503 or 504, as it happened.
    #[schemars(range(min = 200, max = 599))]
    pub(super) status: Option<u64>,
    /// The Retry-After header, in whole seconds; "0s" sends none. Default "5s" with every 503.
    pub(super) retry_after: Option<RawDuration>,
    /// What people read where a client shows it to them: in answers to invokes, such as those of adaptive cards, message
    /// extensions and dialogs. Default "This is not available at the moment. Please try again in a minute."
    pub(super) message: Option<String>,
    /// The media type of `body`. Default "application/json".
    pub(super) content_type: Option<String>,
    /// The body: a text, or { file = "…" }. {request_id} and {pool} stand for those of the request. Default: problem
    /// details; question-answering {"error": {"code", "message"}}. Invokes whose client wants a shape of its own keep it.
    pub(super) body: Option<RawBody>,
}

/// A text, or a file that holds it.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(
    rename = "Body",
    title = "a string or a table that names a file",
    extend("examples" = ["{}", {"file": "unavailable.json"}])
)]
pub(super) enum RawBody {
    Text(String),
    File(RawBodyFile),
}

/// A file that holds a body.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BodyFile")]
pub(super) struct RawBodyFile {
    /// The path, relative to the config file.
    #[schemars(required)]
    pub(super) file: Option<String>,
}
