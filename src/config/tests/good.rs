use std::time::Duration;

use super::*;
use crate::config::{BodyCheck, CipherOrder, HostPattern, ProbeKind};
use crate::model::{PoolKind, Replay};

#[test]
fn the_shipped_sample_is_good_and_without_warnings() {
    let directory = directory();
    let Loaded { config, warnings } = in_directory(SAMPLE, directory.path()).unwrap();
    assert!(warnings.is_empty(), "{warnings}");
    assert_eq!(warnings.files, ["bot.key", "bot.pem"].map(|name| directory.path().join("certs").join(name)));
    assert_eq!(config.admin.token.as_deref(), Some("value-of-BOTGATE_ADMIN_TOKEN"));
    let [bot, qna] = config.pools.as_slice() else { panic!("{:?}", config.pools) };
    assert_eq!((bot.kind, bot.deadline, bot.replay), (PoolKind::Bot, Duration::from_secs(14), Replay::Keyed));
    assert_eq!(qna.attempt_timeout, Some(Duration::from_secs(3)));
    assert!(qna.retry.status.contains(429) && qna.retry.status.contains(503) && !qna.retry.status.contains(505));
    let key = &qna.backends[1].headers[0];
    assert_eq!((key.0.as_str(), key.1.as_bytes()), ("authorization", &b"EndpointKey value-of-QNA_NEU_KEY"[..]));
    assert_eq!((qna.backends[1].question.kb.as_deref(), qna.backends[1].question.keyed), (Some("91b0d7c4"), true));
    assert_eq!(config.routes[0].host, HostPattern::Exact("bot.contoso.com".into()));
    assert_eq!((config.routes[0].max_body, config.routes[1].max_body), (1 << 20, 10 << 20));
}

#[test]
fn a_line_of_the_sample_that_shows_a_default_changes_nothing_when_it_is_uncommented() {
    let directory = directory();
    let before = in_directory(SAMPLE, directory.path()).unwrap().config;
    let mut tried = 0;
    for (at, line) in SAMPLE.lines().enumerate() {
        let is_default = ["state_dir = ", "shutdown_grace = ", "tls = ", "proxy_protocol = ", "trusted = ", "retry = "]
            .into_iter()
            .chain(["max_", "handshake_", "header_", "body_", "idle_", "deadline = ", "dial_", "stream_", "keep_"])
            .chain(["unavailable = ", "replay", "ledger = ", "evidence = ", "flap = ", "all_down = ", "http2 = "])
            .chain(["warm = ", "journal = ", "when_both_bad = ", "pin = ", "drill = ", "tunnel = "])
            .chain(["tokens = ", "open = ", "cloud = ", "emulator = ", "skills = ", "tenants = ", "skew = "])
            .any(|start| line.trim_start().strip_prefix("# ").is_some_and(|line| line.starts_with(start)));
        // Those of [dns] and of [admin.oidc] stand under a header that is commented out too.
        if is_default && !line.contains("max_ttl") && line != "# skew = \"1m\"" {
            let lines = SAMPLE.lines().enumerate();
            let lines = lines.map(|(n, line)| if n == at { line.replacen("# ", "", 1) } else { line.to_owned() });
            let text = lines.collect::<Vec<_>>().join("\n");
            let after = in_directory(&text, directory.path()).unwrap_or_else(|report| panic!("{line}\n{report}"));
            assert_eq!(before, after.config, "{line}");
            tried += 1;
        }
    }
    assert!(tried >= 20, "{tried}");
}

#[test]
fn a_process_may_go_on_as_another_user() {
    let account = |lines: &str| bare(&format!("{lines}{LEAST}")).unwrap().config.account;
    assert_eq!(account(""), None);
    let named = account("user = \"botgate\"\ngroup = \"ssl-cert\"\n").unwrap();
    assert_eq!((named.user.as_str(), named.group.as_deref()), ("botgate", Some("ssl-cert")));
    assert_eq!(account("user = \"65534\"\n").unwrap().group, None);
}

