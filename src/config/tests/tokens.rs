use std::time::Duration;

use super::*;
use crate::config::TokensConfig;
use crate::model::TokenMode;

/// A bot's route whose guard has these keys.
fn text(keys: &str) -> String {
    let guarded = LEAST.replace("name = \"p\"\n", "name = \"p\"\nkind = \"bot\"\n");
    guarded.replacen("pool = \"p\"\n", &format!("pool = \"p\"\n[route.guard]\n{keys}\n"), 1)
}

fn tokens(keys: &str) -> Option<TokensConfig> {
    let mut config = bare(&text(keys)).unwrap_or_else(|report| panic!("{report}")).config;
    config.routes.remove(0).guard.unwrap().tokens.map(|tokens| *tokens)
}

fn told(keys: &str) -> String {
    problems(&text(keys)).join("\n")
}

#[test]
fn app_ids_are_enough_to_enforce() {
    let tokens = tokens("app_ids = [\"a-1\", \"a-2\"]").unwrap();
    assert_eq!((tokens.mode, tokens.skew), (TokenMode::Enforce, Duration::from_secs(300)));
    assert_eq!(tokens.app_ids, ["a-1", "a-2"]);
    assert_eq!(tokens.channel.names, ["https://api.botframework.com"]);
    let metadata = tokens.channel.keys.to_string();
    assert_eq!(metadata, "https://login.botframework.com/v1/.well-known/openidconfiguration");
    assert!(tokens.entra.is_none() && !tokens.emulator && tokens.skills.is_empty());
    assert_eq!(tokens.sources().count(), 1);
}

#[test]
fn each_cloud_has_issuers_of_its_own() {
    for (cloud, issuer, login, entra) in [
        (
            "public",
            "https://api.botframework.com",
            "https://login.botframework.com/",
            "https://login.microsoftonline.com/",
        ),
        (
            "us-gov",
            "https://api.botframework.us",
            "https://login.botframework.azure.us/",
            "https://login.microsoftonline.us/",
        ),
        (
            "china",
            "https://api.botframework.azure.cn",
            "https://login.botframework.azure.cn/",
            "https://login.partner.microsoftonline.cn/",
        ),
    ] {
        let tokens =
            tokens(&format!("app_ids = [\"a\"]\ncloud = \"{cloud}\"\nemulator = true\ntenants = [\"t-1\"]")).unwrap();
        assert_eq!(tokens.channel.names, [issuer]);
        assert!(tokens.channel.keys.to_string().starts_with(login));
        let keys = tokens.entra.unwrap();
        assert!(keys.keys.to_string().starts_with(entra), "{keys:?}");
        assert!(keys.names.contains(&format!("{entra}t-1/v2.0")), "{keys:?}");
        assert!(keys.names.iter().all(|name| name.ends_with('/') || name.ends_with("/v2.0")));
    }
}

