//! What the guard of a bot route costs: `cargo bench --bench guard`.
//!
//! An activity of 1 KiB with a token that is known already, with one whose signature is to be verified, and rubbish.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, unreachable_pub, reason = "a benchmark may fail loudly")]

use std::hint::black_box;

use botgate::bot::Facts;
use botgate::bot::token::{Bound, Caller, KeySet, Keys, Refused, TokenCache, check};
use botgate::config::{TokensConfig, parse};
use botgate::model::Utc;
use botgate::wire::Fields;
use criterion::{Criterion, criterion_group, criterion_main};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

#[path = "../tests/support/issuer/cases.rs"]
mod cases;
#[path = "../tests/support/issuer/mint.rs"]
mod mint;
#[path = "../tests/support/issuer/scene.rs"]
mod scene;

use scene::{APP, SERVICE, Signers, activity, claims};

const NOW: i64 = 1_795_324_786;

fn config() -> TokensConfig {
    let text = format!(
        "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n[[route]]\npool = \"p\"\n[route.guard]\napp_ids = [\"{APP}\"]\n\
         [[pool]]\nname = \"p\"\nkind = \"bot\"\n[[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n"
    );
    let mut config = parse("botgate.toml", &text, "".as_ref(), &|_| None).unwrap().config;
    *config.routes.remove(0).guard.unwrap().tokens.unwrap()
}

fn bearer(token: &str) -> Fields {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap())]).into()
}

fn guard(c: &mut Criterion) {
    let (signers, config) = (Signers::new(), config());
    let keys = KeySet::read(&signers.channel_jwks().to_string(), None).unwrap();
    let mut body = activity();
    body["text"] = "x".repeat(1024 - body.to_string().len()).into();
    let body = body.to_string();
    let good = bearer(&signers.endorsed.token(&claims(NOW)));
    let now = Utc::from_millis(NOW * 1000);
    let one = |headers: &Fields, cache: &mut TokenCache| -> Result<Caller, Refused> {
        let bound = Bound::Activity { channel_id: "test", service_url: Some(SERVICE) };
        let keys = Keys { channel: Some(&keys), entra: None };
        check(black_box(headers), bound, keys, &config, cache, now)
    };

    let mut group = c.benchmark_group("guard");
    group.bench_function("activity of 1 KiB", |b| b.iter(|| Facts::read(black_box(body.as_bytes())).is_ok()));
    let mut cache = TokenCache::default();
    assert_eq!(one(&good, &mut cache), Ok(Caller::Channel));
    group.bench_function("token, known", |b| b.iter(|| one(&good, &mut cache)));
    group.bench_function("both, known", |b| {
        b.iter(|| (Facts::read(black_box(body.as_bytes())).is_ok(), one(&good, &mut cache)));
    });
    group.bench_function("token, new", |b| b.iter(|| one(&good, &mut TokenCache::default())));
    let mut none = TokenCache::default();
    for (name, headers) in [
        ("no token", Fields::default()),
        ("rubbish", bearer("rubbish")),
        ("wrong audience", bearer(&signers.endorsed.token(&mint::with(claims(NOW), &serde_json::json!({"aud": "x"}))))),
        ("unknown key", bearer(&signers.stranger.token(&claims(NOW)))),
        ("forged", bearer(&signers.stranger.raw(signers.endorsed.header().to_string(), claims(NOW).to_string()))),
    ] {
        group.bench_function(format!("refused, {name}"), |b| b.iter(|| one(&headers, &mut none).is_err()));
    }
    let deep = "[".repeat(1024);
    group.bench_function("refused, no activity", |b| b.iter(|| Facts::read(black_box(deep.as_bytes())).is_err()));
    group.finish();
}

criterion_group!(benches, guard);
criterion_main!(benches);