#[test]
fn everything_has_a_default_but_names_urls_and_certificates() {
    let config = bare(LEAST).unwrap().config;
    let pool = &config.pools[0];
    assert_eq!((pool.kind, pool.deadline, pool.replay), (PoolKind::Http, Duration::from_secs(30), Replay::Safe));
    assert_eq!(pool.attempt_timeout, None);
    let probe = pool.probe.as_ref().unwrap();
    assert_eq!((probe.fall, probe.rise, probe.interval), (2, 3, Duration::from_secs(2)));
    assert!(matches!(&probe.kind, ProbeKind::Http(http) if http.path == "/healthz" && http.status.contains(204)));
    assert_eq!(pool.evidence.failures, Some(10));
    assert_eq!((config.listeners[0].max_connections, config.listeners[0].max_header_size), (10_000, 32_768));
    assert_eq!(config.listeners[0].limits.per_address, Some(5_000), "half of all");
    assert_eq!((config.held_bodies, pool.limits), (256 << 20, crate::config::PoolLimits::default()));
    assert!(config.access_log.is_none() && config.admin.token.is_none());
    assert_eq!(config.routes[0].host, HostPattern::Any);
    assert!(pool.backends[0].http2);
}

#[test]
fn a_guarded_body_that_can_never_be_held_is_warned_of() {
    let bot = LEAST.replace("name = \"p\"\n", "name = \"p\"\nkind = \"bot\"\n");
    let told = |text: &str| bare(text).unwrap().warnings.lines().join("\n");
    assert!(!told(&format!("held_bodies = \"1MiB\"\n{bot}")).contains("held_bodies"));
    assert!(told(&format!("held_bodies = \"64KiB\"\n{bot}")).contains("held_bodies: a guarded route takes bodies of"));
    assert!(!told(&format!("held_bodies = \"64KiB\"\n{LEAST}")).contains("held_bodies"), "others are not held whole");
}

#[test]
fn backends_stand_in_order_of_priority() {
    let text = format!("{LEAST}  priority = 3\n  [[pool.backend]]\n  name = \"b\"\n  url = \"http://b\"\n");
    let pool = bare(&text).unwrap().config.pools.remove(0);
    let order: Vec<(&str, u32)> = pool.backends.iter().map(|b| (b.name.as_str(), b.priority)).collect();
    assert_eq!(order, [("b", 2), ("a", 3)]);
}

#[test]
fn a_probe_can_be_off_or_look_into_the_body() {
    let with = |probe: &str| {
        let text = LEAST.replace("name = \"p\"\n", &format!("name = \"p\"\nprobe = {probe}\n"));
        bare(&text).unwrap().config.pools.remove(0).probe
    };
    assert_eq!(with("false"), None);
    assert_eq!(with("true"), with("{}"));
    assert_eq!(with("{ kind = \"tcp\" }").unwrap().kind, ProbeKind::Tcp);
    let ProbeKind::Http(http) = with("{ json = { pointer = \"/a/0\", equals = { ok = true } } }").unwrap().kind else {
        panic!("not http")
    };
    let equals = serde_json::json!({ "ok": true });
    assert_eq!(http.body, Some(BodyCheck::Json { pointer: "/a/0".into(), equals }));
}

