//! The matrix against the check alone, and what needs a clock that stands still.

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::json;

use super::*;
use crate::config::{Config, TokensConfig};
use crate::model::{TokenFault, Utc};
use crate::wire::Fields;

#[allow(unreachable_pub, dead_code, reason = "shared with the integration tests")]
#[path = "../../../tests/support/issuer/cases.rs"]
mod cases;
#[allow(unreachable_pub, dead_code, reason = "shared with the integration tests")]
#[path = "../../../tests/support/issuer/mint.rs"]
mod mint;
#[allow(unreachable_pub, dead_code, reason = "shared with the integration tests")]
#[path = "../../../tests/support/issuer/scene.rs"]
mod scene;

use mint::with;
use scene::{APP, Case, Door, SECOND_APP, SERVICE, SKILL, Signers, activity, claims, entra_claims};

const NOW: i64 = 1_795_324_786;

fn config(keys: &str) -> TokensConfig {
    let guard = format!("[route.guard]\napp_ids = [\"{APP}\", \"{SECOND_APP}\"]\n{keys}\n");
    let text = format!(
        "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n[[route]]\npool = \"p\"\n{guard}[[pool]]\nname = \"p\"\n\
         kind = \"bot\"\n[[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n"
    );
    let Config { mut routes, .. } = crate::config::parse("botgate.toml", &text, "".as_ref(), &|_| None).unwrap().config;
    *routes.remove(0).guard.unwrap().tokens.unwrap()
}

fn open() -> TokensConfig {
    config(&format!("emulator = true\nskills = [\"{SKILL}\"]"))
}

fn set(jwks: &serde_json::Value) -> KeySet {
    KeySet::read(&jwks.to_string(), None).unwrap()
}

/// A world with a clock that stands still.
struct World {
    signers: Signers,
    channel: KeySet,
    entra: KeySet,
    config: TokensConfig,
    cache: TokenCache,
}

impl World {
    fn new() -> Self {
        let signers = Signers::new();
        let (channel, entra) = (set(&signers.channel_jwks()), set(&signers.entra_jwks()));
        Self { signers, channel, entra, config: open(), cache: TokenCache::default() }
    }

    fn check(&mut self, authorization: &[String], bound: Bound<'_>, now: Utc) -> Result<Caller, Refused> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        let keys = Keys { channel: Some(&self.channel), entra: Some(&self.entra) };
        check(&headers.into(), bound, keys, &self.config, &mut self.cache, now)
    }

    /// The verdict on a token that comes with the usual activity.
    fn verdict(&mut self, token: &str, millis: i64) -> Result<Caller, TokenFault> {
        let bound = Bound::Activity { channel_id: "test", service_url: Some(SERVICE) };
        let refused = |refused: Refused| refused.fault;
        self.check(&[format!("Bearer {token}")], bound, Utc::from_millis(millis)).map_err(refused)
    }

    fn case(&mut self, case: &Case) -> &'static str {
        let text = |name: &str| case.activity[name].as_str();
        let bound = Bound::Activity { channel_id: text("channelId").unwrap(), service_url: text("serviceUrl") };
        match self.check(&case.authorization, bound, Utc::from_millis(NOW * 1000)) {
            Ok(_) => "valid",
            Err(refused) => refused.fault.as_str(),
        }
    }
}

