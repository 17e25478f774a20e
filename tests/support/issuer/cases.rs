//! The matrix: tokens good and bad in every way that anybody has thought of, each with what the strictest SDK, the
//! connector's documentation and RFC 8725 make of it. Also included by the unit tests of the token check.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::mint::{encode, hmac, with};
use super::scene::*;

/// Collects cases.
struct Table(Vec<Case>);

impl Table {
    fn add(&mut self, name: &str, result: &'static str, token: impl AsRef<str>) {
        self.said(name, result, &[&format!("Bearer {}", token.as_ref())]);
    }

    fn said(&mut self, name: &str, result: &'static str, authorization: &[&str]) {
        let authorization = authorization.iter().map(|&value| value.to_owned()).collect();
        self.0.push(Case { name: name.to_owned(), door: Door::Open, authorization, activity: activity(), result });
    }

    fn at(&mut self, door: Door, name: &str, result: &'static str, token: impl AsRef<str>) {
        self.add(name, result, token);
        self.0.last_mut().unwrap().door = door;
    }

    fn about(&mut self, activity: Value, name: &str, result: &'static str, token: impl AsRef<str>) {
        self.add(name, result, token);
        self.0.last_mut().unwrap().activity = activity;
    }
}

/// Every case, for requests that are sent within a minute of `now`.
pub fn cases(keys: &Signers, now: i64) -> Vec<Case> {
    let mut table = Table(Vec::new());
    good(&mut table, keys, now);
    headers(&mut table, keys, now);
    claimed(&mut table, keys, now);
    times(&mut table, keys, now);
    algorithms(&mut table, keys, now);
    signatures(&mut table, keys, now);
    texts(&mut table, keys, now);
    callers(&mut table, keys, now);
    table.0
}

fn good(table: &mut Table, keys: &Signers, now: i64) {
    let (key, usual) = (&keys.endorsed, claims(now));
    let mut claim = |name: &str, more: Value| table.add(name, "valid", key.token(&with(usual.clone(), &more)));
    claim("valid", json!({}));
    claim("the other app id", json!({"aud": SECOND_APP}));
    claim("expired 4 min ago", json!({"exp": now - 240, "nbf": now - 900}));
    claim("nbf 4 min ahead", json!({"nbf": now + 240}));
    claim("iat 4 min ahead", json!({"iat": now + 240}));
    claim("no nbf", json!({"nbf": null}));
    claim("claims nobody knows", json!({"x": [1, {"y": null}], "z": 1.5}));
    table.add("a key without endorsements", "valid", keys.plain.token(&usual));
    let header = with(key.header(), &json!({"typ": null, "x5t": "abc"}));
    table.add("no typ, a thumbprint", "valid", key.raw(header.to_string(), usual.to_string()));
    let escaped = usual.to_string().replace("https://smba", "https:\\/\\/smba");
    table.add("escapes in a claim", "valid", key.raw(key.header().to_string(), escaped));
    let slack = with(activity(), &json!({"channelId": "slack"}));
    table.about(slack.clone(), "another channel, key without endorsements", "valid", keys.plain.token(&usual));
    table.about(slack, "channel not endorsed", "endorsement", key.token(&usual));
    let ase = with(activity(), &json!({"channelId": "AseChannel"}));
    table.about(ase.clone(), "the connector's, for a channel of an App Service", "issuer", keys.plain.token(&usual));
    let skill = keys.entra.token(&entra_claims(now, SKILL));
    table.about(ase, "a skill's, for a channel of an App Service", "caller", skill);
    let cased = with(activity(), &json!({"channelId": "Test"}));
    table.about(cased, "channel endorsed in another case", "endorsement", key.token(&usual));
}

