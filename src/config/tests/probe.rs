use std::time::Duration;

use super::*;
use crate::config::{Expected, ProbeConfig, ProbeKind};

/// A pool with this probe; `keys` are its backend's.
fn pool(probe: &str, keys: &str) -> String {
    LEAST.replace("name = \"p\"\n", &format!("name = \"p\"\nprobe = {probe}\n")) + keys + "\n"
}

fn probe(text: &str, keys: &str) -> ProbeConfig {
    bare(&pool(text, keys)).unwrap_or_else(|report| panic!("{report}")).config.pools.remove(0).probe.unwrap()
}

const SIGN: &str = "sign = { token_url = \"https://login.example/t/token?x=1\", client_id = \"app\", \
    client_secret = \"${SECRET}\", scope = \"app/.default\" }";

#[test]
fn a_probe_of_a_bot_has_a_default_for_everything() {
    let found = probe("{ kind = \"activity\" }", "");
    assert_eq!((found.interval, found.timeout), (Duration::from_secs(5), Duration::from_secs(2)));
    let ProbeKind::Activity(bot) = found.kind else { panic!("no activity") };
    assert_eq!(
        (bot.path.as_str(), bot.text.as_str(), bot.channel_id.as_str()),
        ("/api/messages", "botgate probe", "test")
    );
    assert!(bot.reply.is_none() && bot.sign.is_none() && bot.status.contains(201));
    let found = probe(&format!("{{ kind = \"activity\", contains = \"hi\", {SIGN} }}"), "");
    let ProbeKind::Activity(bot) = found.kind else { panic!("no activity") };
    let check = bot.reply.unwrap();
    assert_eq!((check.pointer.as_str(), check.expects), ("/activities/0/text", Expected::Contains("hi".into())));
    let sign = bot.sign.unwrap();
    assert_eq!((sign.service.url.host.as_str(), sign.path.as_str()), ("login.example", "/t/token?x=1"));
    assert_eq!(sign.client_secret, "value-of-SECRET");
    assert!(!format!("{sign:?}").contains("value-of"));
}

#[test]
fn a_probe_keeps_its_connection_unless_it_is_told_not_to() {
    for (text, kept) in [("{}", true), ("{ connection = \"kept\" }", true), ("{ connection = \"new\" }", false)] {
        let ProbeKind::Http(http) = probe(text, "").kind else { panic!("no request") };
        assert_eq!(http.keep, kept, "{text}");
    }
    let found = problems(&pool("{ kind = \"activity\", connection = \"kept\" }", ""));
    assert!(found.iter().any(|line| line.contains("probe.connection: a probe of kind \"activity\" has no use for it")));
    let found = problems(&pool("{ connection = \"old\" }", ""));
    assert!(found.iter().any(|line| line.contains("probe.connection")), "{found:?}");
}

#[test]
fn a_probe_of_question_answering_asks_each_backend_by_its_identity() {
    let text = "{ kind = \"question\", question = \"Open?\", contains = \"9 to 5\", min_score = 60 }";
    let found = probe(text, "kb = \"2f8c\"");
    assert_eq!((found.interval, found.timeout), (Duration::from_secs(10), Duration::from_secs(3)));
    let ProbeKind::Question(question) = found.kind else { panic!("no question") };
    assert_eq!((question.contains.as_str(), question.min_score), ("9 to 5", Some(60.0)));
    let found = problems(&pool(text, ""));
    let [only] = found.as_slice() else { panic!("{found:?}") };
    assert!(only.contains("probe.kind: the backend a has neither `kb` nor `project`"), "{only}");
}

