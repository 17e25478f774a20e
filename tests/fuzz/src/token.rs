//! `Authorization` headers: one token was signed, and no other is ever accepted.
//!
//! Four lines: the header, the channel, the service URL, and seconds from the moment of signing.

use std::path::Path;
use std::sync::LazyLock;

use botgate::bot::token::{Bound, Caller, KeySet, Keys, TokenCache, check};
use botgate::config::{self, TokensConfig};
use botgate::model::Utc;
use botgate::wire::Fields;
use http::HeaderValue;
use http::header::AUTHORIZATION;

const TOKEN: &str = include_str!("../fixed/token.txt");
const JWKS: &str = include_str!("../fixed/jwks.json");
const SIGNED: i64 = 1_795_324_786;
const SERVICE: &str = "https://smba.test/emea/";

struct World {
    keys: KeySet,
    config: TokensConfig,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let text = "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n[[route]]\npool = \"p\"\n[route.guard]\n\
        app_ids = [\"a1b2c3d4-0000-4000-8000-00000000000a\"]\nemulator = true\nskills = [\"a1b2c3d4-0000-4000-8000-00000000000c\"]\n\
        [[pool]]\nname = \"p\"\nkind = \"bot\"\n[[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n";
    let loaded = config::parse("fuzz", text, Path::new(""), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(false)));
    let guard = loaded.config.routes.into_iter().next().and_then(|route| route.guard).unwrap();
    World { keys: KeySet::read(JWKS, None).unwrap(), config: *guard.tokens.unwrap() }
});

pub fn target(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (authorization, channel, service, later) = (line(), line(), line(), line());
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    let later: i64 = text(later).trim().parse().unwrap_or(0).clamp(-1_000_000_000, 1_000_000_000);
    let Ok(value) = HeaderValue::from_bytes(authorization) else { return };
    let mut fields = Fields::default();
    fields.append(AUTHORIZATION, value);
    let service = text(service);
    let bound = Bound::Activity { channel_id: text(channel), service_url: (!service.is_empty()).then_some(service) };
    let World { keys, config } = &*WORLD;
    let keys = Keys { channel: Some(keys), entra: Some(keys) };
    let now = Utc::from_millis((SIGNED + later) * 1000);
    let mut cache = TokenCache::default();
    let first = check(&fields, bound, keys, config, &mut cache, now);
    // What was kept of the first time must not make a difference.
    assert_eq!(first, check(&fields, bound, keys, config, &mut cache, now));
    let good = authorization.strip_prefix(b"Bearer ").is_some_and(|token| token == TOKEN.trim().as_bytes())
        && ["test", "msteams"].contains(&text(channel))
        && service == SERVICE
        && (-305..900).contains(&later);
    match first {
        Ok(caller) => assert!(good && caller == Caller::Channel, "accepted: {caller:?}"),
        Err(refused) => assert!(!good, "the signed token is refused: {refused:?}"),
    }
}