fn headers(table: &mut Table, keys: &Signers, now: i64) {
    let token = keys.endorsed.token(&claims(now));
    table.said("no token", "missing", &[]);
    table.said("an empty header", "missing", &[""]);
    for (name, value) in [
        ("the scheme alone", "Bearer".to_owned()),
        ("lower-case scheme", format!("bearer {token}")),
        ("upper-case scheme", format!("BEARER {token}")),
        ("another scheme", format!("Basic {token}")),
        ("no scheme", token.clone()),
        ("two spaces", format!("Bearer  {token}")),
        ("a tab", format!("Bearer\t{token}")),
        ("a colon", format!("Bearer: {token}")),
        ("two in one header", format!("Bearer {token}, Bearer {token}")),
        ("quotes", format!("Bearer \"{token}\"")),
    ] {
        table.said(name, "malformed", &[&value]);
    }
    let value = format!("Bearer {token}");
    table.said("a word after the token", "signature", &[&format!("Bearer {token} x")]);
    table.said("two headers", "malformed", &[&value, &value]);
    table.said("two headers, the first empty", "malformed", &["", &value]);
    let padded = with(claims(now), &json!({"pad": "x".repeat(17 * 1024)}));
    table.add("oversized", "too-large", keys.endorsed.token(&padded));
    let big = with(claims(now), &json!({"pad": "x".repeat(8 * 1024)}));
    table.add("large", "valid", keys.endorsed.token(&big));
}

fn claimed(table: &mut Table, keys: &Signers, now: i64) {
    let (key, usual) = (&keys.endorsed, claims(now));
    for (name, result, more) in [
        ("wrong aud", "audience", json!({"aud": SKILL})),
        ("aud is the issuer", "audience", json!({"aud": CHANNEL})),
        ("no aud", "audience", json!({"aud": null})),
        ("empty aud", "audience", json!({"aud": ""})),
        ("aud in upper case", "audience", json!({"aud": APP.to_uppercase()})),
        ("aud and a space", "audience", json!({"aud": format!("{APP} ")})),
        ("aud as a list", "malformed", json!({"aud": [APP]})),
        ("aud as a list of two", "malformed", json!({"aud": [APP, SKILL]})),
        ("aud as a number", "malformed", json!({"aud": 1})),
        ("aud as an object", "malformed", json!({"aud": {"0": APP}})),
        ("wrong iss", "issuer", json!({"iss": "https://evil.test"})),
        ("no iss", "issuer", json!({"iss": null})),
        ("empty iss", "issuer", json!({"iss": ""})),
        ("iss and a slash", "issuer", json!({"iss": format!("{CHANNEL}/")})),
        ("iss in upper case", "issuer", json!({"iss": "https://API.botframework.com"})),
        ("iss over http", "issuer", json!({"iss": "http://api.botframework.com"})),
        ("iss that looks alike", "issuer", json!({"iss": "https://\u{430}pi.botframework.com"})),
        ("iss with a zero byte", "issuer", json!({"iss": format!("{CHANNEL}\0")})),
        ("iss of another cloud (US Gov)", "issuer", json!({"iss": "https://api.botframework.us"})),
        ("iss of another cloud (China)", "issuer", json!({"iss": "https://api.botframework.azure.cn"})),
        ("iss as a list", "malformed", json!({"iss": [CHANNEL]})),
        ("iss as a bool", "malformed", json!({"iss": true})),
        ("serviceurl on another port", "service-url", json!({"serviceurl": "https://smba.test:444/emea/"})),
        ("serviceurl without its slash", "service-url", json!({"serviceurl": "https://smba.test/emea"})),
        ("serviceurl in another case", "service-url", json!({"serviceurl": "https://SMBA.test/emea/"})),
        ("serviceurl on the default port", "service-url", json!({"serviceurl": "https://smba.test:443/emea/"})),
        ("no serviceurl", "service-url", json!({"serviceurl": null})),
        ("empty serviceurl", "service-url", json!({"serviceurl": ""})),
        ("serviceUrl, not serviceurl", "service-url", json!({"serviceurl": null, "serviceUrl": SERVICE})),
        ("serviceurl as a list", "malformed", json!({"serviceurl": [SERVICE]})),
    ] {
        table.add(name, result, key.token(&with(usual.clone(), &more)));
    }
    for claim in ["iss", "aud", "exp", "nbf", "iat", "serviceurl"] {
        let mut null = usual.clone();
        null[claim] = Value::Null;
        table.add(&format!("{claim} is null"), "malformed", key.token(&null));
    }
    for (name, more) in [
        ("activity without serviceUrl", json!({"serviceUrl": null})),
        ("activity with another serviceUrl", json!({"serviceUrl": "https://evil.test/"})),
        ("activity with a serviceUrl that is no text", json!({"serviceUrl": [SERVICE]})),
    ] {
        table.about(with(activity(), &more), name, "service-url", key.token(&usual));
    }
    let bare = with(activity(), &json!({"serviceUrl": null}));
    let neither = key.token(&with(usual.clone(), &json!({"serviceurl": null})));
    table.about(bare, "serviceurl neither here nor there", "service-url", neither);
    let empty = with(activity(), &json!({"serviceUrl": ""}));
    table.about(
        empty,
        "serviceurl empty on both sides",
        "service-url",
        key.token(&with(usual, &json!({"serviceurl": ""}))),
    );
}

