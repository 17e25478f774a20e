//! Whose requests a guarded bot gets to see: those with a token that the strictest of the SDKs would take.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::support::backend::{Answer, Backend};
use crate::support::client::{self, Client, Protocol, full};
use crate::support::issuer::{self, Case, Door, Issuer, SERVICE, activity, cases, claims, with};
use crate::support::raw::Raw;
use crate::support::site::{HOST, PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome, Reply};

const UNTRACKED: &str = "ledger = { entries = 0 }\n";

/// Two routes to one pool: `/api/messages` is open to emulators and a skill, `/channels` to channels only.
fn config(site: &Site, issuer: &Issuer, backends: &[&Backend], more: &str) -> String {
    let channels = format!(
        "[[route]]\nhost = \"{HOST}\"\npath = \"/channels\"\npool = \"bot\"\n[route.guard]\n{}",
        issuer.channels_only()
    );
    let guard = format!("host = \"{HOST}\"\n[route.guard]\n{}{more}\n", issuer.open());
    // One activity, sent with every token there is: each is to reach the bot.
    let pool = site.pool(&format!("kind = \"bot\"\n{UNTRACKED}{PROBE}"), backends);
    // The guard is a table of its own: it must stand after the route's keys.
    let pool = pool.replacen(&format!("host = \"{HOST}\"\npool = \"bot\"\n"), &format!("pool = \"bot\"\n{guard}"), 1);
    format!("{}{channels}\n{pool}", site.head(""))
}

async fn start(site: &Site, issuer: &Issuer, backends: &[&Backend], more: &str) -> Gateway {
    let gateway = Gateway::start(site, &config(site, issuer, backends, more)).await;
    wait_until("the keys of both issuers are there", || async {
        gateway.metric("botgate_token_keys", &[]).await == 3.0
    })
    .await;
    gateway
}

async fn send(client: &mut Client, case: &Case) -> Outcome<Reply> {
    let path = if case.door == Door::Open { "/api/messages" } else { "/channels" };
    let mut request = client.request("POST", path).header("content-type", "application/json");
    for value in &case.authorization {
        request = request.header("authorization", value);
    }
    let request = request.body(full(case.activity.to_string()))?;
    client.send(request).await
}