#[test]
fn a_private_issuer_takes_the_place_of_the_connector() {
    let keys = "app_ids = [\"a\"]\nissuer = \"https://issuer.test\"\nmetadata = \"http://127.0.0.1:8080/m\"\nskew = \"0s\"\n\
        skills = [\"s\"]\ntokens = \"report\"";
    let tokens = tokens(keys).unwrap();
    assert_eq!(tokens.channel.names, ["https://issuer.test"]);
    assert_eq!(tokens.channel.keys.to_string(), "http://127.0.0.1:8080/m");
    assert_eq!((tokens.mode, tokens.skew, tokens.sources().count()), (TokenMode::Report, Duration::ZERO, 2));
    let beside = |uri: &str| tokens.channel.keys.beside(uri).map(|keys| keys.to_string());
    assert_eq!(beside("http://127.0.0.1:9/k?v=1").as_deref(), Ok("http://127.0.0.1:9/k?v=1"));
    assert_eq!(beside("https://elsewhere.test/k").as_deref(), Ok("https://elsewhere.test/k"));
    for exact in ["https://elsewhere.test/k/", "https://elsewhere.test/k//?v=1", "https://elsewhere.test/"] {
        assert_eq!(beside(exact).as_deref(), Ok(exact), "some servers answer the other one with a redirect");
    }
    for bad in ["https://elsewhere.test/k?v=1#x", "https://elsewhere.test/k?v=1 2", "https://elsewhere.test/k?v=\u{e4}"]
    {
        assert!(beside(bad).is_err(), "{bad}");
    }
    let entra = tokens.entra.unwrap().keys;
    for bad in ["http://127.0.0.1:9/k", "http://login.microsoftonline.com/k", "ftp://x/k", "k", "", "https://u:p@x/k"] {
        assert!(entra.beside(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_bot_that_asks_for_no_token_is_warned_of_unless_it_is_meant_so() {
    let warned = told("");
    assert!(warned.contains("anybody can send activities to the bot: no token is asked for"), "{warned}");
    assert_eq!(told("tokens = \"off\""), "");
    assert!(tokens("tokens = \"off\"\napp_ids = [\"a\"]").is_none());
}

#[test]
fn mistakes_about_tokens_are_told_with_what_would_be_right() {
    for (keys, part) in [
        ("tokens = \"enforce\"", "tokens are issued for an App ID, and none is given"),
        ("tokens = \"strict\"", "tokens"),
        ("app_ids = []", "app_ids"),
        ("app_ids = [\"\"]", "\"\" is no id"),
        ("app_ids = [\"a b\"]", "\"a b\" is no id"),
        ("app_ids = [\"A1B2C3D4-0000-4000-8000-00000000000A\"]", "tokens write ids in lower case"),
        ("app_ids = [\"a\"]\ncloud = \"mars\"", "cloud"),
        ("app_ids = [\"a\"]\nmetadata = \"http://issuer.test/m\"", "http is for this machine only"),
        ("app_ids = [\"a\"]\nmetadata = \"issuer.test\"", "the URL has no scheme"),
        ("app_ids = [\"a\"]\nissuer = \"\"", "this is no issuer"),
        ("app_ids = [\"a\"]\nskew = \"16m\"", "at most \"15m\""),
        ("app_ids = [\"a\"]\ntenants = [\"t\"]", "neither is on"),
        ("app_ids = [\"a\"]\nentra_metadata = \"https://x/m\"", "neither is on"),
        ("app_ids = [\"a\"]\nca = \"ca.pem\"", "would be trusted for nothing"),
        ("app_ids = [\"a\"]\nmetadata = \"https://x/m\"\nca = \"none.pem\"", "none.pem"),
        ("app_ids = [\"a\"]\nskils = [\"s\"]", "did you mean `skills`?"),
    ] {
        let told = told(keys);
        assert!(told.contains(part), "{keys}: {told}");
    }
}

#[test]
fn keys_that_cannot_work_together_are_told() {
    let local = "metadata = \"http://127.0.0.1/m\"";
    for (keys, expected) in [
        ("app_ids = []", "route[0].guard.app_ids: the list is empty"),
        ("app_ids = [\"a\"]\nissuer = \"https://me\"", "its tokens would be verified by the keys of the cloud's"),
        ("app_ids = [\"a\"]\nskills = [\"a\"]", "a is this bot's own App ID"),
        ("app_ids = [\"a\"]\nopen = [\"/\"]", "everything on this route is let through unchecked"),
        ("app_ids = [\"a\"]\nskew = \"16m\"", "16m is out of range"),
        ("app_ids = [\"a\"]\nmetadata = \"https://u:p@login\"", "this URL takes no credentials"),
    ] {
        let told = told(keys);
        assert!(told.contains(expected), "{keys}: {told}");
        assert!(!told.contains("anybody"), "{keys}: {told}");
    }
    assert_eq!(told(&format!("app_ids = [\"a\"]\nissuer = \"https://me\"\n{local}\nopen = [\"/healthz\"]")), "");
}

#[test]
fn a_path_that_no_request_of_the_route_has_is_told() {
    let text = text("app_ids = [\"a\"]\nopen = [\"/healthz\", \"/api/ok\"]");
    let text = text.replacen("[[route]]\n", "[[route]]\npath = \"/api\"\n", 1);
    let told = problems(&text).join("\n");
    assert!(told.contains("open[0]: no request of this route (/api) has this path"), "{told}");
    assert!(!told.contains("open[1]"), "{told}");
}