fn times(table: &mut Table, keys: &Signers, now: i64) {
    let (key, usual) = (&keys.endorsed, claims(now));
    for (name, result, more) in [
        ("expired 6 min ago", "expired", json!({"exp": now - 360, "nbf": now - 900})),
        ("expired in 1970", "expired", json!({"exp": 0, "nbf": null})),
        ("no exp", "expired", json!({"exp": null})),
        ("exp in quotes", "malformed", json!({"exp": (now + 600).to_string()})),
        ("exp with a fraction", "malformed", json!({"exp": (now + 600) as f64 + 0.5})),
        ("exp with an exponent", "malformed", json!({"exp": 1e30})),
        ("exp before 1970", "malformed", json!({"exp": -1})),
        ("exp as a list", "malformed", json!({"exp": [now + 600]})),
        ("exp as a bool", "malformed", json!({"exp": true})),
        ("exp beyond all calendars", "malformed", json!({"exp": i64::MAX})),
        ("exp beyond 64 bits", "malformed", json!({"exp": u64::MAX})),
        ("exp in milliseconds", "malformed", json!({"exp": (now + 600) * 1000})),
        ("nbf 6 min ahead", "too-early", json!({"nbf": now + 360})),
        ("nbf after exp", "too-early", json!({"nbf": now + 120, "exp": now + 60})),
        ("nbf in quotes", "malformed", json!({"nbf": now.to_string()})),
        ("nbf with a fraction", "malformed", json!({"nbf": now as f64 - 0.5})),
        ("nbf before 1970", "malformed", json!({"nbf": -5})),
        ("iat 6 min ahead", "too-early", json!({"iat": now + 360})),
        ("iat in quotes", "malformed", json!({"iat": "yesterday"})),
    ] {
        table.add(name, result, key.token(&with(usual.clone(), &more)));
    }
    let endless = usual.to_string().replace(&format!("{}", now + 600), "1e999");
    table.add("exp without end", "malformed", key.raw(key.header().to_string(), endless));
}

