//! When no backend serves a request: each kind of client is told so that it does the right thing.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::backend::{Backend, Behaviour};
use crate::support::client::{Client, Protocol, Reply};
use crate::support::site::{PROBE, Site, pool_of};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

const JSON: (&str, &str) = ("content-type", "application/json");

fn activity(kind: &str, name: &str) -> String {
    json!({"type": kind, "name": name, "id": "1", "channelId": "msteams", "conversation": {"id": "c"}}).to_string()
}

/// A gateway with one backend, which is down.
async fn down(site: &Site, keys: &str) -> (Gateway, Backend) {
    let one = Backend::start("one").await;
    let keys = format!("{keys}\n{PROBE}");
    let config = site.head("") + &pool_of("bot", &keys, &[("one", one.url(), String::new())], "max_body = \"1KiB\"\n");
    let gateway = Gateway::start(site, &config).await;
    one.refuse().await;
    (gateway, one)
}

async fn post(client: &mut Client, body: &str) -> Outcome<Reply> {
    client.post("/api/messages", &[JSON], body.to_owned()).await
}

/// Until requests are served again: that a backend is healthy is known a moment before the pool has moved back to it.
async fn served(client: &mut Client) {
    let another = json!({"type": "event", "id": "0", "channelId": "msteams", "conversation": {"id": "c"}});
    let client = tokio::sync::Mutex::new(client);
    wait_until("requests are served again", || async {
        post(*client.lock().await, &another.to_string()).await.is_ok_and(|reply| reply.status == 200)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bots_channel_is_told_503_and_when_to_come_back_whatever_went_wrong() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    for all_down in ["reject", "try-all"] {
        let keys = format!("kind = \"bot\"\nall_down = \"{all_down}\"\nattempt_timeout = \"500ms\"\ndeadline = \"1s\"");
        let (gateway, one) = down(&site, &keys).await;
        gateway.until_health("bot", "one", "unhealthy").await;
        for protocol in [Protocol::H1, Protocol::H2] {
            let mut client = gateway.client(&site, protocol).await;
            let reply = post(&mut client, &activity("message", "")).await?;
            reply.is_problem(StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(reply.header("retry-after"), "5");
            let told = reply.json()["type"].as_str().unwrap_or_default().to_owned();
            let wanted = if all_down == "reject" { "all-down" } else { "unreachable" };
            assert_eq!(told, format!("urn:botgate:problem:{wanted}"));
        }
        one.listen_again().await;
        let mut client = gateway.client(&site, Protocol::H1).await;
        served(&mut client).await;
        for (behaviour, wanted) in [(Behaviour::Reset, "broken"), (Behaviour::Stall, "too-late")] {
            // A kept connection that breaks is dialed again first: once would not do.
            one.always(behaviour);
            let reply = post(&mut client, &activity("message", "")).await?;
            reply.is_problem(StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(reply.json()["type"], format!("urn:botgate:problem:{wanted}"));
            assert_eq!(reply.header("retry-after"), "5");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoke_is_answered_so_that_its_client_can_show_why() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let keys = "kind = \"bot\"\nunavailable = { message = \"Gleich wieder da.\" }";
    let (gateway, _one) = down(&site, keys).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    let message = "Gleich wieder da.";
    for (name, wanted) in [
        (
            "adaptiveCard/action",
            json!({"statusCode": 503, "type": "application/vnd.microsoft.error",
                   "value": {"code": "ServiceUnavailable", "message": message}}),
        ),
        ("task/fetch", json!({"task": {"type": "message", "value": message}})),
        ("composeExtension/query", json!({"composeExtension": {"type": "message", "text": message}})),
    ] {
        let reply = post(&mut client, &activity("invoke", name)).await?;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"), "{name}");
        assert_eq!(reply.json(), wanted);
    }
    let reply = post(&mut client, &activity("invoke", "signin/tokenExchange")).await?;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "5"));
    assert_eq!(reply.json(), json!({"error": {"code": "ServiceUnavailable", "message": message}}));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_question_answering_are_told_in_json_that_their_sdk_shows() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let keys =
        "kind = \"question-answering\"\nall_down = \"reject\"\nattempt_timeout = \"300ms\"\ndeadline = \"500ms\"";
    let (gateway, one) = down(&site, keys).await;
    gateway.until_health("bot", "one", "unhealthy").await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    let told = |reply: &Reply| {
        assert_eq!(reply.header("content-type"), "application/json", "{}", reply.text());
        let error: Value = reply.json()["error"].clone();
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        (reply.status, error["code"].as_str().unwrap_or_default().to_owned())
    };
    let reply = post(&mut client, r#"{"question":"?"}"#).await?;
    assert_eq!(told(&reply), (503, "ServiceUnavailable".into()));
    assert_eq!(reply.header("retry-after"), "5");
    one.listen_again().await;
    served(&mut client).await;
    one.always(Behaviour::Stall);
    assert_eq!(told(&post(&mut client, "{}").await?), (504, "GatewayTimeout".into()));
    one.always(Behaviour::Reset);
    assert_eq!(told(&post(&mut client, "{}").await?), (502, "BadGateway".into()));
    let large = vec![b' '; 4096];
    let reply = client.post("/qnamaker", &[JSON], large).await?;
    assert_eq!(told(&reply), (413, "PayloadTooLarge".into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_can_be_written_in_the_config_or_in_a_file() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    site.write("sorry.json", r#"{"sorry":"{pool}","id":"{request_id}"}"#);
    let keys =
        "kind = \"bot\"\nunavailable = { status = 529, retry_after = \"1500ms\", body = { file = \"sorry.json\" } }";
    let (gateway, _one) = down(&site, keys).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    let headers = [JSON, ("x-request-id", "a\"b")];
    let reply = client.post("/", &headers, activity("message", "")).await?;
    assert_eq!((reply.status, reply.header("retry-after")), (529, "2"));
    assert_eq!(reply.json(), json!({"sorry": "bot", "id": "a\"b"}));
    // The file is part of the config: a change of it is taken over.
    site.write("sorry.json", r#"{"sorry":"again"}"#);
    let changed = async {
        loop {
            let reply = post(&mut client, &activity("message", "")).await?;
            if reply.json()["sorry"] == "again" {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), changed).await?
}
