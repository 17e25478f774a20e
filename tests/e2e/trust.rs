//! Bots that check tokens, and the guard of a gateway that believes the same.

use super::support::issuer::{APP, Issuer, SECOND_APP, SKILL};

/// Whom a bot believes.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Its own app ids.
    pub app_ids: [&'static str; 2],
    /// The bot that may call it as a skill.
    pub skill: &'static str,
    /// The connector's OpenID metadata.
    pub metadata: String,
    /// Entra's, for tokens of the emulator and of skills.
    pub entra_metadata: String,
}

impl Trust {
    /// In this issuer.
    pub fn of(issuer: &Issuer) -> Self {
        Self {
            app_ids: [APP, SECOND_APP],
            skill: SKILL,
            metadata: issuer.metadata(),
            entra_metadata: issuer.entra_metadata(),
        }
    }
}

/// The guard of a route to such bots.
pub fn guard(issuer: &Issuer) -> String {
    format!("[route.guard]\n{}", issuer.open())
}