#[test]
fn every_token_of_the_matrix_is_judged_as_the_strictest_sdk_would_and_again_the_second_time() {
    let mut world = World::new();
    let (open, narrow) = (open(), config(""));
    let all = cases::cases(&world.signers, NOW);
    assert!(all.len() >= 150, "{}", all.len());
    let mut wrong = Vec::new();
    for round in ["first", "second"] {
        for case in &all {
            world.config = if case.door == Door::Open { open.clone() } else { narrow.clone() };
            let found = world.case(case);
            if found != case.result {
                wrong.push(format!("{} ({round}): {found}, not {}", case.name, case.result));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let names: std::collections::BTreeSet<&str> = all.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "two cases of one name");
}

#[test]
fn a_token_is_good_up_to_the_last_millisecond_of_its_skew_and_not_one_more() {
    let mut world = World::new();
    let skew = 300_000;
    let token = world.signers.endorsed.token(&with(claims(NOW), &json!({"nbf": NOW, "exp": NOW + 600})));
    for (millis, verdict) in [
        (NOW * 1000 - skew - 1, Err(TokenFault::TooEarly)),
        (NOW * 1000 - skew, Ok(Caller::Channel)),
        ((NOW + 600) * 1000 + skew - 1, Ok(Caller::Channel)),
        ((NOW + 600) * 1000 + skew, Err(TokenFault::Expired)),
    ] {
        assert_eq!(world.verdict(&token, millis), verdict, "{millis}");
    }
    let issued = world.signers.endorsed.token(&with(claims(NOW), &json!({"iat": NOW + 1})));
    assert_eq!(world.verdict(&issued, (NOW + 1) * 1000 - skew - 1), Err(TokenFault::TooEarly));
    assert_eq!(world.verdict(&issued, (NOW + 1) * 1000 - skew), Ok(Caller::Channel));
    world.config.skew = Duration::ZERO;
    assert_eq!(world.verdict(&token, (NOW + 600) * 1000), Err(TokenFault::Expired));
    assert_eq!(world.verdict(&token, (NOW + 600) * 1000 - 1), Ok(Caller::Channel));
}

#[test]
fn a_token_that_is_known_is_checked_against_each_activity_and_each_moment_anew() {
    let mut world = World::new();
    let token = world.signers.endorsed.token(&claims(NOW));
    let authorization = [format!("Bearer {token}")];
    let now = Utc::from_millis(NOW * 1000);
    assert_eq!(world.verdict(&token, NOW * 1000), Ok(Caller::Channel));
    assert_eq!(world.cache.len(), 1);
    let mut refused = |channel_id, service_url| {
        let bound = Bound::Activity { channel_id, service_url };
        world.check(&authorization, bound, now).map_err(|refused| refused.fault)
    };
    assert_eq!(refused("test", Some("https://evil.test/")), Err(TokenFault::ServiceUrl));
    assert_eq!(refused("test", None), Err(TokenFault::ServiceUrl));
    assert_eq!(refused("slack", Some(SERVICE)), Err(TokenFault::Endorsement));
    assert_eq!(refused("test", Some(SERVICE)), Ok(Caller::Channel));
    assert_eq!(world.verdict(&token, (NOW + 900) * 1000), Err(TokenFault::Expired));
    world.config.app_ids.retain(|id| id != APP);
    assert_eq!(world.verdict(&token, NOW * 1000), Err(TokenFault::Audience));
}

#[test]
fn a_key_that_is_withdrawn_or_replaced_takes_its_tokens_with_it() {
    let mut world = World::new();
    let token = world.signers.endorsed.token(&claims(NOW));
    assert_eq!(world.verdict(&token, NOW * 1000), Ok(Caller::Channel));
    let former = world.channel.clone();
    // Another key under the same name.
    let other = mint::Signer::new("endorsed");
    world.channel = set(&json!({"keys": [other.jwk(&["test"])]}));
    assert_eq!(world.verdict(&token, NOW * 1000), Err(TokenFault::Signature));
    world.channel = set(&json!({"keys": [world.signers.plain.jwk(&[])]}));
    assert_eq!(world.verdict(&token, NOW * 1000), Err(TokenFault::UnknownKey));
    // No longer endorsed: what was known of the key is not what is published now.
    let jwks = json!({"keys": [world.signers.endorsed.jwk(&["msteams"])]});
    world.channel = KeySet::read(&jwks.to_string(), Some(&former)).unwrap();
    assert_eq!(world.verdict(&token, NOW * 1000), Err(TokenFault::Endorsement));
    world.channel = former;
    assert_eq!(world.verdict(&token, NOW * 1000), Ok(Caller::Channel));
}

#[test]
fn a_forged_token_that_resembles_a_known_one_is_not_known() {
    let mut world = World::new();
    let token = world.signers.endorsed.token(&claims(NOW));
    assert_eq!(world.verdict(&token, NOW * 1000), Ok(Caller::Channel));
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(world.verdict(&format!("{signed}.{}", mint::encode([1; 256])), NOW * 1000), Err(TokenFault::Signature));
    assert_eq!(world.cache.len(), 1, "what is not good is not kept");
}

#[test]
fn the_memory_of_tokens_is_bounded() {
    let mut world = World::new();
    let key = world.channel.find("plain").unwrap().clone();
    let claims = super::claims::Claims::read(claims(NOW).to_string().as_bytes()).unwrap();
    for at in 0..3000 {
        let (kid, claims, key) = ("plain".to_owned(), claims.clone(), key.clone());
        world.cache.keep(&format!("eyJ{at}"), super::cache::Known { kid, claims, key });
    }
    assert!(world.cache.find("eyJ2999").is_some() && world.cache.find("eyJ0").is_none());
    assert!(world.cache.len() <= 2048, "{}", world.cache.len());
    // Two issuers' keys of one name, each on its own route: one token, verified anew again and again.
    for _ in 0..3000 {
        let (kid, claims, key) = ("plain".to_owned(), claims.clone(), key.clone());
        let token = "x".repeat(4096);
        world.cache.keep(&token, super::cache::Known { kid, claims, key });
    }
    assert!(world.cache.find("eyJ2999").is_some(), "one token does not drive out the others");
    assert!(!format!("{:?}", world.cache).contains("eyJ"));
}

#[test]
fn a_stream_is_endorsed_by_its_header_and_anything_else_by_its_token_alone() {
    let mut world = World::new();
    let authorization = [format!("Bearer {}", world.signers.endorsed.token(&claims(NOW)))];
    let now = Utc::from_millis(NOW * 1000);
    let mut ask = |bound| world.check(&authorization, bound, now).map_err(|refused| refused.fault);
    assert_eq!(ask(Bound::Stream { channel_id: Some("test") }), Ok(Caller::Channel));
    assert_eq!(ask(Bound::Stream { channel_id: Some("slack") }), Err(TokenFault::Endorsement));
    assert_eq!(ask(Bound::Stream { channel_id: None }), Err(TokenFault::Endorsement));
    assert_eq!(ask(Bound::Nothing), Ok(Caller::Channel));
}

#[test]
fn a_stream_that_does_not_say_its_channel_is_refused_whatever_its_key_is_endorsed_for() {
    let mut world = World::new();
    let now = Utc::from_millis(NOW * 1000);
    for token in [world.signers.plain.token(&claims(NOW)), world.signers.entra.token(&entra_claims(NOW, SKILL))] {
        let authorization = [format!("Bearer {token}")];
        for round in ["first", "known"] {
            for (channel_id, good) in [(None, false), (Some(""), false), (Some(" "), false), (Some("test"), true)] {
                let verdict = world.check(&authorization, Bound::Stream { channel_id }, now);
                assert_eq!(verdict.is_ok(), good, "{channel_id:?} ({round})");
            }
        }
    }
}

#[test]
fn an_app_services_channel_shows_a_token_of_the_bots_own() {
    // Not among the cases that real bots are sent: their SDK has Entra's keys from nowhere else than Entra.
    let mut world = World::new();
    let authorization = [format!("Bearer {}", world.signers.entra.token(&entra_claims(NOW, APP)))];
    let now = Utc::from_millis(NOW * 1000);
    let bound = Bound::Activity { channel_id: "AseChannel", service_url: Some(SERVICE) };
    assert_eq!(world.check(&authorization, bound, now), Ok(Caller::Emulator));
    let stream = Bound::Stream { channel_id: Some("AseChannel") };
    assert_eq!(world.check(&authorization, stream, now), Ok(Caller::Emulator));
    let connector = [format!("Bearer {}", world.signers.plain.token(&claims(NOW)))];
    let refused = Refused { fault: TokenFault::Issuer, issuer: None };
    assert_eq!(world.check(&connector, stream, now), Err(refused));
}

#[test]
fn without_keys_nothing_is_said_about_a_token_that_could_be_good_and_who_is_to_fetch_them_is_told() {
    let world = World::new();
    let fields = |token: String| -> Fields {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap())]).into()
    };
    let now = Utc::from_millis(NOW * 1000);
    let mut cache = TokenCache::default();
    let mut ask =
        |token, keys| check(&fields(token), Bound::Nothing, keys, &world.config, &mut cache, now).unwrap_err();
    let good = world.signers.endorsed.token(&claims(NOW));
    assert_eq!(ask(good, Keys::default()), Refused { fault: TokenFault::NoKeys, issuer: Some(IssuerKind::Channel) });
    let expired = world.signers.endorsed.token(&with(claims(NOW), &json!({"exp": 1000, "nbf": null})));
    assert_eq!(ask(expired, Keys::default()).fault, TokenFault::Expired);
    let keys = Keys { channel: Some(&world.channel), entra: None };
    let skill = world.signers.entra.token(&entra_claims(NOW, SKILL));
    assert_eq!(ask(skill, keys), Refused { fault: TokenFault::NoKeys, issuer: Some(IssuerKind::Entra) });
    let unknown = world.signers.stranger.token(&claims(NOW));
    assert_eq!(ask(unknown, keys), Refused { fault: TokenFault::UnknownKey, issuer: Some(IssuerKind::Channel) });
    assert_eq!(activity()["channelId"], "test");
}