#[test]
fn mistakes_in_probes_of_applications_are_placed_and_hinted() {
    for (text, message) in [
        ("{ kind = \"activity\", method = \"GET\" }", "probe.method: a probe of kind \"activity\" has no use for it"),
        (
            "{ text = \"hi\" }",
            "probe.text: a probe of kind \"http\" has no use for it (leave it out, or use kind = \"activity\")",
        ),
        ("{ kind = \"activity\", pointer = \"/x\" }", "probe.pointer: nothing is expected there"),
        ("{ kind = \"activity\", pointer = \"x\", contains = \"y\" }", "a JSON pointer begins with a slash"),
        ("{ kind = \"activity\", contains = \"a\", equals = 1 }", "probe.equals: a probe checks its reply in one way"),
        (
            "{ kind = \"question\", contains = \"a\" }",
            "probe.question: a probe of kind \"question\" needs a `question`",
        ),
        ("{ kind = \"question\", question = 5, contains = \"a\" }", "probe.question: expected a string"),
        (
            "{ kind = \"question\", question = \"a\", contains = \"b\", min_score = 101 }",
            "min_score: 101 is out of range",
        ),
        ("{ kind = \"activity\", sign = { token_url = \"http://x.example\" } }", "sends nothing"),
    ] {
        let found = problems(&pool(text, "kb = \"k\""));
        if message == "sends nothing" {
            assert!(found.iter().any(|line| line.contains("the secret would be sent in plain text")), "{found:?}");
            assert!(found.iter().any(|line| line.contains("the key `client_secret` is missing")), "{found:?}");
            continue;
        }
        let [only] = found.as_slice() else { panic!("{text}: {found:?}") };
        assert!(only.contains(message), "{text}: {only}");
    }
}

#[test]
fn what_clients_are_told_when_all_is_down_is_checked() {
    let with = |kind: &str, text: &str| {
        LEAST.replace("name = \"p\"\n", &format!("name = \"p\"\nkind = \"{kind}\"\nunavailable = {text}\n"))
    };
    let config =
        bare(&with("bot", "{ retry_after = \"9s\", message = \"m\", body = \"{\\\"id\\\":\\\"{request_id}\\\"}\" }"));
    let told = config.unwrap().config.pools.remove(0).unavailable;
    assert_eq!((told.retry_after, told.message.as_str()), (Some(Duration::from_secs(9)), "m"));
    assert_eq!(told.body.unwrap().filled("a\"b", "p"), r#"{"id":"a\"b"}"#);
    for (kind, text, message) in [
        ("bot", "{ body = \"sorry\" }", "unavailable.body: this is no JSON"),
        ("bot", "{ body = { file = \"gone\" } }", "cannot read /nonexistent/gone"),
        ("bot", "{ content_type = \"text/plain\" }", "unavailable.content_type: there is no `body` of this type"),
        ("bot", "{ content_type = \"text\", body = \"x\" }", "\"text\" is no media type"),
        (
            "bot",
            "{ status = 200 }",
            "warning: pool[0].unavailable.status: 200 tells a channel that its activity was delivered",
        ),
        ("http", "{ status = 99 }", "unavailable.status: 99 is out of range"),
        (
            "question-answering",
            "{ content_type = \"text/plain\", body = \"x\" }",
            "warning: pool[0].unavailable.content_type: clients of question answering cannot read it",
        ),
    ] {
        let found = problems(&with(kind, text));
        assert!(found.iter().any(|line| line.contains(message)), "{text}: {found:?}");
    }
}

#[test]
fn the_secret_that_fetches_tokens_is_never_shown() {
    let sign =
        |text: &str| format!("{{ kind = \"activity\", sign = {{ token_url = \"https://l.example/t\", {text} }} }}");
    for text in [
        "client_id = \"a\", client_secret = \"hunter2-s3cr3t\", scope = \"s\"",
        "client_id = \"a\", client_secret = \"hunter2-s3cr3t\"",
        "client_id = 5, client_secret = \"hunter2-s3cr3t\", scope = \"s\"",
        "client_id = \"a\", client_secret = { fil = \"hunter2-s3cr3t\" }, scope = \"s\"",
        "client_id = \"a\", client_secret = \"hunter2-s3cr3t",
    ] {
        let seen = super::secrets::visible(&bare(&pool(&sign(text), "")));
        assert!(!seen.contains("hunter2"), "{text}\n---\n{seen}");
    }
}
