//! What is sent to a bot by those who may and by those who may not, case by case, and what the documentation of the
//! connector says to it.

use serde_json::{Value, json};

use super::issuer::{APP_ID, Issuer, SERVICE_URL, Token, now};

/// One case.
pub struct Case {
    pub name: String,
    /// The values of the `Authorization` headers.
    pub authorization: Vec<String>,
    pub content_type: &'static str,
    /// The body; its id is put in when it is sent.
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
    /// The body with an id of its own.
    pub fn with_id(&self, id: &str) -> String {
        match self {
            Self::Activity(activity) => {
                let mut activity = activity.clone();
                activity["id"] = id.into();
                activity.to_string()
            }
            Self::Text(text) => text.clone(),
        }
    }
}

const OK: u16 = 200;
const BAD_REQUEST: u16 = 400;
const UNAUTHORIZED: u16 = 401;
const FORBIDDEN: u16 = 403;
const UNSUPPORTED: u16 = 415;

const MINUTE: i64 = 60;

/// An activity that asks for no reply: with one the Python SDK fails.
fn activity() -> Value {
    json!({
        "type": "event", "name": "test/event", "channelId": "test", "serviceUrl": SERVICE_URL,
        "from": { "id": "user" }, "recipient": { "id": "bot" }, "conversation": { "id": "conversation" },
    })
}

/// An activity with another value in one place; null leaves the member out.
fn activity_with(member: &str, value: Value) -> Value {
    let mut activity = activity();
    activity[member] = value;
    if activity[member].is_null() {
        activity.as_object_mut().unwrap().remove(member);
    }
    activity
}

/// Every case.
pub async fn cases(issuer: &Issuer) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, token, documented) in tokens() {
        let authorization = vec![format!("Bearer {}", issuer.mint(&token).await)];
        cases.push(case(name, authorization, Body::Activity(activity()), documented));
    }
    for (name, token, activity, documented) in activities() {
        let authorization = vec![format!("Bearer {}", issuer.mint(&token).await)];
        cases.push(case(name, authorization, Body::Activity(activity), documented));
    }
    let good = issuer.mint(&Token::connector()).await;
    for (name, authorization, documented) in headers(&good) {
        cases.push(case(name, authorization, Body::Activity(activity()), documented));
    }
    for (name, body, documented) in bodies() {
        cases.push(case(name, vec![format!("Bearer {good}")], body, documented));
    }
    let mut form = case("a form", vec![format!("Bearer {good}")], Body::Activity(activity()), UNSUPPORTED);
    form.content_type = "application/x-www-form-urlencoded";
    cases.push(form);
    cases
}

fn case(name: &str, authorization: Vec<String>, body: Body, documented: u16) -> Case {
    Case { name: name.to_owned(), authorization, content_type: "application/json", body, documented }
}

