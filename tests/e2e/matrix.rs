//! What is sent to a bot by those who may and by those who may not, case by case: the matrix of the local issuer, what only
//! running SDKs have taught, and bodies that are no activity.

use serde_json::{Value, json};

use super::support::issuer::{self, APP, Door, Issuer, activity, claims, entra_claims, now, with};

/// One case.
pub struct Case {
    pub name: String,
    /// The guard that it is sent to.
    pub door: Door,
    /// The values of the `Authorization` headers.
    pub authorization: Vec<String>,
    pub content_type: &'static str,
    pub body: Body,
    /// The documented status: 200 lets it pass.
    pub documented: u16,
}

/// A request body.
#[derive(Clone)]
pub enum Body {
    Activity(Value),
    Text(String),
}

impl Body {
    /// The body with an activity id of its own.
    pub fn with_id(&self, id: &str) -> String {
        match self {
            Self::Activity(activity) => with(activity.clone(), &json!({ "id": id })).to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Case {
    fn new(name: &str, authorization: String, body: Body, documented: u16) -> Self {
        let (name, authorization) = (name.to_owned(), vec![authorization]);
        Self { name, door: Door::Open, authorization, content_type: "application/json", body, documented }
    }
}

/// An activity that no bot replies to: where replies go is made up.
fn silent(activity: Value) -> Value {
    with(activity, &json!({ "type": "event", "name": "test/event" }))
}

/// Every case, to be sent within a minute.
pub fn cases(issuer: &Issuer) -> Vec<Case> {
    let matrix = issuer::cases(&issuer.signers, now()).into_iter();
    let mut cases: Vec<Case> = matrix
        .map(|case| Case {
            documented: case.status(),
            name: case.name,
            door: case.door,
            authorization: case.authorization,
            content_type: "application/json",
            body: Body::Activity(silent(case.activity)),
        })
        .collect();
    cases.extend(learnt(issuer));
    cases.extend(bodies(issuer));
    cases
}

/// What one of the SDKs refuses, by the way it is built.
fn learnt(issuer: &Issuer) -> Vec<Case> {
    let keys = &issuer.signers;
    let connector = |more: Value| keys.endorsed.token(&with(claims(now()), &more));
    let entra = |more: Value| keys.entra.token(&with(entra_claims(now(), APP), &more));
    let stranger = "ffffffff-0000-4000-8000-00000000000f";
    let tokens = [
        ("an anonymous skill", entra(json!({ "appid": "AnonymousSkill" })), 401),
        ("an anonymous skill of the connector", connector(json!({ "appid": "AnonymousSkill" })), 401),
        ("a stranger's skill of the connector", connector(json!({ "ver": "1.0", "appid": stranger })), 401),
        ("the connector's token names a version", connector(json!({ "ver": "1.0" })), 200),
        ("emulator, tid of another tenant", entra(json!({ "tid": stranger })), 401),
        ("emulator, its own tid", entra(json!({ "tid": issuer::TENANTS[0] })), 200),
        ("kid __proto__", keys.endorsed.raw(r#"{"alg":"RS256","kid":"__proto__"}"#, claims(now()).to_string()), 401),
        ("expired 4 min 50 s ago", connector(json!({ "exp": now() - 290, "nbf": now() - 900 })), 200),
        ("expired 5 min 5 s ago", connector(json!({ "exp": now() - 305, "nbf": now() - 900 })), 401),
    ];
    let case = |(name, token, documented)| {
        Case::new(name, format!("Bearer {token}"), Body::Activity(silent(activity())), documented)
    };
    tokens.into_iter().map(case).collect()
}

/// Bodies that are no activity, with a valid token.
fn bodies(issuer: &Issuer) -> Vec<Case> {
    let usual = silent(activity());
    let text = |text: &str| Body::Text(text.to_owned());
    let other = |more: Value| Body::Activity(with(usual.clone(), &more));
    let bodies = [
        ("an empty object", text("{}"), 400),
        ("no body", text(""), 400),
        ("a list", text("[]"), 400),
        ("no JSON", text("{\"type\":"), 400),
        ("no type", other(json!({ "type": null })), 400),
        ("type as a number", other(json!({ "type": 1 })), 400),
        ("no channelId", other(json!({ "channelId": null })), 400),
        ("no conversation", other(json!({ "conversation": null })), 400),
        ("a conversation without id", other(json!({ "conversation": {} })), 400),
        ("Type beside type", other(json!({ "Type": "message" })), 400),
        ("type twice", text(&usual.to_string().replacen('{', "{\"type\":\"message\",", 1)), 400),
        ("more than 1 MiB", other(json!({ "text": "x".repeat(1 << 20) })), 413),
    ];
    let authorization = format!("Bearer {}", issuer.token());
    let case = |(name, body, documented)| Case::new(name, authorization.clone(), body, documented);
    let mut cases: Vec<Case> = bodies.into_iter().map(case).collect();
    for (name, kind) in [("a form", "application/x-www-form-urlencoded"), ("text", "text/plain")] {
        let form = Case::new(name, authorization.clone(), Body::Activity(usual.clone()), 415);
        cases.push(Case { content_type: kind, ..form });
    }
    cases
}
