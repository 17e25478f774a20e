//! Deliveries of activities that do not go smoothly: what is remembered of them, where they go, and whose fault they are.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::resends::{activity, message, pair, pair_with, post};
use crate::support::Outcome;
use crate::support::backend::{Answer, Cut};
use crate::support::client::{Protocol, full};
use crate::support::raw::Raw;
use crate::support::site::Site;
use crate::support::wait::{together, wait_until};

/// A request for a raw connection, in two parts.
fn halves(body: &str) -> (String, String) {
    let (length, (begin, end)) = (body.len(), body.split_at(body.len() / 2));
    let head = "POST /api/messages HTTP/1.1\r\nhost: bot.test\r\ncontent-type: application/json\r\n";
    (format!("{head}content-length: {length}\r\n\r\n{begin}"), end.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_broke_off_is_not_given_to_a_resend_as_if_it_were_whole() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let log = site.text_path("access.log");
    let pair = pair_with(&format!("[access_log]\ntarget = \"{log}\"\n\n"), "").await;
    let ways = [(Protocol::H1, false), (Protocol::H2, true), (Protocol::H1, true)];
    for (round, (protocol, chunked)) in ways.into_iter().enumerate() {
        let body = activity(&round.to_string(), json!({ "type": "invoke" }));
        let whole = Answer::with(200, "first, second");
        let whole = if chunked { whole.chunked() } else { whole };
        pair.one.once(whole.clone().cut(5, Cut::Close).into());
        assert!(post(&mut pair.client(protocol).await, &body, &[]).await.is_err(), "it was cut");
        pair.one.once(whole.into());
        let resend = pair.send(&body).await;
        assert_eq!((resend.text().as_str(), resend.header("botgate-resend")), ("first, second", ""), "{protocol:?}");
        pair.saw(2 * (round + 1), 0);
    }
    assert_eq!(pair.gateway.metric("botgate_requests_total", &["outcome=\"error\""]).await, 3.0);
    let outcomes = || -> Vec<String> {
        let text = std::fs::read_to_string(&log).unwrap();
        let outcome = |line: &str| serde_json::from_str::<Value>(line).unwrap()["outcome"].as_str().unwrap().to_owned();
        text.lines().map(outcome).collect()
    };
    wait_until("all is logged", || async { outcomes().len() == 6 }).await;
    assert_eq!(outcomes().iter().filter(|it| *it == "broken").count(), 3, "{:?}", outcomes());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_was_taken_is_not_delivered_again_because_the_words_about_it_broke_off() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("stream_timeout = \"300ms\"").await;
    for (round, cut) in [Cut::Close, Cut::Stall].into_iter().enumerate() {
        let body = message(&round.to_string());
        pair.one.once(Answer::with(202, "taken, I say").cut(5, cut).into());
        assert!(post(&mut pair.client(Protocol::H1).await, &body, &[]).await.is_err(), "it was cut");
        let resend = pair.send(&body).await;
        assert_eq!((resend.status, resend.text().as_str(), resend.header("botgate-resend")), (202, "", "answered"));
        pair.saw(round + 1, 0);
    }
    assert_eq!(pair.gateway.metric("botgate_requests_total", &["outcome=\"error\""]).await, 2.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asked_for_a_stream_of_replies_is_not_answered_without_it() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("ledger = { answer = \"1KiB\" }").await;
    pair.one.always(Answer::with(200, vec![b'x'; 4096]).chunked().into());
    let body = activity("1", json!({ "deliveryMode": "stream" }));
    assert_eq!((pair.send(&body).await.body.len(), pair.send(&body).await.body.len()), (4096, 4096));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resend_that_waited_is_delivered_where_its_pool_is_now() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("").await;
    let body = message("1");
    pair.one.once(Answer::status(500).delay(Duration::from_secs(2)).into());
    let (mut one, mut two) = (pair.client(Protocol::H1).await, pair.client(Protocol::H1).await);
    let (text, again) = (body.clone(), body.clone());
    let first = tokio::spawn(async move { post(&mut one, &text, &[]).await.unwrap() });
    wait_until("the first is under way", || async { pair.one.log().count() == 1 }).await;
    let resend = tokio::spawn(async move { post(&mut two, &again, &[]).await.unwrap() });
    wait_until("the resend has come", || async {
        pair.gateway.metric("botgate_pool_requests_total", &[]).await == 2.0
    })
    .await;
    assert_eq!(pair.gateway.order("bot", "one", "drain").await.status, 200);
    pair.gateway.until_active("bot", "two").await;
    assert_eq!(first.await?.status, 500);
    let resend = resend.await?;
    assert_eq!((resend.status, resend.header("x-backend")), (200, "two"), "it went to the backend that was drained");
    pair.saw(1, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activity_that_came_slowly_is_delivered_where_its_pool_is_now() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("").await;
    let (begin, end) = halves(&message("1"));
    let mut raw = Raw::tls(pair.gateway.address(), &pair.site).await;
    raw.write(begin).await;
    wait_until("its head has come", || async { pair.gateway.metric("botgate_pool_requests_total", &[]).await == 1.0 })
        .await;
    assert_eq!(pair.gateway.order("bot", "one", "drain").await.status, 200);
    pair.gateway.until_active("bot", "two").await;
    assert_eq!(raw.ask(end).await.status(), 200);
    pair.saw(0, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_its_backend_no_time_is_no_evidence_against_it() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("deadline = \"1500ms\"").await;
    pair.one.always(Answer::status(200).delay(Duration::from_secs(2)).into());
    let (begin, end) = halves(&message("1"));
    let mut raw = Raw::tls(pair.gateway.address(), &pair.site).await;
    raw.write(begin).await;
    // The backend has less than `evidence.suspect_after` (100 ms).
    tokio::time::sleep(Duration::from_millis(1440)).await;
    let heard = raw.ask(end).await;
    assert!([503, 408].contains(&heard.status()), "{heard:?}");
    assert_eq!(pair.gateway.metric("botgate_evidence_total", &[]).await, 0.0);
    // One that had its time and did not use it is another matter.
    assert_eq!(pair.send(&message("2")).await.status, 503);
    assert!(pair.gateway.metric("botgate_evidence_total", &[]).await >= 2.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_whose_clients_vanish_all_at_once_at_a_shutdown_go_on() -> Outcome<()> {
    let _machine = together().await;
    let mut pair = pair("").await;
    pair.one.always(Answer::status(200).delay(Duration::from_secs(3)).into());
    let client = pair.client(Protocol::H2).await;
    let mut all = JoinSet::new();
    for number in 0..150 {
        let mut another = client.another().ok_or("no HTTP/2")?;
        let request = client.request("POST", "/api/messages").header("content-type", "application/json");
        let request = request.body(full(message(&number.to_string())))?;
        all.spawn(async move { another.send_request(request).await.is_ok() });
    }
    wait_until("all are under way", || async { pair.one.log().count() == 150 }).await;
    let admin = pair.gateway.admin();
    let leave = async {
        // The sign that it takes no more traffic.
        wait_until("it drains", || async { tokio::net::TcpStream::connect(admin).await.is_err() }).await;
        drop((all, client));
    };
    let (ended, ()) = tokio::join!(pair.gateway.stop(), leave);
    assert!(ended.success());
    assert_eq!(pair.one.log().gone(), 0, "deliveries were cut off");
    Ok(())
}