fn algorithms(table: &mut Table, keys: &Signers, now: i64) {
    let (key, usual) = (&keys.endorsed, claims(now));
    for none in ["none", "None", "NONE", "nOnE"] {
        let header = with(key.header(), &json!({"alg": none}));
        let signed = format!("{}.{}", encode(header.to_string()), encode(usual.to_string()));
        table.add(&format!("alg {none}, no signature"), "algorithm", format!("{signed}."));
        table.add(&format!("alg {none}, signed"), "algorithm", key.raw(header.to_string(), usual.to_string()));
    }
    let hs256 = with(key.header(), &json!({"alg": "HS256"}));
    let public = key.jwk(&[]).to_string();
    for (name, secret) in [
        ("HS256 with the modulus", key.modulus().as_bytes()),
        ("HS256 with the JWK", public.as_bytes()),
        ("HS256 with nothing", b"".as_slice()),
    ] {
        table.add(name, "algorithm", hmac(secret, &hs256, &usual));
    }
    table.add("HMAC that says RS256", "signature", hmac(key.modulus().as_bytes(), &key.header(), &usual));
    for (name, algorithm) in [("RS384", Algorithm::RS384), ("RS512", Algorithm::RS512), ("PS256", Algorithm::PS256)] {
        let header = with(key.header(), &json!({"alg": name}));
        table.add(name, "algorithm", key.by(algorithm, header.to_string(), usual.to_string()));
        let lying = key.by(algorithm, key.header().to_string(), usual.to_string());
        table.add(&format!("{name} that says RS256"), "signature", lying);
    }
    let own = keys.stranger.jwk(&[]);
    for (name, result, more) in [
        ("ES256", "algorithm", json!({"alg": "ES256"})),
        ("EdDSA", "algorithm", json!({"alg": "EdDSA"})),
        ("no alg", "algorithm", json!({"alg": null})),
        ("alg in lower case", "algorithm", json!({"alg": "rs256"})),
        ("alg and a space", "algorithm", json!({"alg": "RS256 "})),
        ("alg as a list", "malformed", json!({"alg": ["RS256"]})),
        ("alg as a number", "malformed", json!({"alg": 256})),
        ("crit", "algorithm", json!({"crit": ["exp"], "exp": now})),
        ("empty crit", "algorithm", json!({"crit": []})),
        ("crit b64", "algorithm", json!({"crit": ["b64"], "b64": false})),
        ("b64 alone", "algorithm", json!({"b64": false})),
        ("nested (cty)", "algorithm", json!({"cty": "JWT"})),
        ("compressed", "algorithm", json!({"zip": "DEF"})),
        ("enc", "algorithm", json!({"enc": "A256GCM"})),
        ("x5c", "algorithm", json!({"x5c": ["MIIB"]})),
        ("jku of its own", "algorithm", json!({"jku": "https://evil.test/keys"})),
        ("x5u of its own", "algorithm", json!({"x5u": "https://evil.test/cert"})),
        ("jwk of its own", "algorithm", json!({"jwk": own})),
        ("another typ", "malformed", json!({"typ": "JWE"})),
        ("typ as a number", "malformed", json!({"typ": 1})),
        ("unknown kid", "unknown-key", json!({"kid": "another"})),
        ("kid in another case", "unknown-key", json!({"kid": "Endorsed"})),
        ("kid of the other issuer", "unknown-key", json!({"kid": "entra"})),
        ("no kid", "unknown-key", json!({"kid": null})),
        ("empty kid", "unknown-key", json!({"kid": ""})),
        ("kid as a path", "unknown-key", json!({"kid": "../../../../dev/null"})),
        ("kid as SQL", "unknown-key", json!({"kid": "x' UNION SELECT 'secret' --"})),
        ("kid as a command", "unknown-key", json!({"kid": "endorsed; sleep 10"})),
        ("kid as a URL", "unknown-key", json!({"kid": "https://evil.test/key"})),
        ("kid with a zero byte", "unknown-key", json!({"kid": "endorsed\0"})),
        ("kid of 10 KiB", "unknown-key", json!({"kid": "k".repeat(10 * 1024)})),
        ("kid as a number", "malformed", json!({"kid": 1})),
        ("kid as a list", "malformed", json!({"kid": ["endorsed"]})),
    ] {
        // Signed by one who brings a key, where a key is brought: else by the key that would be right.
        let signer = if more.get("jwk").is_some() { &keys.stranger } else { key };
        let header = with(key.header(), &more).to_string();
        table.add(name, result, signer.raw(header, usual.to_string()));
    }
    let null = key.header().to_string().replace("\"endorsed\"", "null");
    table.add("kid is null", "malformed", key.raw(null, usual.to_string()));
}

