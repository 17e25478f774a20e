//! The login services on this machine: they publish keys, and mint tokens of any shape.

use std::process::Command;

use serde_json::{Map, Value, json};

use super::install::{folder, packages};
use super::service::Service;
use super::support::client::post_json;

/// The app id of the bots under test: the audience of their tokens.
pub const APP_ID: &str = "11111111-2222-3333-4444-555555555555";

/// The service URL that activities and tokens name.
pub const SERVICE_URL: &str = "https://channel.invalid/";

/// Whom a bot believes.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Its own app id.
    pub app_id: String,
    /// The connector's OpenID metadata.
    pub metadata: String,
    /// That of Entra, for tokens of the emulator and of skills.
    pub emulator_metadata: String,
}

/// The login services of the connector and of Entra.
pub struct Issuer {
    service: Service,
}

/// A token to be minted: the JSON texts of its two parts, and how they are signed.
#[derive(Clone, Debug)]
pub struct Token {
    head: Text,
    body: Text,
    key: String,
    sign: String,
}

/// JSON by its members, or as text that no writer of JSON would produce.
#[derive(Clone, Debug)]
enum Text {
    Members(Map<String, Value>),
    Raw(String),
}

impl Issuer {
    /// Starts both.
    pub fn start() -> Self {
        packages();
        let service = Service::start(|_| {
            let mut command = Command::new("node");
            command.arg("issuer.mjs").current_dir(folder());
            command
        });
        Self { service }
    }

    /// What a bot needs to know in order to believe them.
    pub fn trust(&self) -> Trust {
        let at = |set: &str| format!("{}/{set}/metadata", self.service.url());
        Trust { app_id: APP_ID.to_owned(), metadata: at("connector"), emulator_metadata: at("entra") }
    }

    /// The guard of a route that believes them, and nobody else: a token of theirs for [`APP_ID`], or nothing passes.
    pub fn guard(&self) -> String {
        let Trust { app_id, metadata, emulator_metadata } = self.trust();
        format!(
            "[route.guard]\napp_ids = [\"{app_id}\"]\nmetadata = \"{metadata}\"\n\
             entra_metadata = \"{emulator_metadata}\"\nemulator = true\n"
        )
    }

    /// Mints a token.
    pub async fn mint(&self, token: &Token) -> String {
        let (head, body) = (token.head.json(), token.body.json());
        let order = json!({ "head": head, "body": body, "key": token.key, "as": token.sign });
        let reply = post_json(self.service.address(), "/mint", &order).await.unwrap();
        assert_eq!(reply.status, 200, "no token: {order}");
        reply.text()
    }

    /// How often the keys of a set, `connector` or `entra`, were fetched.
    pub async fn fetched(&self, set: &str) -> u64 {
        let asked = super::support::client::get(self.service.address(), "/asked").await.unwrap().json();
        asked[format!("/{set}/keys")].as_u64().unwrap_or_default()
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

impl Token {
    /// What the connector sends: valid for ten minutes from now.
    pub fn connector() -> Self {
        let body = json!({
            "iss": "https://api.botframework.com", "aud": APP_ID, "serviceurl": SERVICE_URL,
            "nbf": now(), "iat": now(), "exp": now() + 600,
        });
        Self::new("connector", body)
    }

    /// What the emulator sends with the bot's own credentials.
    pub fn emulator() -> Self {
        let body = json!({
            "iss": "https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/", "aud": APP_ID, "appid": APP_ID,
            "ver": "1.0", "tid": "d6d49420-f39b-4df7-a1dc-d59a935871db",
            "nbf": now(), "iat": now(), "exp": now() + 600,
        });
        Self::new("entra", body)
    }

    fn new(key: &str, body: Value) -> Self {
        let head = json!({ "alg": "RS256", "kid": key, "x5t": key, "typ": "JWT" });
        let members = |value: Value| Text::Members(value.as_object().unwrap().clone());
        Self { head: members(head), body: members(body), key: key.to_owned(), sign: "RS256".to_owned() }
    }

    /// With this claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body.set(name, value.into());
        self
    }

    /// Without this claim.
    pub fn without(mut self, name: &str) -> Self {
        self.body.remove(name);
        self
    }

    /// With this member of the header.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.head.set(name, value.into());
        self
    }

    /// Without this member of the header.
    pub fn headerless(mut self, name: &str) -> Self {
        self.head.remove(name);
        self
    }

    /// Signed by this key, and naming it.
    pub fn key(self, name: &str) -> Self {
        self.header("kid", name).header("x5t", name).signed_by(name)
    }

    /// Signed by this key, whatever it names.
    pub fn signed_by(mut self, name: &str) -> Self {
        name.clone_into(&mut self.key);
        self
    }

    /// Signed in this way and saying so.
    pub fn alg(self, name: &str) -> Self {
        self.header("alg", name).signed_as(name)
    }

    /// Signed in this way, whatever it says.
    pub fn signed_as(mut self, name: &str) -> Self {
        name.clone_into(&mut self.sign);
        self
    }

    /// With these claims as text: what stands before the last brace of the usual ones is followed by `more`.
    pub fn appended(mut self, more: &str) -> Self {
        let text = self.body.json();
        self.body = Text::Raw(format!("{},{more}}}", text.trim_end_matches('}')));
        self
    }

    /// With this text in place of the claims.
    pub fn body(mut self, text: &str) -> Self {
        self.body = Text::Raw(text.to_owned());
        self
    }

    /// With this text in place of the header.
    pub fn head(mut self, text: &str) -> Self {
        self.head = Text::Raw(text.to_owned());
        self
    }
}

impl Text {
    fn json(&self) -> String {
        match self {
            Self::Members(members) => Value::Object(members.clone()).to_string(),
            Self::Raw(text) => text.clone(),
        }
    }

    fn members(&mut self) -> &mut Map<String, Value> {
        match self {
            Self::Members(members) => members,
            Self::Raw(text) => panic!("it is text already: {text}"),
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        self.members().insert(name.to_owned(), value);
    }

    fn remove(&mut self, name: &str) {
        self.members().remove(name).unwrap_or_else(|| panic!("there is no {name}"));
    }
}
