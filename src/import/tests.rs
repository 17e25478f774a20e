//! Whole documents, of the shapes that Azure hands out, and what config is made of them.

use std::path::Path;

use super::{ImportError, Imported, front_door, traffic_manager};
use crate::config::{self, Config, HostPattern, ProbeKind};

const TEMPLATE: &str = include_str!("../../tests/support/arm/traffic-manager-template.json");
const SHOWN: &str = include_str!("../../tests/support/arm/traffic-manager-show.json");
const FRONT_DOOR: &str = include_str!("../../tests/support/arm/front-door-template.json");

/// The config as it is read once the certificates are there.
fn config(imported: &Imported) -> Config {
    let certificates = "certificates = [{ chain = \"certs/bot.pem\", key = \"certs/bot.key\" }]";
    assert!(imported.config.contains(certificates), "{}", imported.config);
    let text = imported.config.replace(certificates, "tls = false");
    let read = config::parse("botgate.toml", &text, Path::new(""), &|_| None);
    read.unwrap_or_else(|report| panic!("{}\n{text}", report.render(false))).config
}

fn noted(imported: &Imported, about: &str, text: &str) -> bool {
    imported.notes.iter().any(|note| note.about == about && note.text.contains(text))
}

#[test]
fn a_traffic_manager_profile_becomes_a_pool_by_priority() {
    let imported = traffic_manager(TEMPLATE).unwrap();
    let config = config(&imported);
    let [pool] = &config.pools[..] else { panic!("{}", imported.config) };
    assert_eq!(pool.name.as_str(), "contoso-bot");
    let backends: Vec<String> = pool.backends.iter().map(|it| format!("{} {}", it.name, it.url)).collect();
    assert_eq!(
        backends,
        [
            "West-Europe https://contoso-bot-weu.azurewebsites.net",
            "North-Europe https://contoso-bot-neu.azurewebsites.net",
            "sweden https://contoso-bot-swe.azurewebsites.net",
        ]
    );
    assert_eq!(pool.backends[1].host.as_ref().map(|host| host.as_bytes()), Some(&b"bot-neu.contoso.com"[..]));
    let probe = pool.probe.as_ref().unwrap();
    assert_eq!((probe.interval.as_secs(), probe.timeout.as_secs(), probe.fall), (10, 5, 3));
    let ProbeKind::Http(http) = &probe.kind else { panic!("{probe:?}") };
    assert_eq!((http.path.as_str(), http.headers[0].1.as_bytes()), ("/healthz?deep=1", &b"a${b\"c"[..]));
    assert_eq!([199, 200, 202, 203, 301].map(|status| http.status.contains(status)), [false, true, true, false, true]);
    assert_eq!(config.routes.len(), 1);
}

#[test]
fn what_cannot_carry_over_is_told_and_never_with_a_headers_value() {
    let imported = traffic_manager(TEMPLATE).unwrap();
    for (about, text) in [
        ("contoso-bot", "\"host\" cannot be set"),
        ("West Europe", "alwaysServe"),
        ("rest", "nested profile contoso-eu"),
        ("no-target", "address is not in the document"),
        ("france", "disabled"),
    ] {
        assert!(noted(&imported, about, text), "{about}: {text}\n{:#?}", imported.notes);
    }
    assert!(imported.config.contains("write the host name of bot-ip\n  # [[pool.backend]]\n  # name = \"no-target\""));
    assert!(!format!("{:?}", imported.notes).contains("a${b"));
}

#[test]
fn what_az_prints_has_its_properties_flat() {
    let imported = traffic_manager(SHOWN).unwrap();
    let config = config(&imported);
    assert_eq!(config.pools[0].backends.len(), 2);
    assert_eq!(config.pools[0].probe.as_ref().map(|probe| probe.fall), Some(4));
    assert!(noted(&imported, "contoso-qna", "Performance") && noted(&imported, "contoso-qna", "without TLS"));
}

#[test]
fn profiles_that_contain_each_other_are_read_to_an_end() {
    let profile = |name: &str, other: &str| {
        format!(
            r#"{{"type":"Microsoft.Network/trafficManagerProfiles","name":"{name}","properties":{{"endpoints":[
            {{"name":"{other}","type":"x/nestedEndpoints","properties":{{"targetResourceId":"/a/trafficManagerProfiles/{other}"}}}},
            {{"name":"e{name}","properties":{{"target":"{name}.example"}}}}]}}}}"#
        )
    };
    let imported = traffic_manager(&format!("[{},{}]", profile("a", "b"), profile("b", "a"))).unwrap();
    assert!(config(&imported).pools.len() == 2);
    let itself = traffic_manager(&profile("a", "a")).unwrap();
    assert_eq!(config(&itself).pools[0].backends.len(), 1);
}

#[test]
fn a_front_door_becomes_pools_and_routes() {
    let imported = front_door(FRONT_DOOR).unwrap();
    let config = config(&imported);
    let [bot, qna] = &config.pools[..] else { panic!("{}", imported.config) };
    let backends: Vec<String> = bot.backends.iter().map(|it| format!("{} {}", it.name, it.url)).collect();
    assert_eq!(
        backends,
        ["weu https://contoso-bot-weu.azurewebsites.net", "neu https://contoso-bot-neu.azurewebsites.net:8443"]
    );
    assert_eq!(bot.backends[0].host, None, "the URL says it");
    assert_eq!(bot.backends[1].host.as_ref().map(|host| host.as_bytes()), Some(&b"bot.contoso.com"[..]));
    assert_eq!(bot.deadline.as_secs(), 60);
    let probe = bot.probe.as_ref().unwrap();
    assert_eq!((probe.interval.as_secs(), probe.fall), (100, 3));
    let ProbeKind::Http(http) = &probe.kind else { panic!("{probe:?}") };
    assert!(http.method == http::Method::HEAD && http.status.contains(200) && !http.status.contains(204));
    assert_eq!(qna.probe, None);
    assert_eq!(qna.backends[0].url.to_string(), "http://contoso-qna-weu.azurewebsites.net");
    let routes: Vec<_> = config.routes.iter().map(|it| (it.host.clone(), it.path.as_str(), it.pool.as_str())).collect();
    let host = HostPattern::Exact("bot.contoso.com".to_owned());
    assert_eq!(routes, [(host, "/api/messages", "bot"), (HostPattern::Any, "/qnamaker", "qna")]);
    for (about, text) in [
        ("old", "disabled"),
        ("messages", "\"/*.png\" is no path prefix"),
        ("qna", "session affinity"),
        ("qna", "rule sets"),
        ("qna", "origin path"),
        ("qna", "caches nothing"),
        ("weu", "no host header of its own"),
        ("waf", "web application firewall"),
    ] {
        assert!(noted(&imported, about, text), "{about}: {text}\n{:#?}", imported.notes);
    }
}

#[test]
fn a_document_without_what_is_looked_for_says_what_it_has() {
    let error = traffic_manager(FRONT_DOOR).unwrap_err();
    assert!(error.to_string().contains("it holds microsoft.cdn/profiles, "), "{error}");
    assert!(matches!(front_door(SHOWN), Err(ImportError::Nothing { .. })));
    assert!(matches!(front_door("7"), Err(ImportError::Nothing { .. })));
    let empty = r#"{"type":"Microsoft.Network/trafficManagerProfiles","name":"p","properties":{"endpoints":[]}}"#;
    assert!(matches!(traffic_manager(empty), Err(ImportError::NoBackends(_))));
}
