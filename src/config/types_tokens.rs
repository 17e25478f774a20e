//! Whose tokens a guarded route accepts. The rules of the check itself are in `bot::token`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::types::Config;
use super::types_backend::BackendConfig;
use crate::model::TokenMode;

/// The token check of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct TokensConfig {
    /// What becomes of a request whose token is wanting; not off.
    pub mode: TokenMode,
    /// The App IDs of the bots behind this route: a token's `aud`.
    pub app_ids: Vec<String>,
    /// The channel connector.
    pub channel: TokenIssuer,
    /// Microsoft Entra, which issues the tokens of emulators and of skills' callers; none while neither is accepted.
    pub entra: Option<TokenIssuer>,
    /// Whether tokens of a Bot Framework Emulator are accepted: they are asked for with the bot's own App ID.
    pub emulator: bool,
    /// The App IDs that may call this bot as a skill.
    pub skills: Vec<String>,
    /// How far the clocks of issuer and gateway may be apart.
    pub skew: Duration,
}

/// An issuer of tokens, and where it publishes its keys.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenIssuer {
    /// What its tokens may name as `iss`, exactly.
    pub names: Vec<String>,
    /// Where its keys are.
    pub keys: KeySourceConfig,
}

/// A place that publishes keys: OpenID metadata. The URL and the `ca` file are its identity.
#[derive(Clone, PartialEq)]
pub struct KeySourceConfig {
    /// Where it is, without the path.
    pub service: Arc<BackendConfig>,
    /// Path and query of the metadata.
    pub path: String,
}

impl fmt::Display for KeySourceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.service.url, self.path)
    }
}

impl fmt::Debug for KeySourceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TokensConfig {
    /// The places whose keys it needs.
    pub fn sources(&self) -> impl Iterator<Item = &KeySourceConfig> {
        std::iter::once(&self.channel).chain(&self.entra).map(|issuer| &issuer.keys)
    }
}

impl Config {
    /// Every place whose keys something here checks tokens with; a place may come more than once.
    pub fn key_sources(&self) -> impl Iterator<Item = &KeySourceConfig> {
        let tokens = self.routes.iter().filter_map(|route| route.guard.as_ref()?.tokens.as_deref());
        tokens.flat_map(TokensConfig::sources).chain(self.admin.oidc.iter().map(|oidc| &oidc.keys))
    }
}
