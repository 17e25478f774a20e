//! An activity is delivered once: a channel's own resend gets the outcome of the first delivery.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::backend::{Answer, Backend, Behaviour, Health};
use crate::support::client::{Client, Protocol, Reply, full};
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

const PATH: &str = "/api/messages";

pub(crate) struct Pair {
    pub(crate) site: Site,
    pub(crate) one: Backend,
    pub(crate) two: Backend,
    pub(crate) gateway: Gateway,
}

/// A bot pool of two backends and rare probes; `keys` are the pool's, `head` is the listener's and what follows it.
pub(crate) async fn pair_with(head: &str, keys: &str) -> Pair {
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let rare = "kind = \"bot\"\nprobe = { path = \"/healthz\", interval = \"60s\", timeout = \"1s\" }\nevidence = { failures = 0 }";
    let config = site.head("") + head + &site.pool(&format!("{rare}\n{keys}"), &[&one, &two]);
    let gateway = Gateway::start(&site, &config).await;
    Pair { site, one, two, gateway }
}

pub(crate) async fn pair(keys: &str) -> Pair {
    pair_with("", keys).await
}

pub(crate) fn activity(id: &str, more: Value) -> String {
    let mut activity = json!({
        "type": "message", "id": id, "channelId": "msteams", "conversation": { "id": "a:1" }, "text": "hi",
    });
    activity.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    activity.to_string()
}

pub(crate) fn message(id: &str) -> String {
    activity(id, json!({}))
}

pub(crate) async fn post(client: &mut Client, body: &str, headers: &[(&str, &str)]) -> Outcome<Reply> {
    let headers = [&[("content-type", "application/json")], headers].concat();
    client.post(PATH, &headers, body.to_owned()).await
}

impl Pair {
    pub(crate) async fn client(&self, protocol: Protocol) -> Client {
        self.gateway.client(&self.site, protocol).await
    }

    /// Sends on a connection of its own.
    pub(crate) async fn send(&self, body: &str) -> Reply {
        self.send_with(body, &[]).await
    }

    pub(crate) async fn send_with(&self, body: &str, headers: &[(&str, &str)]) -> Reply {
        post(&mut self.client(Protocol::H1).await, body, headers).await.unwrap()
    }

