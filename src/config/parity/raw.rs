//! A parity check as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw_values::{RawDuration, RawHeaders, RawSecret};
use crate::model::ParityGate;

/// Whether the backends are in step: the same question to each, and how far the answers may be apart. One of `equal`,
/// `max_lag`, `max_difference` and `contains`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Parity")]
pub(in crate::config) struct RawParity {
    /// Unique in its pool.
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// A service that botgate knows: fills path, take and the comparison.
    pub(super) preset: Option<RawPreset>,
    /// What a preset is about: the index, the project or the knowledge base. A backend can have one of its own.
    pub(super) of: Option<String>,
    /// From one round of questions to the next. Default "5m".
    pub(super) interval: Option<RawDuration>,
    /// Bounds one question. Default "10s".
    pub(super) timeout: Option<RawDuration>,
    /// What a backend that has drifted means for steering. Default "prefer".
    pub(super) gate: Option<ParityGate>,
    /// Default "GET"; "POST" when there is a body.
    pub(super) method: Option<RawMethod>,
    /// Path and query that are asked for. Where a backend has no `url` here, it is asked itself, as its requests are.
    pub(super) path: Option<String>,
    /// Sent with every question of this check.
    pub(super) headers: Option<RawHeaders>,
    /// Sent with POST: a table, which is sent as JSON, or a text.
    pub(super) body: Option<serde_json::Value>,
    /// What is taken of an answer. Default "body".
    pub(super) take: Option<RawTake>,
    /// Whether values must be the same as the active's; arrays are compared as sets.
    pub(super) equal: Option<bool>,
    /// How far a time may be behind.
    pub(super) max_lag: Option<RawDuration>,
    /// What `max_lag` is held against. Default "active".
    pub(super) against: Option<RawAgainst>,
    /// How far a number may be from the active's.
    pub(super) max_difference: Option<RawDifference>,
    /// Text that every value must hold.
    pub(super) contains: Option<String>,
    /// By the name of a backend: the service beside it that is asked.
    pub(super) backends: Option<BTreeMap<String, RawCompanion>>,
}

/// The service beside a backend.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ParityBackend")]
pub(in crate::config) struct RawCompanion {
    /// Where it is: a URL of scheme and host gets the check's path (and adds its query to that), any other is asked as it
    /// stands. Left out: the backend itself.
    pub(super) url: Option<RawSecret>,
    /// What a preset is about, where it has another name here.
    pub(super) of: Option<String>,
    /// Sent to it: its credentials.
    pub(super) headers: Option<RawHeaders>,
    /// A PEM file of CA certificates to trust instead of the system's, relative to this file. Only with https.
    pub(super) ca: Option<String>,
}

/// A service that botgate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ParityPreset")]
pub(in crate::config) enum RawPreset {
    /// The documents of an AI Search index, with a query key.
    AiSearchCount,
    /// The same from the index's statistics, with an admin key.
    AiSearchStats,
    /// The last deployment of a custom question answering project.
    CustomQuestionAnswering,
    /// The last publication of a QnA Maker knowledge base.
    QnaMaker,
    /// The last sync time of a blob store's secondary.
    BlobGeoReplication,
    /// The regions that a Cosmos DB account can be read in.
    CosmosRegions,
}

/// The method of a question.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "ParityMethod")]
pub(in crate::config) enum RawMethod {
    /// GET.
    Get,
    /// HEAD: for what stands in a header.
    Head,
    /// POST.
    Post,
}

/// What a time is held against.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ParityAgainst")]
pub(in crate::config) enum RawAgainst {
    /// The active's: for times at which something was published.
    Active,
    /// The time it is: for times up to which a copy is complete.
    Now,
}

/// How far two numbers may be apart: a number, or a percentage of the active's.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Difference", title = "a number or a percentage in quotes", extend("examples" = [100, "5%"]))]
pub(in crate::config) enum RawDifference {
    Number(f64),
    Text(String),
}

/// What is taken of an answer: "body", or one of json, xml and header.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(
    rename = "Take",
    title = "\"body\" or a table",
    extend("examples" = ["body", {"json": "/documentCount"}, {"xml": "GeoReplication/LastSyncTime"}, {"header": "etag"}])
)]
pub(in crate::config) enum RawTake {
    Text(String),
    Table(RawTakeTable),
}

/// One place in an answer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TakeTable")]
pub(in crate::config) struct RawTakeTable {
    /// A JSON pointer (RFC 6901); "*" stands for every element of an array: "/value/*/lastDeployedDateTime".
    pub(super) json: Option<String>,
    /// A path of element names below the root element: "GeoReplication/LastSyncTime".
    pub(super) xml: Option<String>,
    /// The name of a response header: "etag".
    pub(super) header: Option<String>,
}