#[test]
fn keys_that_cannot_be_used_are_passed_over() {
    let signers = Signers::new();
    let good = signers.plain.jwk(&[]);
    for more in [
        json!({"kty": "EC"}),
        json!({"use": "enc"}),
        json!({"use": 1}),
        json!({"alg": "RS512"}),
        json!({"kid": null}),
        json!({"kid": 7}),
        json!({"kid": ""}),
        json!({"kid": "k".repeat(300)}),
        json!({"n": null}),
        json!({"n": "AQAB"}),
        json!({"n": "not base64!"}),
        json!({"e": "AQ"}),
        json!({"e": "Ag"}),
        json!({"e": "AQAAAAE"}),
        json!({"key_ops": ["encrypt"]}),
        json!({"key_ops": "verify"}),
        json!({"endorsements": "test"}),
        json!({"endorsements": [1]}),
    ] {
        let jwks = json!({"keys": [with(good.clone(), &more)]}).to_string();
        assert_eq!(KeySet::read(&jwks, None), Err(KeyFault::NoUsableKey(1)), "{more}");
        let jwks = json!({"keys": [with(good.clone(), &more), good]}).to_string();
        assert_eq!(KeySet::read(&jwks, None).map(|set| set.len()), Ok(1), "{more}");
    }
    for more in [json!({"use": null}), json!({"alg": "RS256"}), json!({"key_ops": ["verify"]}), json!({"x5c": ["…"]})]
    {
        assert!(KeySet::read(&json!({"keys": [with(good.clone(), &more)]}).to_string(), None).is_ok(), "{more}");
    }
    for bad in ["", "[]", "{}", "{\"keys\":{}}", "<html>"] {
        assert!(matches!(KeySet::read(bad, None), Err(KeyFault::NoSet(_))), "{bad}");
    }
    assert_eq!(KeySet::read("{\"keys\":[]}", None), Err(KeyFault::NoUsableKey(0)));
}