/// Tokens for the usual activity.
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn tokens() -> Vec<(&'static str, Token, u16)> {
    let token = Token::connector;
    let emulator = Token::emulator;
    let tid = "d6d49420-f39b-4df7-a1dc-d59a935871db";
    let v2 = format!("https://login.microsoftonline.com/{tid}/v2.0");
    let other_tenant = "99999999-8888-7777-6666-555555555555";
    vec![
        // Those who may.
        ("a valid token", token(), OK),
        ("no typ", token().headerless("typ"), OK),
        ("no x5t", token().headerless("x5t"), OK),
        ("claims that nobody knows", token().claim("nested", json!({ "aud": "other" })), OK),
        ("a key without endorsements", token().key("unendorsed"), OK),
        // The audience.
        ("wrong aud", token().claim("aud", "66666666-2222-3333-4444-555555555555"), UNAUTHORIZED),
        ("no aud", token().without("aud"), UNAUTHORIZED),
        ("aud null", token().claim("aud", Value::Null), UNAUTHORIZED),
        ("aud empty", token().claim("aud", ""), UNAUTHORIZED),
        ("aud a number", token().claim("aud", 1), UNAUTHORIZED),
        ("aud a list with it", token().claim("aud", json!([APP_ID])), UNAUTHORIZED),
        ("aud a list with it and another", token().claim("aud", json!(["other", APP_ID])), UNAUTHORIZED),
        ("aud an object", token().claim("aud", json!({ "id": APP_ID })), UNAUTHORIZED),
        ("aud with a space", token().claim("aud", format!("{APP_ID} ")), UNAUTHORIZED),
        ("aud its beginning", token().claim("aud", &APP_ID[..8]), UNAUTHORIZED),
        ("aud the connector", token().claim("aud", "https://api.botframework.com"), UNAUTHORIZED),
        // The issuer.
        ("wrong iss", token().claim("iss", "https://login.example.com"), UNAUTHORIZED),
        ("wrong iss, an Entra key", token().claim("iss", "https://login.example.com").key("entra"), UNAUTHORIZED),
        ("no iss", token().without("iss"), UNAUTHORIZED),
        ("iss a list", token().claim("iss", json!(["https://api.botframework.com"])), UNAUTHORIZED),
        ("iss with a slash", token().claim("iss", "https://api.botframework.com/"), UNAUTHORIZED),
        ("iss over http", token().claim("iss", "http://api.botframework.com"), UNAUTHORIZED),
        ("iss in capitals", token().claim("iss", "https://API.botframework.com"), UNAUTHORIZED),
        ("iss of another cloud", token().claim("iss", "https://api.botframework.us"), UNAUTHORIZED),
        // The service URL.
        ("serviceurl another port", token().claim("serviceurl", "https://channel.invalid:8443/"), UNAUTHORIZED),
        ("serviceurl without its slash", token().claim("serviceurl", "https://channel.invalid"), UNAUTHORIZED),
        ("serviceurl in capitals", token().claim("serviceurl", "https://CHANNEL.invalid/"), UNAUTHORIZED),
        ("serviceurl missing", token().without("serviceurl"), UNAUTHORIZED),
        ("serviceurl null", token().claim("serviceurl", Value::Null), UNAUTHORIZED),
        ("serviceurl empty", token().claim("serviceurl", ""), UNAUTHORIZED),
        ("serviceurl a list", token().claim("serviceurl", json!([SERVICE_URL])), UNAUTHORIZED),
        (
            "serviceUrl, as the activity spells it",
            token().without("serviceurl").claim("serviceUrl", SERVICE_URL),
            UNAUTHORIZED,
        ),
        // The clock.
        ("expired 4 min ago", token().claim("exp", now() - 4 * MINUTE), OK),
        ("expired 4 min 50 s ago", token().claim("exp", now() - 5 * MINUTE + 10), OK),
        ("expired 5 min 2 s ago", token().claim("exp", now() - 5 * MINUTE - 2), UNAUTHORIZED),
        ("expired 6 min ago", token().claim("exp", now() - 6 * MINUTE), UNAUTHORIZED),
        ("nbf 4 min ahead", token().claim("nbf", now() + 4 * MINUTE), OK),
        ("nbf 6 min ahead", token().claim("nbf", now() + 6 * MINUTE), UNAUTHORIZED),
        ("no exp", token().without("exp"), UNAUTHORIZED),
        ("exp 0", token().claim("exp", 0), UNAUTHORIZED),
        ("exp negative", token().claim("exp", -1), UNAUTHORIZED),
        ("exp a string", token().claim("exp", (now() + 600).to_string()), UNAUTHORIZED),
        ("exp null", token().claim("exp", Value::Null), UNAUTHORIZED),
        ("exp true", token().claim("exp", true), UNAUTHORIZED),
        ("nbf a string", token().claim("nbf", now().to_string()), UNAUTHORIZED),
        ("nbf a list", token().claim("nbf", json!([now()])), UNAUTHORIZED),
        // The algorithm.
        ("alg none, unsigned", token().alg("none"), UNAUTHORIZED),
        ("alg None, unsigned", token().header("alg", "None").signed_as("none"), UNAUTHORIZED),
        ("alg NONE, signed", token().header("alg", "NONE"), UNAUTHORIZED),
        ("alg none, signed", token().header("alg", "none"), UNAUTHORIZED),
        ("HS256 with the public key", token().alg("HS256"), UNAUTHORIZED),
        ("alg HS256, signed RS256", token().header("alg", "HS256"), UNAUTHORIZED),
        ("alg RS256, signed HS256 with the public key", token().signed_as("HS256"), UNAUTHORIZED),
        ("RS512", token().alg("RS512"), UNAUTHORIZED),
        ("PS256", token().alg("PS256"), UNAUTHORIZED),
        ("ES256 with a published key", token().key("curve").alg("ES256"), UNAUTHORIZED),
        ("alg RS256 with a published curve", token().key("curve").signed_as("ES256"), UNAUTHORIZED),
        ("alg in lower case", token().header("alg", "rs256"), UNAUTHORIZED),
        ("no alg", token().headerless("alg"), UNAUTHORIZED),
        ("alg a list", token().header("alg", json!(["RS256"])), UNAUTHORIZED),
        ("alg null", token().header("alg", Value::Null), UNAUTHORIZED),
        // The key.
        ("unknown kid", token().key("stranger"), UNAUTHORIZED),
        ("a stranger's signature", token().signed_by("stranger"), UNAUTHORIZED),
        ("another published key's signature", token().signed_by("unendorsed"), UNAUTHORIZED),
        ("an Entra key", token().key("entra"), UNAUTHORIZED),
        ("no kid", token().headerless("kid"), UNAUTHORIZED),
        ("no kid, no x5t", token().headerless("kid").headerless("x5t"), UNAUTHORIZED),
        ("kid empty", token().header("kid", ""), UNAUTHORIZED),
        ("kid null", token().header("kid", Value::Null), UNAUTHORIZED),
        ("kid a number", token().header("kid", 0), UNAUTHORIZED),
        ("kid a list", token().header("kid", json!(["connector"])), UNAUTHORIZED),
        ("kid a path", token().header("kid", "../connector"), UNAUTHORIZED),
        ("kid a file", token().header("kid", "../../../../dev/null").alg("HS256"), UNAUTHORIZED),
        ("kid a query", token().header("kid", "x' UNION SELECT 'connector"), UNAUTHORIZED),
        ("kid in capitals", token().header("kid", "CONNECTOR"), UNAUTHORIZED),
        ("kid of 8 KiB", token().header("kid", "k".repeat(8 << 10)), UNAUTHORIZED),
        ("kid __proto__", token().header("kid", "__proto__"), UNAUTHORIZED),
        (
            "its own jwk",
            token().header("jwk", json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" })).signed_by("stranger"),
            UNAUTHORIZED,
        ),
        ("jku", token().header("jku", "http://127.0.0.1:9/keys").key("stranger"), UNAUTHORIZED),
        ("x5u", token().header("x5u", "http://127.0.0.1:9/chain").key("stranger"), UNAUTHORIZED),
        ("a critical extension", token().header("crit", json!(["exp"])).header("exp", 1), UNAUTHORIZED),
        ("b64 false", token().header("crit", json!(["b64"])).header("b64", false), UNAUTHORIZED),
        // Said twice.
        ("aud twice, the last wrong", token().appended(r#""aud":"other""#), UNAUTHORIZED),
        (
            "aud twice, the last right",
            token().claim("aud", "other").appended(&format!(r#""aud":"{APP_ID}""#)),
            UNAUTHORIZED,
        ),
        ("iss twice", token().appended(r#""iss":"https://api.botframework.com""#), UNAUTHORIZED),
        (
            "serviceurl twice",
            token().claim("serviceurl", "x").appended(&format!(r#""serviceurl":"{SERVICE_URL}""#)),
            UNAUTHORIZED,
        ),
        ("exp twice", token().claim("exp", 1).appended(&format!(r#""exp":{}"#, now() + 600)), UNAUTHORIZED),
        ("alg twice", token().head(r#"{"alg":"none","kid":"connector","alg":"RS256"}"#), UNAUTHORIZED),
        ("kid twice", token().head(r#"{"alg":"RS256","kid":"stranger","kid":"connector"}"#), UNAUTHORIZED),
        // No claims at all.
        ("claims a string", token().body(r#""claims""#), UNAUTHORIZED),
        ("claims a list", token().body("[]"), UNAUTHORIZED),
        ("claims null", token().body("null"), UNAUTHORIZED),
        ("claims empty", token().body("{}"), UNAUTHORIZED),
        ("claims cut off", token().body(r#"{"iss":"https://api.botframework.com","#), UNAUTHORIZED),
        ("claims no JSON", token().body("\u{1}\u{2}\u{3}"), UNAUTHORIZED),
        ("header no JSON", token().head("alg: RS256"), UNAUTHORIZED),
        ("header a list", token().head("[]"), UNAUTHORIZED),
        // The emulator, which is let in here.
        ("emulator, v1", emulator(), OK),
        (
            "emulator, v2",
            emulator().claim("iss", v2.clone()).claim("ver", "2.0").without("appid").claim("azp", APP_ID),
            OK,
        ),
        ("emulator, wrong appid", emulator().claim("appid", "other"), UNAUTHORIZED),
        ("emulator, no appid", emulator().without("appid"), UNAUTHORIZED),
        ("emulator, v2 with appid only", emulator().claim("iss", v2).claim("ver", "2.0"), UNAUTHORIZED),
        ("emulator, no ver", emulator().without("ver"), UNAUTHORIZED),
        ("emulator, ver 3.0", emulator().claim("ver", "3.0"), UNAUTHORIZED),
        ("emulator, a connector's key", emulator().key("connector"), UNAUTHORIZED),
        ("emulator, a stranger's signature", emulator().signed_by("stranger"), UNAUTHORIZED),
        ("emulator, expired", emulator().claim("exp", now() - 6 * MINUTE), UNAUTHORIZED),
        (
            "emulator, another tenant",
            emulator().claim("iss", format!("https://sts.windows.net/{other_tenant}/")).claim("tid", other_tenant),
            UNAUTHORIZED,
        ),
        ("emulator, tid of another tenant", emulator().claim("tid", other_tenant), UNAUTHORIZED),
        // Bots that call this one as a skill: none may.
        ("a skill's call", emulator().claim("appid", "77777777-2222-3333-4444-555555555555"), UNAUTHORIZED),
        ("an anonymous skill", emulator().claim("appid", "AnonymousSkill"), UNAUTHORIZED),
        ("an anonymous skill of the connector", token().claim("appid", "AnonymousSkill"), UNAUTHORIZED),
    ]
}

/// Tokens for activities that they do not fit.
fn activities() -> Vec<(&'static str, Token, Value, u16)> {
    let token = Token::connector;
    vec![
        ("channelId not endorsed", token(), activity_with("channelId", "skype".into()), FORBIDDEN),
        ("channelId in capitals", token(), activity_with("channelId", "TEST".into()), FORBIDDEN),
        ("channelId its beginning", token(), activity_with("channelId", "tes".into()), FORBIDDEN),
        ("a key of another channel", token().key("teams-only"), activity(), FORBIDDEN),
        ("a key of that channel", token().key("teams-only"), activity_with("channelId", "msteams".into()), OK),
        ("an activity without serviceUrl", token(), activity_with("serviceUrl", Value::Null), UNAUTHORIZED),
        ("an activity's serviceUrl empty", token(), activity_with("serviceUrl", "".into()), UNAUTHORIZED),
        (
            "neither has a service URL",
            token().without("serviceurl"),
            activity_with("serviceUrl", Value::Null),
            UNAUTHORIZED,
        ),
    ]
}

/// The same valid token, carried in other ways.
fn headers(good: &str) -> Vec<(&'static str, Vec<String>, u16)> {
    let one = |text: String| vec![text];
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!("a token has three parts") };
    let flipped = |text: &str, at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    vec![
        ("no token", vec![], UNAUTHORIZED),
        ("Bearer alone", one("Bearer".to_owned()), UNAUTHORIZED),
        ("Bearer and garbage", one("Bearer garbage".to_owned()), UNAUTHORIZED),
        ("Bearer and dots", one("Bearer ..".to_owned()), UNAUTHORIZED),
        ("no scheme", one(good.to_owned()), UNAUTHORIZED),
        ("bearer", one(format!("bearer {good}")), UNAUTHORIZED),
        ("BEARER", one(format!("BEARER {good}")), UNAUTHORIZED),
        ("Basic", one(format!("Basic {good}")), UNAUTHORIZED),
        ("two spaces", one(format!("Bearer  {good}")), UNAUTHORIZED),
        ("a tab", one(format!("Bearer\t{good}")), UNAUTHORIZED),
        ("something behind it", one(format!("Bearer {good} more")), UNAUTHORIZED),
        ("a list of two", one(format!("Bearer {good}, Bearer {good}")), UNAUTHORIZED),
        ("two headers", vec![format!("Bearer {good}"), "Bearer garbage".to_owned()], UNAUTHORIZED),
        ("two headers, the second good", vec!["Bearer garbage".to_owned(), format!("Bearer {good}")], UNAUTHORIZED),
        ("a bad signature", one(format!("Bearer {head}.{body}.{}", flipped(signature, 10))), UNAUTHORIZED),
        ("a changed body", one(format!("Bearer {head}.{}.{signature}", flipped(body, body.len() / 2))), UNAUTHORIZED),
        ("a changed header", one(format!("Bearer {}.{body}.{signature}", flipped(head, 5))), UNAUTHORIZED),
        ("no signature", one(format!("Bearer {head}.{body}.")), UNAUTHORIZED),
        ("two parts", one(format!("Bearer {head}.{body}")), UNAUTHORIZED),
        ("four parts", one(format!("Bearer {good}.more")), UNAUTHORIZED),
        ("five parts", one(format!("Bearer {good}.more.more")), UNAUTHORIZED),
        ("padded", one(format!("Bearer {good}==")), UNAUTHORIZED),
        ("quoted", one(format!("Bearer \"{good}\"")), UNAUTHORIZED),
        ("of 20 KiB", one(format!("Bearer {head}.{body}{}.{signature}", "A".repeat(20 << 10))), UNAUTHORIZED),
    ]
}

/// Bodies that are no activity, with a valid token.
fn bodies() -> Vec<(&'static str, Body, u16)> {
    let text = |text: &str| Body::Text(text.to_owned());
    vec![
        ("an empty object", text("{}"), BAD_REQUEST),
        ("no body", text(""), BAD_REQUEST),
        ("a list", text("[]"), BAD_REQUEST),
        ("no JSON", text("{\"type\":"), BAD_REQUEST),
        ("no type", Body::Activity(activity_with("type", Value::Null)), BAD_REQUEST),
        ("type a number", Body::Activity(activity_with("type", 1.into())), BAD_REQUEST),
        ("no channelId", Body::Activity(activity_with("channelId", Value::Null)), BAD_REQUEST),
        ("no conversation", Body::Activity(activity_with("conversation", Value::Null)), BAD_REQUEST),
        ("a conversation without id", Body::Activity(activity_with("conversation", json!({}))), BAD_REQUEST),
        ("Type beside type", Body::Activity(activity_with("Type", "message".into())), BAD_REQUEST),
        ("type twice", text(&activity().to_string().replacen('{', "{\"type\":\"message\",", 1)), BAD_REQUEST),
    ]
}