#[test]
fn what_cannot_wait_until_it_breaks_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let directory = directory();
    write_certificate(directory.path(), "old", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    write_certificate(directory.path(), "early", |params| {
        params.not_before = rcgen::date_time_ymd(2090, 1, 1);
        params.not_after = rcgen::date_time_ymd(2091, 1, 1);
    });
    let loose = directory.path().join("certs/bot.key");
    std::fs::set_permissions(&loose, std::fs::Permissions::from_mode(0o644)).unwrap();
    let names =
        ["old", "early", "bot"].map(|name| format!("{{ chain = \"certs/{name}.pem\", key = \"certs/{name}.key\" }}"));
    let text = LEAST.replace("tls = false", &format!("certificates = [{}]", names.join(", ")));
    let text = text.replace("name = \"p\"\n", "name = \"p\"\ndeadline = \"1s\"\nattempt_timeout = \"2s\"\n")
        + "[[pool]]\nname = \"idle\"\n[[pool.backend]]\nname = \"a\"\nurl = \"http://x\"\n";
    let loaded = in_directory(&text, directory.path()).unwrap();
    let seen = loaded.warnings.lines().join("\n");
    for part in [
        "expired on",
        "is not valid before",
        "can be read by other users",
        "shorter than dial_timeout",
        "longer than deadline",
        "no route uses the pool \"idle\"",
    ] {
        assert_eq!(seen.matches(part).count(), 1, "{part}\n{seen}");
    }
    assert_eq!(loaded.warnings.problems.len(), 6, "{seen}");
}

/// The example of the design: what it promises must stay a config.
#[test]
fn the_example_of_the_design_is_good() {
    let text = r#"
state_dir = "state"

[[listener]]
bind = "0.0.0.0:443"
certificates = [{ chain = "certs/bot.pem", key = "certs/bot.key" }]

[admin]
bind = "127.0.0.1:9443"
token = "${BOTGATE_ADMIN_TOKEN}"

[[route]]
host = "bot.contoso.com"
path = "/api/messages"
pool = "bot-api"

[[pool]]
name = "bot-api"
kind = "bot"
deadline = "14s"
replay = "keyed"
probe = { path = "/healthz", interval = "2s", timeout = "1s", fall = 2, rise = 3, status = "200-299" }
failback = { mode = "auto", hold = "60s" }
flap = { failovers = 3, within = "1h" }
all_down = "try-all"

  [[pool.backend]]
  name = "westeurope"
  url = "https://contoso-bot-weu.azurewebsites.net"

  [[pool.backend]]
  name = "northeurope"
  url = "https://contoso-bot-neu.azurewebsites.net"

[[pool]]
name = "qna"
kind = "question-answering"

  [[pool.backend]]
  name = "westeurope"
  url = "https://contoso-qna-weu.azurewebsites.net"
  headers = { Authorization = "EndpointKey ${QNA_WEU_KEY}" }
  rewrite = [{ prefix = "/qnamaker/knowledgebases/main", to = "/qnamaker/knowledgebases/2f8c" }]
"#;
    let directory = directory();
    let Loaded { config, warnings, .. } = in_directory(text, directory.path()).unwrap();
    assert_eq!(config.pools.iter().map(|pool| pool.backends.len()).collect::<Vec<_>>(), [2, 1]);
    // It asks for no tokens, has no route to its second pool, and says so.
    let [guard, route] = &warnings.lines()[..] else { panic!("{warnings}") };
    assert!(guard.contains("no token is asked for"), "{warnings}");
    assert!(route.contains("no route uses the pool \"qna\""), "{warnings}");
}

#[test]
fn the_schema_describes_every_key() {
    fn walk(schema: &serde_json::Value, path: &str, keys: &mut usize) {
        if let Some(properties) = schema.get("properties").and_then(|all| all.as_object()) {
            for (name, property) in properties {
                *keys += 1;
                assert!(property.get("description").is_some(), "{path}.{name}");
            }
        }
        for (name, definition) in schema.get("$defs").and_then(|all| all.as_object()).into_iter().flatten() {
            walk(definition, name, keys);
        }
    }
    let mut keys = 0;
    walk(&crate::config::json_schema(), "", &mut keys);
    assert!(keys > 80, "{keys}");
}