    /// Sends, and goes away once backend one has it.
    pub(crate) async fn send_and_leave(&self, protocol: Protocol, body: &str) {
        let (seen, mut client, text) = (self.one.log().count(), self.client(protocol).await, body.to_owned());
        let waiting = tokio::spawn(async move { post(&mut client, &text, &[]).await.map(|reply| reply.status) });
        wait_until("the backend has the activity", || async { self.one.log().count() > seen }).await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn resends(&self, result: &str) -> f64 {
        self.gateway.metric("botgate_resends_total", &[&format!("result=\"{result}\"")]).await
    }

    pub(crate) async fn entries(&self, state: &str) -> f64 {
        self.gateway.metric("botgate_ledger_entries", &[&format!("state=\"{state}\"")]).await
    }

    /// Backend one has seen so many requests, two so many.
    pub(crate) fn saw(&self, one: usize, two: usize) {
        assert_eq!((self.one.log().count(), self.two.log().count()), (one, two));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_resends_come_at_once_the_backend_sees_one() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("").await;
    for round in 0..3_usize {
        pair.one.once(Answer::with(201, "once").header("x-own", "1").delay(Duration::from_millis(700)).into());
        let body = message(&format!("round-{round}"));
        let mut all = JoinSet::new();
        // On connections of their own: the kernel spreads them over both workers.
        for number in 0..40 {
            let mut client = pair.client(if number % 2 == 0 { Protocol::H1 } else { Protocol::H2 }).await;
            let body = body.clone();
            all.spawn(async move { post(&mut client, &body, &[]).await.unwrap() });
        }
        let replies = all.join_all().await;
        for reply in &replies {
            assert_eq!((reply.status, reply.text().as_str(), reply.header("x-own")), (201, "once", "1"));
        }
        let first = replies.iter().filter(|reply| reply.header("botgate-resend").is_empty()).count();
        assert_eq!(first, 1, "{:?}", replies.iter().map(|reply| reply.header("botgate-resend")).collect::<Vec<_>>());
        pair.saw(round + 1, 0);
    }
    let told = pair.resends("waited").await + pair.resends("answered").await;
    assert_eq!(told, 3.0 * 39.0);
    assert!(pair.resends("waited").await > 60.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resend_after_the_first_was_answered_gets_the_same_answer() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("").await;
    let answer = Answer::with(200, r#"{"activities":[]}"#).header("content-type", "application/json");
    pair.one.once(answer.header("set-cookie", "a=1").header("set-cookie", "b=2").into());
    let body = activity("1", json!({ "deliveryMode": "expectReplies" }));
    let first = pair.send(&body).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let resend = post(&mut pair.client(protocol).await, &body, &[]).await?;
        assert_eq!((resend.status, &resend.body), (200, &first.body));
        let cookies: Vec<_> = resend.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(resend.header("content-type"), "application/json");
        assert_eq!(resend.header("content-length"), first.body.len().to_string());
        assert_eq!(resend.header("botgate-resend"), "answered");
        assert_ne!(resend.header("x-request-id"), first.header("x-request-id"), "each request has an id of its own");
    }
    assert_eq!(first.header("botgate-resend"), "");
    pair.saw(1, 0);
    assert_eq!((pair.resends("answered").await, pair.entries("done").await), (2.0, 1.0));
    assert!(pair.gateway.metric("botgate_ledger_bytes", &[]).await > 0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_outlives_its_client_and_the_resend_gets_its_outcome() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let log = site.text_path("access.log");
    let pair = pair_with(&format!("[access_log]\ntarget = \"{log}\"\n\n"), "").await;
    for (round, protocol) in [Protocol::H1, Protocol::H2].into_iter().enumerate() {
        let body = message(&format!("left-{round}"));
        pair.one.once(Answer::with(202, "taken").delay(Duration::from_secs(1)).into());
        pair.send_and_leave(protocol, &body).await;
        // In flight still, or done: both are right.
        let resend = pair.send(&body).await;
        assert_eq!((resend.status, resend.text().as_str()), (202, "taken"), "{protocol:?}");
        assert!(["waited", "answered"].contains(&resend.header("botgate-resend")));
        pair.saw(round + 1, 0);
    }
    assert_eq!(pair.one.log().gone(), 0, "the delivery was cancelled with its client");
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&log).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    wait_until("all is logged", || async { lines().len() == 4 }).await;
    let (left, resent): (Vec<Value>, Vec<Value>) =
        lines().into_iter().partition(|line| line["outcome"] == "client-left");
    assert_eq!((left.len(), resent.len()), (2, 2));
    for line in left {
        assert_eq!((&line["status"], &line["backend"], &line["attempts"]), (&json!(202), &json!("one"), &json!(1)));
        assert!(line["duration_ms"].as_f64() > Some(900.0), "{line}");
    }
    assert!(resent.iter().all(|line| line["outcome"].as_str().unwrap().starts_with("resend-")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_whose_client_leaves_in_the_middle_is_read_to_its_end() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("").await;
    let body = activity("1", json!({ "type": "invoke", "name": "adaptiveCard/action" }));
    pair.one.once(Answer::with(200, "first, second").pause(5, Duration::from_secs(1)).into());
    let mut client = pair.client(Protocol::H1).await;
    let request = client.request("POST", PATH).header("content-type", "application/json").body(full(body.clone()))?;
    assert_eq!(client.begin(request).await?.status(), 200);
    drop(client);
    let resend = pair.send(&body).await;
    assert_eq!((resend.status, resend.text().as_str()), (200, "first, second"));
    pair.saw(1, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_an_untracked_request_is_logged_too() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let log = site.text_path("access.log");
    let pair = pair_with(&format!("[access_log]\ntarget = \"{log}\"\n\n"), "").await;
    pair.one.once(Behaviour::Stall);
    let typing = activity("", json!({ "type": "typing" }));
    pair.send_and_leave(Protocol::H2, &typing).await;
    wait_until("the attempt is cancelled", || async { pair.one.log().gone() == 1 }).await;
    wait_until("it is logged", || async { std::fs::read_to_string(&log).unwrap().contains("client-left") }).await;
    let line: Value = serde_json::from_str(&std::fs::read_to_string(&log)?)?;
    assert_eq!((&line["status"], &line["attempts"]), (&json!(499), &json!(1)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_is_forgotten_and_its_resend_delivered_anew() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("deadline = \"1500ms\"\nretry = { status = [] }").await;
    for (round, status) in [500, 502, 503, 504, 429, 401].into_iter().enumerate() {
        let body = message(&status.to_string());
        pair.one.once(Answer::status(status).into());
        assert_eq!(pair.send(&body).await.status, status);
        let resend = pair.send(&body).await;
        assert_eq!((resend.status, resend.header("botgate-resend")), (200, ""), "after {status}");
        pair.saw(2 * (round + 1), 0);
    }
    // One's own failure: nobody answered in time.
    let body = message("stalled");
    pair.one.once(Behaviour::Stall);
    pair.send(&body).await.is_problem(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((pair.send(&body).await.status, pair.one.log().count()), (200, 14));
    assert_eq!(pair.entries("done").await, 7.0);
    assert_eq!(pair.entries("in-flight").await, 0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bot_does_not_want_or_know_is_remembered() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("").await;
    for (round, status) in [400, 404, 409, 501].into_iter().enumerate() {
        let body = activity(&status.to_string(), json!({ "type": "invoke" }));
        pair.one.once(Answer::with(status, "no").into());
        for _ in 0..2 {
            let reply = pair.send(&body).await;
            assert_eq!((reply.status, reply.text().as_str()), (status, "no"));
        }
        pair.saw(round + 1, 0);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resend_that_waits_for_a_delivery_that_fails_is_delivered_itself() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("deadline = \"1500ms\"").await;
    let body = message("1");
    pair.one.once(Behaviour::Stall);
    let mut client = pair.client(Protocol::H1).await;
    let text = body.clone();
    let first = tokio::spawn(async move { post(&mut client, &text, &[]).await.unwrap() });
    wait_until("the first is under way", || async { pair.one.log().count() == 1 }).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let resend = pair.send(&body).await;
    assert_eq!((resend.status, resend.header("botgate-resend")), (200, ""));
    first.await?.is_problem(StatusCode::SERVICE_UNAVAILABLE);
    pair.saw(2, 0);
    assert_eq!((pair.resends("delivered").await, pair.resends("waited").await), (1.0, 0.0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_with_another_body_is_another_activity() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("").await;
    let edit = activity("1", json!({ "type": "messageUpdate", "text": "edited" }));
    for body in [message("1"), edit.clone(), message("1"), edit] {
        let reply = pair.send(&body).await;
        assert_eq!((reply.status, reply.text()), (200, body));
    }
    pair.saw(2, 0);
    let keys: Vec<String> = pair.one.log().all().iter().map(|seen| seen.header("idempotency-key")).collect();
    assert!(keys.iter().all(|key| key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit())), "{keys:?}");
    assert_ne!(keys[0], keys[1], "a bot that knows the key would drop the edit");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_goes_only_to_who_got_it_first() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("").await;
    let body = message("1");
    for sender in ["Bearer ann", "Bearer bob", "Bearer ann", ""] {
        assert_eq!(pair.send_with(&body, &[("authorization", sender)]).await.status, 200);
    }
    pair.saw(3, 0);
    let mut client = pair.client(Protocol::H1).await;
    let json = [("content-type", "application/json"), ("authorization", "Bearer ann")];
    assert_eq!(client.post("/api/other", &json, body).await?.status, 200);
    pair.saw(4, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_id_nothing_is_tracked_and_the_clients_own_key_is_passed_on() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("").await;
    let typing = json!({ "type": "typing", "channelId": "msteams", "conversation": { "id": "a:1" } }).to_string();
    for _ in 0..2 {
        assert_eq!(pair.send(&typing).await.status, 200);
    }
    pair.saw(2, 0);
    assert!(!pair.one.log().last().has("idempotency-key"));
    pair.send_with(&message("1"), &[("idempotency-key", "my-own")]).await;
    assert_eq!(pair.one.log().last().header("idempotency-key"), "my-own");
    assert_ne!(pair.one.log().last().header("botgate-epoch"), "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finds_the_ledger_full_is_delivered_and_never_twice() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("ledger = { entries = 2 }").await;
    for id in ["1", "2"] {
        assert_eq!(pair.send(&message(id)).await.status, 200);
    }
    // Untracked: a resend is delivered, …
    for _ in 0..2 {
        assert_eq!(pair.send(&message("3")).await.status, 200);
    }
    pair.saw(4, 0);
    assert_eq!(pair.one.log().last().header("idempotency-key").len(), 64, "the bot can tell all the same");
    // … and what may have been acted on is not tried elsewhere, but with a key of the client's own.
    pair.one.once(Behaviour::Reset);
    pair.send(&message("4")).await.is_problem(StatusCode::SERVICE_UNAVAILABLE);
    pair.saw(5, 0);
    pair.one.once(Behaviour::Reset);
    assert_eq!(pair.send_with(&message("5"), &[("idempotency-key", "k")]).await.status, 200);
    // To the standby, or over a new connection where a kept one was reset.
    assert_eq!(pair.one.log().count() + pair.two.log().count(), 7);
    // What was there before is still known.
    assert_eq!(pair.send(&message("1")).await.header("botgate-resend"), "answered");
    assert_eq!(pair.gateway.metric("botgate_ledger_full_total", &[]).await, 4.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_is_forgotten_when_it_is_old() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("ledger = { age = \"1500ms\" }").await;
    let body = message("1");
    let start = Instant::now();
    assert_eq!(pair.send(&body).await.status, 200);
    if start.elapsed() < Duration::from_secs(1) {
        assert_eq!(pair.send(&body).await.header("botgate-resend"), "answered");
    }
    wait_until("it is forgotten by upkeep", || async { pair.entries("done").await == 0.0 }).await;
    assert_eq!(pair.gateway.metric("botgate_ledger_bytes", &[]).await, 0.0);
    assert_eq!(pair.send(&body).await.header("botgate-resend"), "");
    pair.saw(2, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_answer_too_large_to_keep_the_status_is_kept_where_that_is_enough() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("ledger = { answer = \"1KiB\" }").await;
    pair.one.always(Answer::with(200, vec![b'x'; 4096]).into());
    assert_eq!(pair.send(&message("1")).await.body.len(), 4096);
    let resend = pair.send(&message("1")).await;
    assert_eq!((resend.status, resend.body.len(), resend.header("botgate-resend")), (200, 0, "answered"));
    pair.saw(1, 0);
    // Of unknown length, too.
    pair.one.always(Answer::with(200, vec![b'x'; 4096]).chunked().into());
    assert_eq!((pair.send(&message("2")).await.body.len(), pair.send(&message("2")).await.body.len()), (4096, 0));
    pair.saw(2, 0);
    // Who asked for the body gets it, and so the activity is delivered anew.
    for more in [json!({ "type": "invoke" }), json!({ "deliveryMode": "expectReplies" })] {
        let body = activity("3", more);
        assert_eq!((pair.send(&body).await.body.len(), pair.send(&body).await.body.len()), (4096, 4096));
    }
    pair.saw(6, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activity_whose_backend_dies_with_it_goes_to_the_standby_by_the_key_made_of_it() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("").await;
    pair.one.once(Behaviour::Reset);
    let body = message("1");
    let reply = pair.send(&body).await;
    assert_eq!((reply.status, reply.header("x-backend")), (200, "two"));
    pair.saw(1, 1);
    let (first, second) = (pair.one.log().last(), pair.two.log().last());
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
    assert_eq!((first.header("botgate-attempt").as_str(), second.header("botgate-attempt").as_str()), ("", "2"));
    assert_eq!(second.body, body.as_bytes());
    assert_eq!(pair.gateway.metric("botgate_replays_total", &[]).await, 1.0);
    assert_eq!(pair.send(&body).await.header("x-backend"), "two", "the resend is answered by what the standby said");
    pair.saw(1, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activity_that_waits_on_a_backend_that_is_given_up_is_rescued_and_so_are_its_resends() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = Gateway::start(&site, &site.config(&format!("kind = \"bot\"\n{PROBE}"), &[&one, &two])).await;
    let pair = Pair { site, one, two, gateway };
    pair.one.always(Behaviour::Stall);
    pair.one.health(Health::Stall);
    let body = message("1");
    let mut all = JoinSet::new();
    for number in 0..6 {
        let mut client = pair.client(if number % 2 == 0 { Protocol::H1 } else { Protocol::H2 }).await;
        let body = body.clone();
        all.spawn(async move { post(&mut client, &body, &[]).await.unwrap() });
    }
    for reply in all.join_all().await {
        assert_eq!((reply.status, reply.header("x-backend")), (200, "two"));
    }
    pair.saw(1, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_forgets_nothing() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair("").await;
    let body = message("1");
    assert_eq!(pair.send(&body).await.status, 200);
    let config = std::fs::read_to_string(&pair.gateway.config)?;
    std::fs::write(&pair.gateway.config, config.replace("kind = \"bot\"", "kind = \"bot\"\ndeadline = \"13s\""))?;
    pair.gateway.reload().await;
    assert_eq!(pair.send(&body).await.header("botgate-resend"), "answered");
    pair.saw(1, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_waits_for_deliveries_whose_clients_have_left() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let log = site.text_path("access.log");
    let mut pair = pair_with(&format!("[access_log]\ntarget = \"{log}\"\n\n"), "").await;
    pair.one.once(Answer::with(200, "done").delay(Duration::from_secs(3)).into());
    pair.send_and_leave(Protocol::H1, &message("1")).await;
    assert!(pair.gateway.stop().await.success());
    assert_eq!(pair.one.log().gone(), 0, "the delivery was cut off");
    let line: Value = serde_json::from_str(&std::fs::read_to_string(&log)?)?;
    assert_eq!((&line["outcome"], &line["status"]), (&json!("client-left"), &json!(200)));
    Ok(())
}
