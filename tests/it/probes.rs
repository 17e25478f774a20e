//! Probes that speak the language of an application: a message to a bot, a question with a known answer.

use serde_json::{Value, json};

use crate::support::backend::{Answer, Backend, Behaviour, Seen};
use crate::support::process;
use crate::support::site::{Site, pool_of};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

/// How often a probe comes in these tests.
const OFTEN: &str = "interval = \"100ms\", timeout = \"1s\", fall = 2, rise = 2";

async fn start(site: &Site, keys: &str, backends: &[(&Backend, &str)]) -> Gateway {
    let all: Vec<(&str, String, String)> =
        backends.iter().map(|(backend, keys)| (backend.name(), backend.url(), (*keys).to_owned())).collect();
    Gateway::start(site, &(site.head("") + &pool_of("bot", keys, &all, ""))).await
}

fn replies(text: &str) -> Behaviour {
    let body = json!({"activities": [{"type": "typing"}, {"type": "message", "text": text}]}).to_string();
    Answer::with(200, body).header("content-type", "application/json").into()
}

fn body(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

/// What a pool's view says is wrong with a backend.
async fn trouble(gateway: &Gateway, backend: usize) -> String {
    gateway.pool("bot").await["backends"][backend]["probe"]["error"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_replies_wrong_is_unhealthy_though_it_answers_200() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    for backend in [&one, &two] {
        backend.always(replies("echo: are you there?"));
    }
    let keys = format!(
        "probe = {{ kind = \"activity\", text = \"are you there?\", pointer = \"/activities/*/text\", \
         contains = \"are you there?\", channel_id = \"directline\", recipient = \"28:app\", {OFTEN} }}"
    );
    let gateway = start(&site, &keys, &[(&one, "host = \"one.example\"\n"), (&two, "")]).await;
    gateway.until_health("bot", "one", "healthy").await;
    let seen = one.log().last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/api/messages"));
    assert_eq!((seen.header("botgate-probe").as_str(), seen.header("host").as_str()), ("activity", "one.example"));
    assert!(!seen.has("authorization"));
    let first = body(&seen);
    for (pointer, wanted) in [
        ("/type", json!("message")),
        ("/text", json!("are you there?")),
        ("/deliveryMode", json!("expectReplies")),
        ("/channelId", json!("directline")),
        ("/recipient/id", json!("28:app")),
        ("/channelData/botgate/probe", json!(true)),
    ] {
        assert_eq!(first.pointer(pointer), Some(&wanted), "{pointer} of {first}");
    }
    wait_until("another probe has another id", || async { body(&one.log().last())["id"] != first["id"] }).await;

    // The process runs, its dialogs do not: only its reply tells.
    one.always(replies("Oops, something went wrong."));
    gateway.until_active("bot", "two").await;
    let error = trouble(&gateway, 0).await;
    assert_eq!(error, "/activities/*/text in the reply does not contain \"are you there?\"");
    one.always(replies("echo: are you there?"));
    gateway.until_health("bot", "one", "healthy").await;
    // It is no request: it is in no count of them.
    assert_eq!(gateway.metric("botgate_pool_requests_total", &[]).await, 0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_probe_carries_a_token_that_is_fetched_once_and_told_nobody() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, login) = (Backend::start("one").await, Backend::start_tls("login", &site).await);
    one.always(replies("hi"));
    let token = |text: &str| -> Behaviour {
        let body = json!({"token_type": "Bearer", "expires_in": 3600, "access_token": text}).to_string();
        Answer::with(200, body).header("content-type", "application/json").into()
    };
    login.always(token("t0k3n-of-the-probe"));
    let keys = format!(
        "probe = {{ kind = \"activity\", {OFTEN}, sign = {{ token_url = \"{}/tenant/oauth2/v2.0/token\", \
         client_id = \"the-app\", client_secret = \"s3cr3t&of the app\", scope = \"the-app/.default\", ca = \"{}\" }} }}",
        login.url(),
        site.text_path("ca.pem"),
    );
    let gateway = start(&site, &keys, &[(&one, "")]).await;
    gateway.until_health("bot", "one", "healthy").await;
    wait_until("several probes were signed", || async {
        let signed = |seen: &&Seen| seen.header("authorization") == "Bearer t0k3n-of-the-probe";
        one.log().all().iter().filter(signed).count() >= 5
    })
    .await;
    let asked = login.log().all();
    assert_eq!(asked.len(), 1, "one token serves all");
    assert_eq!((asked[0].method.as_str(), asked[0].target.as_str()), ("POST", "/tenant/oauth2/v2.0/token"));
    assert_eq!(
        String::from_utf8_lossy(&asked[0].body),
        "grant_type=client_credentials&client_id=the-app&client_secret=s3cr3t%26of%20the%20app&scope=the-app%2F.default"
    );
    // The bot does not believe it: that is the bot's answer, and counts.
    one.always(Answer::status(401).into());
    gateway.until_health("bot", "one", "unhealthy").await;
    let said = format!("{}{}", gateway.process.stderr(), gateway.api("/api/v1/journal?limit=100").await);
    let (_, out, err) = process::run(&["check", "--config", gateway.config.to_str().unwrap()]);
    let said = format!("{said}{out}{err}{}", gateway.pools().await);
    assert!(!said.contains("t0k3n") && !said.contains("s3cr3t"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_token_service_takes_no_bot_down() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, login) = (Backend::start("one").await, Backend::start("login").await);
    let refused = json!({"error": "invalid_client", "error_description": "s3cr3t is wrong", "error_codes": [7000215]});
    login.always(Answer::with(401, refused.to_string()).into());
    let keys = format!(
        "probe = {{ kind = \"activity\", {OFTEN}, sign = {{ token_url = \"{}/token\", client_id = \"app\", \
         client_secret = \"s3cr3t\", scope = \"x\" }} }}",
        login.url()
    );
    let gateway = start(&site, &keys, &[(&one, "")]).await;
    gateway.until_health("bot", "one", "healthy").await;
    assert_eq!(one.log().count(), 0, "without a token the bot is sent nothing that it would refuse");
    // What is logged is written by a thread of its own.
    wait_until("it is told", async || {
        let stderr = gateway.process.stderr();
        stderr.contains("no token to sign probes with") && stderr.contains("AADSTS7000215")
    })
    .await;
    assert!(!gateway.process.stderr().contains("s3cr3t"), "{}", gateway.process.stderr());
    assert!(login.log().count() <= 2, "{} questions to a service in trouble", login.log().count());
    // A connection is still asked for.
    one.refuse().await;
    gateway.until_health("bot", "one", "unhealthy").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_with_a_known_answer_is_asked_by_each_regions_identity() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let maker = |text: &str, score: f64| -> Behaviour {
        Answer::with(200, json!({"answers": [{"answer": text, "score": score}]}).to_string()).into()
    };
    one.always(maker("We are open from 9 to 5.", 87.5));
    let custom = json!({"answers": [{"answer": "We are open from 9 to 5.", "confidenceScore": 0.7}]}).to_string();
    two.always(Answer::with(200, custom).into());
    let keys = format!(
        "kind = \"question-answering\"\nprobe = {{ kind = \"question\", question = \"When are you open?\", \
         contains = \"9 to 5\", min_score = 60, {OFTEN} }}"
    );
    let (of_one, of_two) = ("kb = \"kb 1\"\nkey = \"k-one\"\n", "project = \"faq\"\nkey = \"k-two\"\n");
    let gateway = start(&site, &keys, &[(&one, of_one), (&two, of_two)]).await;
    gateway.until_health("bot", "one", "healthy").await;
    gateway.until_health("bot", "two", "healthy").await;
    let (first, second) = (one.log().last(), two.log().last());
    assert_eq!(first.target, "/qnamaker/knowledgebases/kb%201/generateAnswer");
    assert_eq!(first.header("authorization"), "EndpointKey k-one");
    assert_eq!(
        second.target,
        "/language/:query-knowledgebases?projectName=faq&deploymentName=production&api-version=2021-10-01"
    );
    assert_eq!(second.header("ocp-apim-subscription-key"), "k-two");
    assert_eq!(body(&first), json!({"question": "When are you open?", "top": 1}));
    assert_eq!(first.header("botgate-probe"), "question");

    for (behaviour, error) in [
        (maker("We are open from 9 to 5.", 42.0), "the answer scores 42.0, expected 60 at least"),
        (maker("No good match found in KB.", 0.0), "the answer to \"When are you open?\" does not contain \"9 to 5\""),
        (
            Answer::with(401, r#"{"error":{"code":"Unauthorized","message":"bad key"}}"#).into(),
            "status 401, expected 200-299 (Unauthorized)",
        ),
    ] {
        one.always(behaviour);
        gateway.until_health("bot", "one", "unhealthy").await;
        wait_until(error, || async { trouble(&gateway, 0).await == error }).await;
        one.always(maker("We are open from 9 to 5.", 87.5));
        gateway.until_health("bot", "one", "healthy").await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_and_simulate_reckon_with_probes_of_applications() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backends = [
        ("one", "http://127.0.0.1:9".to_owned(), String::new()),
        ("two", "http://127.0.0.1:10".to_owned(), String::new()),
    ];
    let keys = "kind = \"bot\"\nprobe = { kind = \"activity\", contains = \"x\" }";
    let config = site.write("app.toml", &(site.head("") + &pool_of("bot", keys, &backends, "")));
    let script = "for = \"2m\"\ntraffic = { bot = 10 }\n[[at]]\ntime = \"20s\"\nbackend = \"one\"\ndoes = \"status 503\"\nfor = \"60s\"\n";
    let script = site.write("script.toml", script);
    let (config, script) = (config.to_str().unwrap(), script.to_str().unwrap());
    let (code, out, err) = process::run(&["check", "--config", config]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, out, err) = process::run(&["simulate", "--config", config, "--script", script]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("one → two"), "{out}");
    Ok(())
}