#[test]
fn metadata_names_its_keys() {
    assert_eq!(jwks_uri(r#"{"issuer":"x","jwks_uri":"https://a/keys"}"#).as_deref(), Ok("https://a/keys"));
    for bad in ["", "{}", r#"{"jwks_uri":""}"#, r#"{"jwks_uri":1}"#, "<html>"] {
        assert!(jwks_uri(bad).is_err(), "{bad}");
    }
    for lie in ["\"hunter2\"", r#"{"hunter2":1}"#, r#"{"jwks_uri":["hunter2"]}"#, "hunter2"] {
        let why = jwks_uri(lie).unwrap_err();
        assert!(!why.contains("hunter2"), "{why}");
        assert!(!KeySet::read(lie, None).unwrap_err().to_string().contains("hunter2"));
    }
}

#[test]
fn what_an_sdk_takes_for_a_skill_or_for_another_tenants_is_refused() {
    let mut world = World::new();
    let connector = |world: &World, more| world.signers.endorsed.token(&with(claims(NOW), &more));
    let entra = |world: &World, more| world.signers.entra.token(&with(entra_claims(NOW, APP), &more));
    for (token, verdict) in [
        (connector(&world, json!({"appid": "AnonymousSkill"})), Err(TokenFault::Issuer)),
        (connector(&world, json!({"appid": SKILL})), Ok(Caller::Channel)),
        (connector(&world, json!({"ver": "1.0"})), Ok(Caller::Channel)),
        (entra(&world, json!({"appid": "AnonymousSkill"})), Err(TokenFault::Caller)),
        (entra(&world, json!({"tid": "ffffffff-0000-4000-8000-00000000000f"})), Err(TokenFault::Issuer)),
        (entra(&world, json!({"tid": "d6d49420"})), Err(TokenFault::Issuer)),
        (entra(&world, json!({"tid": ""})), Err(TokenFault::Issuer)),
        (entra(&world, json!({"tid": scene::TENANTS[0]})), Ok(Caller::Emulator)),
        (entra(&world, json!({"tid": [scene::TENANTS[0]]})), Err(TokenFault::Malformed)),
    ] {
        assert_eq!(world.verdict(&token, NOW * 1000), verdict, "{token}");
    }
}

/// The rules of an admin listener with these keys beside the least that it needs.
fn oidc(keys: &str) -> crate::config::OidcConfig {
    let text = format!(
        "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n[[route]]\npool = \"p\"\n[[pool]]\nname = \"p\"\n\
         [[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n[admin.oidc]\nissuer = \"https://issuer.test/v2.0\"\n\
         audience = \"api://botgate\"\nroles = {{ Ops = \"operator\", Eyes = \"viewer\" }}\n{keys}\n"
    );
    crate::config::parse("botgate.toml", &text, "".as_ref(), &|_| None).unwrap().config.admin.oidc.unwrap()
}

fn operator() -> serde_json::Value {
    json!({"iss": "https://issuer.test/v2.0", "aud": "api://botgate", "sub": "ann", "roles": ["Ops"],
        "nbf": NOW - 10, "iat": NOW - 10, "exp": NOW + 600})
}

#[test]
fn a_token_of_an_operator_is_judged_by_all_that_it_says() {
    use crate::model::Role::{Operator, Viewer};
    let signers = Signers::new();
    let (signer, keys) = (&signers.endorsed, set(&signers.channel_jwks()));
    let now = Utc::from_millis(NOW * 1000);
    let verdict = |token: &str, rules: &str| check_oidc(token, &oidc(rules), Some(&keys), now);
    let of = |more: serde_json::Value| verdict(&signer.token(&with(operator(), &more)), "").map(|good| good.role);
    let good = verdict(&signer.token(&operator()), "").unwrap();
    assert_eq!((good.actor.as_str(), good.role), ("ann", Some(Operator)));
    assert_eq!(good.until, Utc::from_millis((NOW + 660) * 1000), "the skew is a minute");
    for (more, expected) in [
        (json!({"roles": ["Eyes"]}), Ok(Some(Viewer))),
        (json!({"roles": ["Eyes", "Ops", "x"]}), Ok(Some(Operator))),
        (json!({"roles": "x Eyes"}), Ok(Some(Viewer))),
        (json!({"roles": ["ops"]}), Ok(None)),
        (json!({"roles": null}), Ok(None)),
        (json!({"roles": ["Ops", 1]}), Err(TokenFault::Malformed)),
        (json!({"aud": ["other", "api://botgate"]}), Ok(Some(Operator))),
        (json!({"aud": ["other"]}), Err(TokenFault::Audience)),
        (json!({"aud": "api://botgate2"}), Err(TokenFault::Audience)),
        (json!({"aud": null}), Err(TokenFault::Audience)),
        (json!({"iss": "https://issuer.test/v2.0/"}), Err(TokenFault::Issuer)),
        (json!({"iss": null}), Err(TokenFault::Issuer)),
        (json!({"exp": null}), Err(TokenFault::Expired)),
        (json!({"exp": NOW - 60}), Err(TokenFault::Expired)),
        (json!({"exp": NOW - 59, "nbf": NOW - 600}), Ok(Some(Operator))),
        (json!({"exp": (NOW + 600).to_string()}), Err(TokenFault::Malformed)),
        (json!({"nbf": NOW + 61}), Err(TokenFault::TooEarly)),
        (json!({"sub": null}), Err(TokenFault::Caller)),
        (json!({"sub": ""}), Err(TokenFault::Caller)),
        (json!({"sub": "ann (root)"}), Err(TokenFault::Caller)),
        (json!({"sub": "a".repeat(129)}), Err(TokenFault::Caller)),
    ] {
        assert_eq!(of(more.clone()), expected, "{more}");
    }
    let elsewhere = signer.token(&with(operator(), &json!({"roles": null, "groups": ["Ops"], "oid": "0-1"})));
    let good = verdict(&elsewhere, "roles_claim = \"groups\"\nactor_claim = \"oid\"").unwrap();
    assert_eq!((good.actor.as_str(), good.role), ("0-1", Some(Operator)));
}

#[test]
fn a_token_of_an_operator_that_its_issuer_did_not_sign_is_refused() {
    let signers = Signers::new();
    let (signer, keys) = (&signers.endorsed, set(&signers.channel_jwks()));
    let now = Utc::from_millis(NOW * 1000);
    let claims = operator().to_string();
    let fault = |token: &str, keys: Option<&KeySet>| check_oidc(token, &oidc(""), keys, now).unwrap_err();
    let of = |header: serde_json::Value| fault(&signer.raw(header.to_string(), &claims), Some(&keys));
    assert_eq!(fault(&signer.token(&operator()), None), TokenFault::NoKeys);
    let stranger = mint::Signer::new(&signer.kid);
    assert_eq!(fault(&stranger.token(&operator()), Some(&keys)), TokenFault::Signature);
    assert_eq!(fault(&mint::Signer::new("other").token(&operator()), Some(&keys)), TokenFault::UnknownKey);
    assert_eq!(of(with(signer.header(), &json!({"alg": "none"}))), TokenFault::Algorithm);
    assert_eq!(of(with(signer.header(), &json!({"alg": "HS256"}))), TokenFault::Algorithm);
    assert_eq!(of(with(signer.header(), &json!({"jku": "https://x"}))), TokenFault::Algorithm);
    assert_eq!(of(with(signer.header(), &json!({"typ": "secevent+jwt"}))), TokenFault::Malformed);
    let hmac = mint::hmac(signer.modulus().as_bytes(), &with(signer.header(), &json!({"alg": "HS256"})), &operator());
    assert_eq!(fault(&hmac, Some(&keys)), TokenFault::Algorithm);
    for text in ["", "..", "a.b", "a.b.c.d.e", "a.b.c"] {
        assert_eq!(fault(text, Some(&keys)), TokenFault::Malformed, "{text}");
    }
    let access = signer.raw(with(signer.header(), &json!({"typ": "at+jwt"})).to_string(), &claims);
    assert!(check_oidc(&access, &oidc(""), Some(&keys), now).is_ok());
    assert!(looks_like_one(&access) && !looks_like_one("s3cret") && !looks_like_one(&"a".repeat(20_000)));
}
