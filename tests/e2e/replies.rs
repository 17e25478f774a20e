//! A real bot's replies reach real clients.

use super::bots::Sdk;
use super::callers::{curl, node, python};
use super::messages::{event, invoke, message, reply};
use super::regions::{NORTH, Regions, WEST};
use super::support::together;

fn says(region: &str, text: &str) -> Option<String> {
    Some(format!("{region}: you said '{text}'"))
}

async fn every_client_gets_the_reply(sdk: Sdk) {
    let _machine = together().await;
    let regions = Regions::start(sdk).await;
    let (ca, url) = (regions.ca(), regions.url());

    let (version, status, body) = curl("--http1.1", &ca, &url, &message("curl-1", "hello over h1"));
    assert_eq!((version.as_str(), status), ("1.1", 200), "{body}");
    assert_eq!(reply(&body), says(WEST, "hello over h1"), "{body}");

    let (version, status, body) = curl("--http2", &ca, &url, &message("curl-2", "hello over h2"));
    assert_eq!((version.as_str(), status), ("2", 200), "{body}");
    assert_eq!(reply(&body), says(WEST, "hello over h2"), "{body}");

    let body = node("replies", &ca, &url, &message("node", "hello from fetch"));
    assert_eq!(reply(&body), says(WEST, "hello from fetch"), "{body}");

    let body = python(&ca, &url, &message("python", "hello from Python"));
    assert_eq!(reply(&body), says(WEST, "hello from Python"), "{body}");

    let body = node("connector", &ca, &url, &message("pushed", "by the service URL"));
    let pushed: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(pushed["text"].as_str(), says(WEST, "by the service URL").as_deref(), "{body}");

    let (_, status, body) = curl("--http2", &ca, &url, &event("event"));
    assert_eq!((status, body.as_str()), (200, ""), "an event has an empty 2xx");

    let (_, status, body) = curl("--http2", &ca, &url, &invoke("invoke", "back verbatim"));
    assert_eq!(status, 200, "{body}");
    assert_eq!(body, format!(r#"{{"region":"{WEST}","value":"back verbatim"}}"#));

    let unhandled = invoke("unhandled", "").replace("test/echo", "test/unknown");
    let (_, status, _) = curl("--http2", &ca, &url, &unhandled);
    assert_eq!(status, 501, "what a bot answers to an invoke that it has no handler for, passed on as it is");

    let received = regions.west.received();
    assert_eq!(received.len(), 8, "{received:?}");
    assert!(received.values().all(|count| *count == 1), "each activity once: {received:?}");
    assert!(regions.north.received().is_empty(), "{NORTH} stands by");
}

#[tokio::test]
async fn curl_fetch_and_python_get_the_reply_of_a_botbuilder_bot() {
    every_client_gets_the_reply(Sdk::BotBuilder).await;
}

#[tokio::test]
async fn curl_fetch_and_python_get_the_reply_of_an_agents_sdk_bot() {
    every_client_gets_the_reply(Sdk::Agents).await;
}

#[tokio::test]
async fn a_python_bot_is_talked_to_as_any_other() {
    let _machine = together().await;
    let regions = Regions::start(Sdk::Python).await;
    let (ca, url) = (regions.ca(), regions.url());

    let body = node("connector", &ca, &url, &message("pushed", "by the service URL"));
    let pushed: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(pushed["text"].as_str(), says(WEST, "by the service URL").as_deref(), "{body}");

    let (_, status, body) = curl("--http2", &ca, &url, &event("event"));
    assert_eq!((status, body.as_str()), (201, ""), "its SDK's own 2xx is passed on as it is");

    let received = regions.west.received();
    assert_eq!(received.len(), 2, "{received:?}");
    assert!(received.values().all(|count| *count == 1), "each activity once: {received:?}");
    assert!(regions.north.received().is_empty(), "{NORTH} stands by");
}
