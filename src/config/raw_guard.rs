//! The guard of a route, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::TokenMode;

/// The guard of a route: false, true, or a table.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Guard", title = "a table or false", extend("examples" = [false, {"open": ["/healthz"]}]))]
pub(super) enum RawGuard {
    Switch(bool),
    Table(Box<RawGuardTable>),
}

/// What a request must be before a bot sees it.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GuardTable")]
pub(super) struct RawGuardTable {
    /// Path prefixes that are let through unchecked, on segment borders: what the bot serves to others than its channels.
    /// Default: none.
    pub(super) open: Option<Vec<String>>,
    /// What becomes of a request whose token is wanting. Default "off".
    pub(super) tokens: Option<TokenMode>,
}
