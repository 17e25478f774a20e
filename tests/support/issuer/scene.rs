//! Who is who in the matrix of tokens: the bot, its issuers and their keys, a good token of each, and what a case is. Also
//! included by the unit tests of the token check, so it names nothing of botgate.

use serde_json::{Value, json};

use super::mint::Signer;

pub const APP: &str = "a1b2c3d4-0000-4000-8000-00000000000a";
pub const SECOND_APP: &str = "a1b2c3d4-0000-4000-8000-00000000000b";
pub const SKILL: &str = "a1b2c3d4-0000-4000-8000-00000000000c";
pub const CHANNEL: &str = "https://api.botframework.com";
pub const SERVICE: &str = "https://smba.test/emea/";
/// The Bot Framework's own tenants: facts of the platform.
pub const TENANTS: [&str; 2] = ["d6d49420-f39b-4df7-a1dc-d59a935871db", "f8cdef31-a31e-4b4a-93e4-5f571e91255a"];

/// Where a case is sent: a guard that takes tokens of emulators and of one skill, or one that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Open,
    ChannelsOnly,
}

/// A request with a token, and what must become of it.
pub struct Case {
    pub name: String,
    pub door: Door,
    /// The values of its `Authorization` headers.
    pub authorization: Vec<String>,
    pub activity: Value,
    /// "valid", or the word of its fault.
    pub result: &'static str,
}

impl Case {
    /// The status that the gateway answers.
    pub fn status(&self) -> u16 {
        match self.result {
            "valid" => 200,
            "endorsement" => 403,
            _ => 401,
        }
    }
}

/// The keys of both issuers, and one that neither publishes.
pub struct Signers {
    /// The connector's; endorsed for the channels `test` and `msteams`.
    pub endorsed: Signer,
    /// The connector's; without endorsements.
    pub plain: Signer,
    pub entra: Signer,
    pub stranger: Signer,
}

impl Signers {
    pub fn new() -> Self {
        let new = Signer::new;
        Self { endorsed: new("endorsed"), plain: new("plain"), entra: new("entra"), stranger: new("stranger") }
    }

    /// What the connector publishes.
    pub fn channel_jwks(&self) -> Value {
        json!({"keys": [self.endorsed.jwk(&["test", "msteams"]), self.plain.jwk(&[])]})
    }

    /// What Entra publishes.
    pub fn entra_jwks(&self) -> Value {
        json!({"keys": [self.entra.jwk(&[])]})
    }
}

/// The activity that goes with a token.
pub fn activity() -> Value {
    json!({"type": "message", "id": "1", "channelId": "test", "conversation": {"id": "c"}, "serviceUrl": SERVICE,
        "from": {"id": "u"}, "recipient": {"id": "b"}, "text": "hi"})
}

/// The claims of a good token of the connector, at `now` seconds since 1970.
pub fn claims(now: i64) -> Value {
    json!({"iss": CHANNEL, "aud": APP, "exp": now + 600, "nbf": now - 5, "serviceurl": SERVICE})
}

/// The claims of a good token of Entra, asked for by `caller`.
pub fn entra_claims(now: i64, caller: &str) -> Value {
    let iss = format!("https://sts.windows.net/{}/", TENANTS[0]);
    json!({"iss": iss, "aud": APP, "exp": now + 3600, "nbf": now - 5, "iat": now - 5, "ver": "1.0", "appid": caller})
}

/// The cases as JSON, for whoever sends the same tokens to something else than the gateway.
pub fn export(cases: &[Case]) -> Value {
    let one = |case: &Case| {
        json!({"name": case.name, "channelsOnly": case.door == Door::ChannelsOnly, "authorization": case.authorization,
            "activity": case.activity, "result": case.result, "status": case.status()})
    };
    cases.iter().map(one).collect()
}
