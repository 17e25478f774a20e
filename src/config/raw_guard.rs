//! The guard of a route, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::raw_values::RawDuration;
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
    /// What becomes of a request whose token is wanting. Default "enforce" when there are `app_ids`, else "off".
    pub(super) tokens: Option<TokenMode>,
    /// The App IDs of the bot behind this route, as tokens name them (`aud`).
    #[schemars(length(min = 1))]
    pub(super) app_ids: Option<Vec<String>>,
    /// Whose tokens and keys. Default "public".
    pub(super) cloud: Option<RawCloud>,
    /// Another issuer (`iss`) than the cloud's channel connector.
    pub(super) issuer: Option<String>,
    /// Another place of the issuer's OpenID metadata: https, or http on this machine.
    pub(super) metadata: Option<String>,
    /// Another place of the OpenID metadata for tokens of emulators and skills.
    pub(super) entra_metadata: Option<String>,
    /// A PEM file of CA certificates to trust for the metadata given here, relative to this file. Default: the system's.
    pub(super) ca: Option<String>,
    /// Whether tokens of a Bot Framework Emulator are accepted. Default false.
    pub(super) emulator: Option<bool>,
    /// The App IDs of bots that may call this one as a skill. Default: none.
    pub(super) skills: Option<Vec<String>>,
    /// Entra tenants whose tokens are accepted from emulators and skills, besides the Bot Framework's own. Default: none.
    pub(super) tenants: Option<Vec<String>>,
    /// How far the clocks of issuer and gateway may be apart. At most "15m". Default "5m".
    pub(super) skew: Option<RawDuration>,
}

/// A cloud of its own, with issuers of its own.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Cloud")]
pub(super) enum RawCloud {
    /// Azure.
    #[default]
    Public,
    /// Azure Government.
    UsGov,
    /// Azure operated by 21Vianet.
    China,
}
