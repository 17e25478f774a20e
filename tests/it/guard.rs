//! What a bot never gets to see: requests of a guarded route that are no activities.

use http::StatusCode;

use crate::support::backend::{Answer, Backend};
use crate::support::client::{Client, Protocol, full};
use crate::support::raw::Raw;
use crate::support::site::{PROBE, Site, pool_of};
use crate::support::wait::together;
use crate::support::{Gateway, Outcome};

/// A body, its content type, and what it is answered with.
type Case = (&'static str, Option<(&'static str, &'static str)>, StatusCode);

const ACTIVITY: &str = r#"{"type":"message","id":"1","channelId":"test","conversation":{"id":"c"},"text":"hi"}"#;
const JSON: (&str, &str) = ("content-type", "application/json");

async fn guarded(site: &Site, backend: &Backend, route: &str) -> Gateway {
    let keys = format!("kind = \"bot\"\n{PROBE}");
    let config = site.head("") + &pool_of("bot", &keys, &[("one", backend.url(), String::new())], route);
    Gateway::start(site, &config).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_activity_is_refused_and_no_bot_sees_it() -> Outcome<()> {
    let _machine = together().await;
    let (site, one) = (Site::new(), Backend::start("one").await);
    let gateway = guarded(&site, &one, "").await;
    let refused: &[Case] = &[
        ("", Some(JSON), StatusCode::BAD_REQUEST),
        ("{}", Some(JSON), StatusCode::BAD_REQUEST),
        ("[]", Some(JSON), StatusCode::BAD_REQUEST),
        ("hello", Some(JSON), StatusCode::BAD_REQUEST),
        (r#"{"type":"message"}"#, Some(JSON), StatusCode::BAD_REQUEST),
        (r#"{"type":"message","channelId":"c","conversation":{}}"#, Some(JSON), StatusCode::BAD_REQUEST),
        (
            r#"{"type":"m","channelId":"c","channelId":"d","conversation":{"id":"1"}}"#,
            Some(JSON),
            StatusCode::BAD_REQUEST,
        ),
        (ACTIVITY, None, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (ACTIVITY, Some(("content-type", "text/plain")), StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ];
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        for (body, header, status) in refused {
            let headers: Vec<(&str, &str)> = header.iter().copied().collect();
            client.post("/api/messages", &headers, *body).await?.is_problem(*status);
            if client.is_closed() {
                client = gateway.client(&site, protocol).await;
            }
        }
        let gzip = [JSON, ("content-encoding", "gzip")];
        client.post("/api/messages", &gzip, ACTIVITY).await?.is_problem(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    assert_eq!(one.log().count(), 0, "a bot saw what a guard refused");
    assert_eq!(gateway.metric("botgate_malformed_total", &[]).await, 20.0);
    let mut client = gateway.client(&site, Protocol::H2).await;
    assert_eq!(client.post("/api/messages", &[JSON], ACTIVITY).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activity_reaches_its_bot_byte_for_byte_with_its_length_told() -> Outcome<()> {
    let _machine = together().await;
    let (site, one) = (Site::new(), Backend::start("one").await);
    let gateway = guarded(&site, &one, "").await;
    let mut raw = Raw::tls(gateway.address(), &site).await;
    let head =
        "POST /api/messages HTTP/1.1\r\nhost: bot.test\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let (first, second) = ACTIVITY.split_at(20);
    let chunk = |part: &str| format!("{:x}\r\n{part}\r\n", part.len());
    let body = format!("{}{}0\r\n\r\n", chunk(first), chunk(second));
    let heard = raw.ask(format!("{head}transfer-encoding: chunked\r\n\r\n{body}")).await;
    assert_eq!(heard.status(), 200, "{heard:?}");
    let seen = one.log().all().remove(0);
    assert_eq!(seen.body, ACTIVITY.as_bytes());
    assert_eq!(seen.header("content-length"), ACTIVITY.len().to_string());
    assert_eq!(seen.header("transfer-encoding"), "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stops_in_the_middle_is_a_408_and_one_that_is_too_large_a_413() -> Outcome<()> {
    let _machine = together().await;
    let (site, one) = (Site::new(), Backend::start("one").await);
    let keys = format!("kind = \"bot\"\n{PROBE}");
    let head = site.head("body_timeout = \"200ms\"");
    let config = head + &pool_of("bot", &keys, &[("one", one.url(), String::new())], "max_body = \"1KiB\"\n");
    let gateway = Gateway::start(&site, &config).await;
    let mut raw = Raw::tls(gateway.address(), &site).await;
    let head = "POST /api/messages HTTP/1.1\r\nhost: bot.test\r\ncontent-type: application/json\r\n";
    let heard = raw.ask(format!("{head}content-length: 100\r\n\r\n{{\"type\":")).await;
    assert_eq!(heard.status(), 408, "{heard:?}");
    let mut client = gateway.client(&site, Protocol::H2).await;
    let large = format!("{}{}", ACTIVITY, " ".repeat(2000));
    let request = client.request("POST", "/api/messages").header("content-type", "application/json");
    client.send(request.body(full(large))?).await?.is_problem(StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(one.log().count(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_leaves_open_paths_and_other_pools_alone_and_can_be_turned_off() -> Outcome<()> {
    let _machine = together().await;
    let (site, one) = (Site::new(), Backend::start("one").await);
    let gateway = guarded(&site, &one, "guard = { open = [\"/api/notify\"] }\n").await;
    let mut client = gateway.client(&site, Protocol::H2).await;
    assert_eq!(client.post("/api/notify/all", &[], "anything").await?.status, 200);
    client.post("/api/notify/../messages", &[JSON], "{}").await?.is_problem(StatusCode::BAD_REQUEST);
    client.post("/api/notifyx", &[JSON], "{}").await?.is_problem(StatusCode::BAD_REQUEST);
    assert_eq!(client.get("/page").await?.status, 200, "without tokens only activities are looked at");
    let off = guarded(&site, &one, "guard = false\n").await;
    let mut client: Client = off.client(&site, Protocol::H1).await;
    assert_eq!(client.post("/api/messages", &[], "{}").await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_is_not_reached_around_its_guard_by_another_route() -> Outcome<()> {
    let _machine = together().await;
    let (site, one) = (Site::new(), Backend::start("one").await);
    let entry = || [("one", one.url(), String::new())];
    let bot = pool_of("bot", &format!("kind = \"bot\"\n{PROBE}"), &entry(), "path = \"/api/messages\"\n");
    let web = pool_of("web", PROBE, &entry(), "path = \"/\"\n");
    let gateway = Gateway::start(&site, &(site.head("") + &bot + &web)).await;
    let mut client = gateway.client(&site, Protocol::H2).await;
    for path in ["/api/messages", "/API/Messages", "/api/%6Dessages", "//api/messages/", "/api/messages;x=1"] {
        client.post(path, &[JSON], "{}").await?.is_problem(StatusCode::BAD_REQUEST);
    }
    assert_eq!(one.log().count(), 0);
    assert_eq!(client.post("/page", &[JSON], "{}").await?.status, 200);
    assert_eq!(client.post("/API/Messages", &[JSON], ACTIVITY).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_501_and_a_429_say_nothing_about_the_region() -> Outcome<()> {
    let _machine = together().await;
    let (site, one, two) = (Site::new(), Backend::start("one").await, Backend::start("two").await);
    // Each is to reach the bot, though it is the same activity.
    let keys = format!("kind = \"bot\"\nledger = {{ entries = 0 }}\n{PROBE}");
    let gateway = Gateway::start(&site, &site.config(&keys, &[&one, &two])).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    for status in [501, 429, 413, 401, 500] {
        one.always(Answer::status(status).into());
        for _ in 0..40 {
            assert_eq!(client.post("/api/messages", &[JSON], ACTIVITY).await?.status, status);
        }
    }
    assert_eq!(gateway.metric("botgate_evidence_total", &[]).await, 0.0);
    assert_eq!(gateway.health("bot", "one").await, "healthy");
    Ok(())
}