fn signatures(table: &mut Table, keys: &Signers, now: i64) {
    let (key, usual) = (&keys.endorsed, claims(now));
    let token = key.token(&usual);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let flipped = format!("{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    table.add("bad signature", "signature", format!("{signed}.{flipped}"));
    table.add("no signature", "signature", format!("{signed}."));
    table.add("a short signature", "signature", format!("{signed}.{}", &signature[..200]));
    table.add("a signature of zeros", "signature", format!("{signed}.{}", encode([0; 256])));
    table.add("a signature and more", "signature", format!("{signed}.{}", encode([7; 300])));
    let other = key.token(&with(usual.clone(), &json!({"jti": "2"})));
    table.add("the signature of another token", "signature", format!("{signed}.{}", other.rsplit_once('.').unwrap().1));
    let changed = encode(with(usual.clone(), &json!({"jti": "3"})).to_string());
    table.add("claims changed after signing", "signature", format!("{header}.{changed}.{signature}"));
    let reordered = encode(r#"{"typ":"JWT","kid":"endorsed","alg":"RS256"}"#);
    let rest = signed.split_once('.').unwrap().1;
    let same = reordered == header;
    let result = if same { "valid" } else { "signature" };
    table.add("header changed after signing", result, format!("{reordered}.{rest}.{signature}"));
    for (name, signer) in [
        ("a stranger's key under a known name", &keys.stranger),
        ("the issuer's other key", &keys.plain),
        ("the other issuer's key", &keys.entra),
    ] {
        table.add(name, "signature", signer.raw(key.header().to_string(), usual.to_string()));
    }
    table.add("a stranger", "unknown-key", keys.stranger.token(&usual));
    table.add("the other issuer under its own name", "unknown-key", keys.entra.token(&usual));
}

fn texts(table: &mut Table, keys: &Signers, now: i64) {
    let (key, usual) = (&keys.endorsed, claims(now));
    let token = key.token(&usual);
    let parts: Vec<&str> = token.split('.').collect();
    let (header, body, signature) = (parts[0], parts[1], parts[2]);
    // The last character of 256 bytes holds 2 bits and 4 that must be zero.
    let last = signature.as_bytes()[signature.len() - 1];
    let stray = format!("{}{}", &signature[..signature.len() - 1], (last + 1) as char);
    for (name, text) in [
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{body}")),
        ("four parts", format!("{token}.{signature}")),
        ("five parts (JWE)", format!("{header}.{body}.{signature}.{body}.{signature}")),
        ("a trailing dot", format!("{token}.")),
        ("a leading dot", format!(".{token}")),
        ("no header", format!(".{body}.{signature}")),
        ("no claims", format!("{header}..{signature}")),
        ("dots alone", "..".to_owned()),
        ("not base64", "a.b.c".to_owned()),
        ("padded header", format!("{header}=.{body}.{signature}")),
        ("a percent sign", format!("{header}.{body}%3D.{signature}")),
        ("a token in a token", encode(&token)),
        ("JSON instead of a token", usual.to_string().replace(' ', "")),
    ] {
        table.add(name, "malformed", text);
    }
    for (name, text) in [
        ("stray bits in the signature", format!("{header}.{body}.{stray}")),
        ("padded signature", format!("{token}==")),
        ("a byte after the signature", format!("{token}A")),
        ("the other alphabet", format!("{header}.{body}.+{}", &signature[1..])),
    ] {
        table.add(name, "signature", text);
    }
    let nested = key.raw(key.header().to_string(), token.as_bytes());
    table.add("claims that are a token", "malformed", nested);
    let json = usual.to_string();
    let open = &json[1..];
    let head = key.header().to_string();
    let open_head = &head[1..];
    for (name, text) in [
        ("iss twice", format!("{{\"iss\":\"https://evil.test\",{open}")),
        ("iss twice, the same", format!("{{\"iss\":\"{CHANNEL}\",{open}")),
        ("aud twice", format!("{{\"aud\":\"x\",{open}")),
        ("exp twice", format!("{{\"exp\":9999999999,{open}")),
        ("serviceurl twice, once escaped", format!("{{\"service\\u0075rl\":\"https://evil.test\",{open}")),
        ("an unknown claim twice", format!("{{\"x\":1,\"x\":2,{open}")),
        ("claims as a list", format!("[{json}]")),
        ("claims as text", "\"claims\"".to_owned()),
        ("claims as null", "null".to_owned()),
        ("claims and more", format!("{json}{json}")),
        ("claims with a comment", format!("/**/{json}")),
        ("claims cut short", json[..json.len() - 1].to_owned()),
        ("claims after a byte order mark", format!("\u{feff}{json}")),
        ("claims of great depth", format!("{{\"x\":{}{},{open}", "[".repeat(2000), "]".repeat(2000))),
        ("a hundred claims", format!("{{{}{open}", (0..100).map(|at| format!("\"c{at}\":0,")).collect::<String>())),
    ] {
        table.add(name, "malformed", key.raw(&head, text));
    }
    let mut broken = json.clone().into_bytes();
    broken[9] = 0xff;
    table.add("claims that are no UTF-8", "malformed", key.raw(&head, broken));
    for (name, text) in [
        ("alg twice, none first", format!("{{\"alg\":\"none\",{open_head}")),
        ("alg twice, the same", format!("{{\"alg\":\"RS256\",{open_head}")),
        ("kid twice", format!("{{\"kid\":\"stranger\",{open_head}")),
        ("header as a list", format!("[{head}]")),
        ("header and more", format!("{head} x")),
    ] {
        table.add(name, "malformed", key.raw(text, &json));
    }
    table.add("empty header", "algorithm", key.raw("{}", &json));
}

fn callers(table: &mut Table, keys: &Signers, now: i64) {
    let (entra, stranger) = (&keys.entra, "ffffffff-0000-4000-8000-00000000000f");
    let v2 = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let second = |app: &str| json!({"iss": v2(TENANTS[1]), "ver": "2.0", "appid": null, "azp": app});
    let by = |caller: &str, more: Value| entra.token(&with(entra_claims(now, caller), &more));
    table.add("emulator, version 1.0", "valid", by(APP, json!({})));
    table.add("emulator, version 2.0", "valid", by(APP, second(APP)));
    table.add("skill, version 1.0", "valid", by(SKILL, json!({})));
    table.add("skill, version 2.0", "valid", by(SKILL, second(SKILL)));
    table.at(Door::ChannelsOnly, "emulator where it is off", "issuer", by(APP, json!({})));
    table.at(Door::ChannelsOnly, "skill where none is wanted", "issuer", by(SKILL, json!({})));
    table.at(Door::ChannelsOnly, "a channel where only channels are", "valid", keys.endorsed.token(&claims(now)));
    let no_ver = json!({"ver": null});
    for (name, result, token) in [
        ("skill that is not listed", "caller", by(stranger, json!({}))),
        ("skill for somebody else", "audience", by(SKILL, json!({"aud": stranger}))),
        ("skill for the connector", "audience", by(SKILL, json!({"aud": CHANNEL}))),
        ("skill in upper case", "caller", by(&SKILL.to_uppercase(), json!({}))),
        ("emulator without ver", "caller", by(APP, no_ver.clone())),
        ("skill without ver", "caller", by(SKILL, no_ver)),
        ("ver that nobody knows", "caller", by(APP, json!({"ver": "3.0"}))),
        ("ver as a number", "malformed", by(APP, json!({"ver": 1.0}))),
        ("version 1.0 with azp", "caller", by(APP, json!({"appid": null, "azp": APP}))),
        ("version 2.0 with appid", "caller", by(APP, json!({"ver": "2.0"}))),
        ("no caller", "caller", by(APP, json!({"appid": null}))),
        ("empty caller", "caller", by("", json!({}))),
        ("caller as a list", "malformed", by(APP, json!({"appid": [SKILL]}))),
        (
            "a tenant that is not allowed",
            "issuer",
            by(APP, json!({"iss": format!("https://sts.windows.net/{stranger}/")})),
        ),
        (
            "tenant without its slash",
            "issuer",
            by(APP, json!({"iss": format!("https://sts.windows.net/{}", TENANTS[0])})),
        ),
        (
            "version 2.0 of another cloud",
            "issuer",
            by(APP, json!({"iss": format!("https://login.microsoftonline.us/{}/v2.0", TENANTS[0])})),
        ),
        ("emulator expired 6 min ago", "expired", by(APP, json!({"exp": now - 360, "nbf": now - 900}))),
        ("emulator with the connector's key", "unknown-key", keys.endorsed.token(&entra_claims(now, APP))),
        ("emulator with a stranger's key", "signature", {
            keys.stranger.raw(entra.header().to_string(), entra_claims(now, APP).to_string())
        }),
        ("the connector with Entra's key", "unknown-key", entra.token(&claims(now))),
    ] {
        table.add(name, result, token);
    }
    let skill = with(claims(now), &json!({"ver": "1.0", "appid": SKILL}));
    table.add("a skill's token by the connector", "issuer", keys.endorsed.token(&skill));
    let bare = with(activity(), &json!({"serviceUrl": "http://localhost:51000"}));
    table.about(bare, "emulator, serviceUrl of this machine", "valid", by(APP, json!({})));
}