/// A message with this token.
async fn post(client: &mut Client, token: &str) -> Outcome<Reply> {
    let (authorization, json) = (format!("Bearer {token}"), ("content-type", "application/json"));
    client.post("/api/messages", &[json, ("authorization", &authorization)], activity().to_string()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_token_of_the_matrix_is_answered_with_its_status_and_no_bot_sees_a_bad_one() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = start(&site, &issuer, &[&one, &two], "").await;
    let mut expected: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let all = cases(&issuer.signers, issuer::now());
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        for case in &all {
            let before = one.log().count();
            let reply = send(&mut client, case).await.map_err(|error| format!("{}: {error}", case.name))?;
            *expected.entry(case.result).or_default() += 1;
            let seen = one.log().count() - before;
            if reply.status != case.status() || seen != usize::from(case.result == "valid") {
                wrong.push(format!("{protocol:?} {}: {}, not {}; seen {seen}", case.name, reply.status, case.status()));
            }
            let challenge = reply.headers.get("www-authenticate").map(|value| value.to_str().unwrap());
            let bare = if case.result == "missing" { "Bearer" } else { "Bearer error=\"invalid_token\"" };
            assert_eq!(challenge, (reply.status == 401).then_some(bare), "{}", case.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (result, count) in expected {
        let counted = gateway.metric("botgate_tokens_total", &[&format!("result=\"{result}\"")]).await;
        assert_eq!(counted, count as f64, "{result}");
    }
    assert_eq!(two.log().count(), 0);
    let pool = gateway.pool("bot").await;
    assert_eq!((pool["phase"].as_str(), pool["active"].as_str()), (Some("steady"), Some("one")));
    assert!(pool["backends"].as_array().unwrap().iter().all(|backend| backend["health"] == "healthy"), "{pool}");
    assert_eq!(gateway.metric("botgate_evidence_total", &[]).await, 0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_without_a_pause_and_an_unknown_kid_has_them_fetched_once_an_hour() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let one = Backend::start("one").await;
    let gateway = start(&site, &issuer, &[&one], "").await;
    let mut client = gateway.client(&site, Protocol::H2).await;
    let (keys, next) = (&issuer.signers, issuer::Signer::new("next"));
    let (old, kept, new) =
        (issuer.token(), keys.plain.token(&claims(issuer::now())), next.token(&claims(issuer::now())));
    assert_eq!(post(&mut client, &old).await?.status, 200);
    assert_eq!(post(&mut client, &kept).await?.status, 200);
    assert_eq!(issuer.given(), 1);
    issuer.publish(&json!({"keys": [keys.plain.jwk(&[]), next.jwk(&["test"])]}));
    assert_eq!(post(&mut client, &new).await?.status, 401, "nothing waits for keys");
    let mut other = gateway.client(&site, Protocol::H2).await;
    let arrived = async {
        while post(&mut other, &new).await.unwrap().status != 200 {
            // What does not change hands is good all the time.
            assert_eq!(post(&mut client, &kept).await.unwrap().status, 200);
        }
    };
    tokio::time::timeout(Duration::from_secs(10), arrived).await?;
    assert_eq!(post(&mut client, &old).await?.status, 401, "its key is not published any more");
    assert_eq!(issuer.given(), 2);
    for at in 0..50 {
        let header = with(next.header(), &json!({"kid": format!("made-up-{at}")})).to_string();
        let made_up = next.raw(header, claims(issuer::now()).to_string());
        assert_eq!(post(&mut client, &made_up).await?.status, 401);
    }
    // Control, which fetches, has come round since: it has taken an order, and told of it.
    let pin = json!({"backend": "one", "reason": "a test says so"});
    assert!(gateway.post("/api/v1/pools/bot/pin", &pin).await.status < 300);
    assert_eq!(issuer.given(), 2, "once an hour, whoever asks");
    // An operator's reload does not wait.
    assert!(gateway.post("/api/v1/reload", &json!({})).await.status < 300);
    wait_until("a reload asks at once", async || issuer.given() == 3).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_while_the_login_service_is_out_of_reach_goes_on_with_the_keys_of_last_time() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let one = Backend::start("one").await;
    let mut gateway = start(&site, &issuer, &[&one], "").await;
    let kept = site.path("state/keys");
    wait_until("both sets are on the disk", || async {
        let files = std::fs::read_dir(&kept).into_iter().flatten().filter_map(Result::ok);
        files.filter(|file| file.path().extension().is_some_and(|end| end == "json")).count() == 2
    })
    .await;
    gateway.stop().await;
    issuer.away(true);
    let gateway = Gateway::start(&site, &config(&site, &issuer, &[&one], "")).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    assert_eq!(post(&mut client, &issuer.token()).await?.status, 200);
    assert_eq!(post(&mut client, &issuer.signers.stranger.token(&claims(issuer::now()))).await?.status, 401);
    wait_until("the alarm is raised", || async { gateway.metric("botgate_token_keys_fresh", &[]).await == 0.0 }).await;
    assert_eq!(gateway.metric("botgate_token_keys", &[]).await, 3.0);
    assert!(gateway.metric("botgate_token_keys_age_seconds", &[]).await > 0.0);
    let ready = client::get(gateway.admin(), "/readyz").await?;
    assert!(ready.status == 200 && ready.text().contains("token keys cannot be fetched"), "{}", ready.text());
    issuer.away(false);
    wait_until("the alarm is over", || async { gateway.metric("botgate_token_keys_fresh", &[]).await == 2.0 }).await;
    assert!(!client::get(gateway.admin(), "/readyz").await?.text().contains("token keys"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_there_are_any_keys_the_channel_is_told_to_come_again() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let one = Backend::start("one").await;
    issuer.away(true);
    let gateway = Gateway::start(&site, &config(&site, &issuer, &[&one], "")).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    let reply = post(&mut client, &issuer.token()).await?;
    assert_eq!((reply.status, reply.headers["retry-after"].to_str()?), (503, "5"));
    reply.is_problem(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(post(&mut client, "rubbish").await?.status, 401, "what is no token needs no keys");
    assert_eq!(one.log().count(), 0);
    issuer.away(false);
    wait_until("keys are there", || async { gateway.metric("botgate_token_keys", &[]).await == 3.0 }).await;
    assert_eq!(post(&mut client, &issuer.token()).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_reports_lets_pass_and_what_then_happens_is_no_evidence() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = start(&site, &issuer, &[&one, &two], "tokens = \"report\"").await;
    let mut client = gateway.client(&site, Protocol::H2).await;
    let forged = issuer.signers.stranger.token(&claims(issuer::now()));
    // Real SDKs answer 500 to forged tokens; 503 would be evidence from anybody else.
    one.always(Answer::with(503, "no").into());
    for _ in 0..50 {
        assert_eq!(post(&mut client, &forged).await?.status, 503);
    }
    assert_eq!(one.log().count(), 50);
    assert_eq!(gateway.metric("botgate_tokens_total", &["result=\"unknown-key\""]).await, 50.0);
    assert_eq!(gateway.metric("botgate_evidence_total", &[]).await, 0.0);
    assert_eq!(gateway.active("bot").await, "one");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_on_a_guarded_route_needs_a_token_but_what_is_open() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let one = Backend::start("one").await;
    let gateway = start(&site, &issuer, &[&one], "open = [\"/assets\"]").await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    for (method, path, status) in [
        ("GET", "/api/messages", 401),
        ("DELETE", "/api/messages", 401),
        ("PUT", "/x", 401),
        ("GET", "/assets/a.js", 200),
    ] {
        let request = client.request(method, path).body(full(""))?;
        assert_eq!(client.send(request).await?.status, status, "{method} {path}");
    }
    let token = issuer.token();
    let request = client.request("GET", "/api/messages").header("authorization", format!("Bearer {token}"));
    assert_eq!(client.send(request.body(full(""))?).await?.status, 200);
    let upgrade = |more: &str| {
        format!(
            "GET /api/messages HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
        )
    };
    let with_token = format!("authorization: Bearer {token}\r\n");
    for (headers, status) in [
        (String::new(), 401),
        ("channelid: test\r\n".to_owned(), 401),
        (with_token.clone(), 403),
        (format!("{with_token}channelid: slack\r\n"), 403),
        (format!("{with_token}channelid: test\r\nchannelid: test\r\n"), 403),
        (format!("{with_token}channelid: test\r\n"), 101),
    ] {
        let mut raw = Raw::tls(gateway.address(), &site).await;
        raw.write(upgrade(&headers)).await;
        let heard = raw.hear_until(Duration::from_secs(5), |text| text.contains("\r\n\r\n")).await;
        assert_eq!(heard.status(), status, "{headers}: {heard:?}");
    }
    assert!(SERVICE.ends_with('/'));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_of_requests_to_open_paths_is_no_evidence_where_senders_are_checked() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = start(&site, &issuer, &[&one, &two], "open = [\"/notify\"]").await;
    let mut client = gateway.client(&site, Protocol::H2).await;
    one.always(Answer::with(503, "no").into());
    for _ in 0..50 {
        assert_eq!(client.post("/notify", &[], "anything").await?.status, 503);
    }
    assert_eq!(gateway.metric("botgate_evidence_total", &[]).await, 0.0);
    assert_eq!(gateway.active("bot").await, "one");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_checked_that_does_not_reach_the_bot_and_nothing_reaches_it_unchecked() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let one = Backend::start("one").await;
    let gateway = start(&site, &issuer, &[&one], "").await;
    let (token, body) = (issuer.token(), activity().to_string());
    let (length, upgrade) = (body.len(), "connection: upgrade\r\nupgrade: websocket\r\n");
    let (json, bearer) = ("content-type: application/json\r\n", format!("authorization: Bearer {token}\r\n"));
    let chunked = format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
    let plain = format!("content-length: {length}\r\n\r\n{body}");
    for (name, method, head, body, status) in [
        ("a folded token", "POST", format!("{json}authorization: Bearer\r\n {token}\r\n"), &plain, 400),
        ("an upgrade of a POST", "POST", format!("{json}{upgrade}"), &plain, 400),
        ("another method", "PUT", json.to_owned(), &plain, 401),
        ("a GET with a body", "GET", json.to_owned(), &chunked, 401),
        ("a method in lower case", "post", format!("{json}{upgrade}"), &plain, 400),
        ("no token at all", "HEAD", String::new(), &"\r\n".to_owned(), 401),
    ] {
        let mut raw = Raw::tls(gateway.address(), &site).await;
        raw.write(format!("{method} /api/messages HTTP/1.1\r\nhost: {HOST}\r\n{head}{body}")).await;
        let heard = raw.hear_until(Duration::from_secs(5), |text| text.contains("\r\n\r\n")).await;
        assert_eq!(heard.status(), status, "{name}: {heard:?}");
        assert_eq!(one.log().count(), 0, "{name}");
    }
    let mut raw = Raw::tls(gateway.address(), &site).await;
    raw.write(format!("POST /api/messages HTTP/1.1\r\nhost: {HOST}\r\n{json}{bearer}content-length: 5\r\n{chunked}"))
        .await;
    let heard = raw.hear_until(Duration::from_secs(5), |text| text.contains("\r\n\r\n")).await;
    assert_eq!((heard.status(), heard.text.contains("connection: close")), (400, true), "{heard:?}");
    assert_eq!(one.log().count(), 0);
    // What `Connection` names is not taken away, neither from the guard nor from the bot.
    let mut raw = Raw::tls(gateway.address(), &site).await;
    let named = "connection: authorization, content-type\r\n";
    raw.write(format!("POST /api/messages HTTP/1.1\r\nhost: {HOST}\r\n{json}{bearer}{named}{plain}")).await;
    let heard = raw.hear_until(Duration::from_secs(5), |text| text.contains("\r\n\r\n")).await;
    assert_eq!(heard.status(), 200, "{heard:?}");
    let seen = one.log().all().remove(0);
    assert_eq!(seen.headers["authorization"], format!("Bearer {token}"));
    assert_eq!((&seen.headers["content-type"], &seen.body[..]), (&"application/json".parse()?, body.as_bytes()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_is_in_logs_metrics_or_the_admin_api() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let one = Backend::start("one").await;
    let log = site.path("access.log");
    let text = format!("access_log = {{ target = \"{}\" }}\n", log.display()) + &config(&site, &issuer, &[&one], "");
    let mut gateway = Gateway::start(&site, &text).await;
    wait_until("keys are there", || async { gateway.metric("botgate_token_keys", &[]).await == 3.0 }).await;
    let mut client = gateway.client(&site, Protocol::H2).await;
    let (good, bad) = (issuer.token(), issuer.signers.stranger.token(&claims(issuer::now())));
    assert_eq!(post(&mut client, &good).await?.status, 200);
    let refused = post(&mut client, &bad).await?;
    assert_eq!(refused.status, 401);
    let mut said =
        vec![refused.text(), gateway.pools().await.to_string(), gateway.api("/api/v1/journal").await.to_string()];
    said.push(client::get(gateway.admin(), "/metrics").await?.text());
    gateway.stop().await;
    said.push(std::fs::read_to_string(&log)?);
    said.push(gateway.process.stderr());
    let lines = std::fs::read_to_string(&log)?;
    assert!(lines.contains("\"token\":\"valid\"") && lines.contains("\"token\":\"unknown-key\""), "{lines}");
    for token in [good, bad] {
        for part in token.split('.') {
            assert!(said.iter().all(|text| !text.contains(part)), "a part of a token was told");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resend_with_another_token_of_the_connector_is_the_same_activity() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let one = Backend::start("one").await;
    let gateway = Gateway::start(&site, &config(&site, &issuer, &[&one], "").replace(UNTRACKED, "")).await;
    wait_until("keys are there", || async { gateway.metric("botgate_token_keys", &[]).await == 3.0 }).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    let (first, second) = (issuer.token(), issuer.signers.plain.token(&claims(issuer::now())));
    assert_ne!(first, second);
    assert_eq!(post(&mut client, &first).await?.header("botgate-resend"), "");
    assert_eq!(post(&mut client, &second).await?.header("botgate-resend"), "answered");
    assert_eq!(post(&mut client, "forged").await?.status, 401, "an answer is for who may ask");
    assert_eq!(one.log().count(), 1);
    Ok(())
}