#[test]
fn a_thousand_routes_to_a_hundred_pools_are_read_as_they_stand() {
    let mut text = "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n".to_owned();
    for pool in 0..100 {
        text += &format!("[[pool]]\nname = \"p{pool}\"\n[[pool.backend]]\nname = \"a\"\nurl = \"http://a{pool}\"\n");
    }
    for route in 0..1000 {
        text += &format!("[[route]]\nhost = \"h{route}.example\"\npool = \"p{}\"\n", route % 100);
    }
    let config = bare(&text).unwrap().config;
    assert_eq!((config.routes.len(), config.pools.len()), (1000, 100));
    assert_eq!(config.routes[999].pool.as_str(), "p99");
    let report = bare(&text.replace("http:", "htp:")).unwrap_err();
    assert_eq!(report.errors(), 100);
}

#[test]
fn a_ledger_is_read_and_what_is_left_out_has_its_default() {
    let text =
        LEAST.replace("name = \"p\"", "name = \"p\"\nreplay = \"keyed\"\nledger = { entries = 2, answer = \"1KiB\" }");
    let ledger = bare(&text).unwrap().config.pools[0].ledger;
    let default = crate::config::LedgerConfig::default();
    assert_eq!(ledger, crate::config::LedgerConfig { entries: 2, answer: 1024, ..default });
    assert_eq!((default.entries, default.age, default.bytes), (65_536, Duration::from_secs(120), 64 << 20));
}

#[test]
fn what_a_listener_does_beyond_showing_a_certificate_is_read() {
    let directory = directory();
    write_certificate(directory.path(), "ca", |_| {});
    let keys = "certificates = [{ chain = \"certs/bot.pem\", key = \"certs/bot.key\" }]\nclient_ca = \"certs/ca.pem\"\n\
        client_header = true\nhsts = { max_age = \"365d\", subdomains = true }";
    let Loaded { config, warnings } = in_directory(&LEAST.replace("tls = false", keys), directory.path()).unwrap();
    assert!(warnings.is_empty(), "{warnings}");
    let listener = &config.listeners[0];
    let clients = listener.client_auth.as_ref().unwrap();
    assert_eq!((clients.ca.clone(), clients.required), (directory.path().join("certs/ca.pem"), true));
    assert!(listener.client_header && !listener.ocsp_fetch);
    assert_eq!(listener.hsts.as_ref().unwrap().value(), "max-age=31536000; includeSubDomains");
    assert!(warnings.files.contains(&clients.ca), "it is not watched");
    assert_eq!(listener.cipher_order, CipherOrder::Fast);
    for (written, expected) in [("strong", CipherOrder::Strong), ("client", CipherOrder::Client)] {
        let keys = format!("{keys}\ncipher_order = \"{written}\"");
        let config = in_directory(&LEAST.replace("tls = false", &keys), directory.path()).unwrap().config;
        assert_eq!(config.listeners[0].cipher_order, expected);
    }
    let keys = format!("{keys}\nclient_auth = \"request\"");
    let config = in_directory(&LEAST.replace("tls = false", &keys), directory.path()).unwrap().config;
    assert!(!config.listeners[0].client_auth.as_ref().unwrap().required);
}

#[test]
fn limits_of_zero_are_none_and_rates_save_up_their_burst() {
    use crate::config::RateLimit;
    let text = LEAST.replace(
        "name = \"p\"\n",
        "name = \"p\"\nlimits = { in_flight = 0, per_backend = 7, per_token = 50, burst = \"2s\" }\n",
    );
    let limits = bare(&text).unwrap().config.pools.remove(0).limits;
    assert_eq!((limits.in_flight, limits.per_backend, limits.per_address), (None, Some(7), None));
    assert_eq!(limits.per_token, Some(RateLimit { per_second: 50, burst: Duration::from_secs(2) }));
    let text = LEAST.replace("tls = false\n", "tls = false\nmax_connections_per_address = 0\nmin_body_rate = 0\n");
    let listener = bare(&text).unwrap().config.listeners.remove(0);
    assert_eq!((listener.limits.per_address, listener.limits.body.bytes), (None, 0));
}
