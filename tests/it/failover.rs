//! Attempts and replay (design, section 5), and the moves of a pool (section 4), one fault at a time.

use std::time::{Duration, Instant};

use http::StatusCode;

use crate::support::backend::{Answer, Backend, Behaviour, Cut, Health};
use crate::support::client::{Protocol, full, whole};
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

struct Pair {
    site: Site,
    one: Backend,
    two: Backend,
    gateway: Gateway,
}

/// A gateway with two backends; `keys` are the pool's.
async fn pair(keys: &str) -> Pair {
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = Gateway::start(&site, &site.config(keys, &[&one, &two])).await;
    Pair { site, one, two, gateway }
}

/// Rare probes: the first round decides, the next one is far away.
fn rare(keys: &str) -> String {
    format!("probe = {{ path = \"/healthz\", interval = \"60s\", timeout = \"1s\" }}\n{keys}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_dial_goes_to_the_next_backend_with_any_method() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair(&rare("replay = \"unsent\"")).await;
    pair.one.refuse().await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = pair.gateway.client(&pair.site, protocol).await;
        let reply = client.post("/", &[], "once").await?;
        assert_eq!((reply.status, reply.header("x-backend"), reply.text().as_str()), (200, "two", "once"));
    }
    assert_eq!(pair.one.log().count(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_dial_moves_the_pool_before_the_next_probe_is_due() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair(&rare("")).await;
    let before = pair.gateway.pool("bot").await;
    assert_eq!((before["active"].as_str(), before["phase"].as_str()), (Some("one"), Some("steady")));
    pair.one.refuse().await;
    let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
    assert_eq!(client.get("/").await?.header("x-backend"), "two");
    // One suspicion is no verdict: as many out-of-turn probes as `fall` asks for, each set off by evidence.
    wait_until("the pool has moved", || async {
        let _ = client_get(&pair).await;
        pair.gateway.active("bot").await == "two"
    })
    .await;
    let after = pair.gateway.pool("bot").await;
    assert_eq!(after["phase"], "failed-over");
    assert!(after["epoch"].as_u64() > before["epoch"].as_u64(), "{before} {after}");
    assert!(!after["reason"].as_str().unwrap_or_default().is_empty());
    Ok(())
}

async fn client_get(pair: &Pair) -> Outcome<u16> {
    Ok(pair.gateway.client(&pair.site, Protocol::H1).await.get("/").await?.status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_before_the_head_is_replayed_only_as_far_as_the_rule_allows() -> Outcome<()> {
    let _machine = together().await;
    // Rule, method, keyed → served.
    let table = [
        ("unsent", "GET", false, false),
        ("unsent", "POST", true, false),
        ("safe", "GET", false, true),
        ("safe", "PUT", false, true),
        ("safe", "POST", true, false),
        ("keyed", "GET", false, true),
        ("keyed", "POST", false, false),
        ("keyed", "POST", true, true),
    ];
    for rule in ["unsent", "safe", "keyed"] {
        let pair = pair(&rare(&format!("replay = \"{rule}\"\nevidence = {{ failures = 0 }}"))).await;
        let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
        for (_, method, keyed, served) in table.into_iter().filter(|row| row.0 == rule) {
            for fault in [Behaviour::Reset, Behaviour::Close] {
                pair.one.once(fault.clone());
                let key = format!("{rule}-{method}-{keyed}-{fault:?}");
                let mut request = client.request(method, "/");
                if keyed {
                    request = request.header("idempotency-key", &key);
                }
                let request = request.body(full("body"))?;
                let reply = client.send(request).await?;
                if served {
                    assert_eq!((reply.status, reply.header("x-backend")), (200, "two"), "{key}: {}", reply.text());
                    assert_eq!(pair.two.log().last().header("botgate-attempt"), "2", "{key}");
                    assert_eq!(&pair.two.log().last().body[..], b"body");
                } else {
                    reply.is_problem(StatusCode::BAD_GATEWAY);
                }
                if keyed {
                    assert_eq!(pair.two.log().times(&key), usize::from(served), "{key}");
                }
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_that_died_unused_costs_no_request() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair(&rare("replay = \"unsent\"")).await;
    let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
    for _ in 0..20 {
        assert_eq!(client.post("/", &[], "x").await?.status, 200);
        let open = pair.one.open();
        pair.one.cut_connections();
        wait_until("the connections are cut", || async { pair.one.open() < open || open == 0 }).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_says_not_me_is_tried_elsewhere() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair(&rare("replay = \"keyed\"\nretry = { status = [503] }\nevidence = { failures = 0 }")).await;
    let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
    pair.one.always(Answer::status(503).header("x-own", "one").into());
    let reply = client.post("/", &[("idempotency-key", "k")], "x").await?;
    assert_eq!((reply.status, reply.header("x-backend")), (200, "two"));
    pair.one.always(Answer::status(502).into());
    let reply = client.post("/", &[("idempotency-key", "l")], "x").await?;
    assert_eq!((reply.status, reply.header("x-backend")), (502, "one"), "502 is not in retry.status");
    // When all say so, the client gets a backend's own answer.
    pair.one.always(Answer::status(503).header("x-own", "backend").into());
    pair.two.always(Answer::status(503).header("x-own", "backend").into());
    let reply = client.post("/", &[("idempotency-key", "m")], "x").await?;
    assert_eq!((reply.status, reply.header("x-own")), (503, "backend"), "{}", reply.text());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_waits_on_a_backend_that_is_given_up_is_rescued() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair(&format!("replay = \"keyed\"\n{PROBE}")).await;
    pair.one.always(Behaviour::Stall);
    pair.one.health(Health::Stall);
    for protocol in [Protocol::H1, Protocol::H2] {
        pair.gateway.until_active("bot", if protocol == Protocol::H1 { "one" } else { "two" }).await;
        let mut client = pair.gateway.client(&pair.site, protocol).await;
        let start = Instant::now();
        let reply = client.post("/", &[("idempotency-key", "k")], "x").await?;
        assert_eq!((reply.status, reply.header("x-backend")), (200, "two"));
        assert!(start.elapsed() < Duration::from_secs(3), "rescued after {:?}", start.elapsed());
    }
    wait_until("the stalled attempt was cancelled", || async { pair.one.log().gone() >= 1 }).await;
    assert!(pair.gateway.metric("botgate_rescued_total", &[]).await >= 1.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unkeyed_post_is_never_rescued_and_ends_at_the_deadline() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair(&format!("replay = \"keyed\"\ndeadline = \"2s\"\n{PROBE}")).await;
    pair.one.always(Behaviour::Stall);
    pair.one.health(Health::Stall);
    let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
    let start = Instant::now();
    client.post("/", &[], "x").await?.is_problem(StatusCode::GATEWAY_TIMEOUT);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(1900) && took < Duration::from_millis(3500), "{took:?}");
    assert_eq!(pair.two.log().count(), 0, "a POST without a key was sent twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_bounds_all_attempts_together() -> Outcome<()> {
    let _machine = together().await;
    let keys = "replay = \"keyed\"\ndeadline = \"900ms\"\nattempt_timeout = \"500ms\"\nevidence = { failures = 0 }";
    let pair = pair(&rare(keys)).await;
    pair.one.always(Behaviour::Stall);
    let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
    let reply = client.post("/", &[("idempotency-key", "a")], "x").await?;
    assert_eq!((reply.status, reply.header("x-backend")), (200, "two"), "the attempt's own timeout moves it on");
    pair.two.always(Behaviour::Stall);
    let start = Instant::now();
    client.post("/", &[("idempotency-key", "b")], "x").await?.is_problem(StatusCode::GATEWAY_TIMEOUT);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_has_begun_is_never_tried_elsewhere() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair(&rare("replay = \"keyed\"")).await;
    pair.one.once(Answer::with(200, "0123456789").cut(4, Cut::Reset).into());
    let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
    let request = client.request("GET", "/").body(full(""))?;
    let ended = async { whole(client.begin(request).await?).await }.await;
    assert!(ended.is_err(), "{ended:?}");
    assert_eq!(pair.two.log().count(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_too_large_to_hold_is_not_replayed_once_sent() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair(&rare("replay = \"keyed\"\nreplay_buffer = \"16KiB\"\nevidence = { failures = 0 }")).await;
    let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
    pair.one.once(Behaviour::Reset);
    let small = client.post("/", &[("idempotency-key", "small")], vec![1; 16 * 1024]).await?;
    assert_eq!((small.status, small.header("x-backend"), small.body.len()), (200, "two", 16 * 1024));
    pair.one.once(Behaviour::Reset);
    let large = client.post("/", &[("idempotency-key", "large")], vec![1; 64 * 1024]).await?;
    large.is_problem(StatusCode::BAD_GATEWAY);
    pair.one.refuse().await;
    let unsent = client.post("/", &[("idempotency-key", "unsent")], vec![1; 64 * 1024]).await?;
    assert_eq!((unsent.status, unsent.body.len()), (200, 64 * 1024), "unsent, it may go elsewhere at any size");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_end_when_their_budget_is_spent() -> Outcome<()> {
    let _machine = together().await;
    let keys =
        "replay = \"keyed\"\nretry = { status = [503], budget = \"0%\", floor = 2 }\nevidence = { failures = 0 }";
    let pair = pair(&rare(keys)).await;
    pair.one.always(Answer::status(503).into());
    let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
    let (mut served, mut refused) = (0, 0);
    for _ in 0..60 {
        match client.get("/").await?.status {
            200 => served += 1,
            _ => refused += 1,
        }
    }
    // The floor is counted over 10 s, and the test may see the begin of the next span.
    assert!((1..=40).contains(&served), "{served} retries with a floor of 2 per second");
    assert!(refused > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_all_down_each_policy_does_as_it_says() -> Outcome<()> {
    let _machine = together().await;
    for (policy, last) in [("try-all", "one"), ("try-all", "two"), ("reject", "one")] {
        let pair = pair(&format!("all_down = \"{policy}\"\n{PROBE}")).await;
        // The backend that goes last is active then, and stays so: with all down nobody is better.
        let (first, second) = if last == "one" { (&pair.two, &pair.one) } else { (&pair.one, &pair.two) };
        let earlier = if last == "one" { "two" } else { "one" };
        first.health(Health::Status(500));
        pair.gateway.until_health("bot", earlier, "unhealthy").await;
        second.health(Health::Status(500));
        pair.gateway.until_health("bot", last, "unhealthy").await;
        wait_until("all are down", || async { pair.gateway.pool("bot").await["phase"] == "all-down" }).await;
        let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
        let reply = client.get("/").await?;
        if policy == "try-all" {
            assert_eq!((reply.status, reply.header("x-backend")), (200, last));
        } else {
            reply.is_problem(StatusCode::SERVICE_UNAVAILABLE);
            assert!(reply.header("retry-after").parse::<u32>().is_ok(), "{:?}", reply.headers);
        }
        pair.two.health(Health::Good);
        wait_until("the one that came back serves", async || {
            client.get("/").await.is_ok_and(|reply| reply.header("x-backend") == "two")
        })
        .await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_goes_back_after_the_hold_and_not_before() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair(&format!("failback = {{ mode = \"auto\", hold = \"1500ms\" }}\n{PROBE}")).await;
    pair.one.health(Health::Status(500));
    pair.gateway.until_active("bot", "two").await;
    pair.one.health(Health::Good);
    wait_until("the hold begins", || async { pair.gateway.pool("bot").await["phase"] == "holding" }).await;
    let start = Instant::now();
    pair.gateway.until_active("bot", "one").await;
    let held = start.elapsed();
    assert!(held > Duration::from_millis(1100) && held < Duration::from_secs(6), "held for {held:?}");
    assert_eq!(pair.gateway.pool("bot").await["phase"], "steady");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_backend_ends_what_it_has_and_gets_nothing_new() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair(&format!("failback = {{ mode = \"auto\", hold = \"0s\" }}\n{PROBE}")).await;
    pair.one.once(Answer::with(200, "slow").delay(Duration::from_secs(1)).into());
    let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
    let slow = tokio::spawn(async move { client.post("/", &[], "x").await });
    wait_until("the slow request is under way", || async { pair.one.log().count() == 1 }).await;
    let drained = pair.gateway.order("bot", "one", "drain").await;
    assert_eq!(drained.status, 200, "{}", drained.text());
    pair.gateway.until_active("bot", "two").await;
    assert_eq!(client_get(&pair).await?, 200);
    assert_eq!(pair.two.log().count(), 1);
    assert_eq!(slow.await??.text(), "slow", "a drain cut a request off");
    assert_eq!(pair.gateway.order("bot", "one", "resume").await.status, 200);
    pair.gateway.until_active("bot", "one").await;
    assert_eq!(pair.gateway.order("bot", "nobody", "drain").await.status, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_probe_flips_nothing() -> Outcome<()> {
    let _machine = together().await;
    let pair =
        pair("probe = { path = \"/healthz\", interval = \"300ms\", timeout = \"200ms\", fall = 3, rise = 1 }").await;
    let epoch = pair.gateway.pool("bot").await["epoch"].clone();
    pair.one.health(Health::Status(500));
    wait_until("one probe failed", || async {
        let pool = pair.gateway.pool("bot").await;
        pool["backends"][0]["probe"]["error"].is_string()
    })
    .await;
    pair.one.health(Health::Good);
    let probes = pair.one.probes();
    wait_until("several good probes came", || async { pair.one.probes() > probes + 3 }).await;
    assert_eq!(pair.gateway.pool("bot").await["epoch"], epoch);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_does_not_reach_the_backend_is_no_key() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair(&rare("replay = \"keyed\"\nevidence = { failures = 0 }")).await;
    pair.one.once(Behaviour::Reset);
    let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
    client.post("/", &[("idempotency-key", "")], "x").await?.is_problem(StatusCode::BAD_GATEWAY);
    assert_eq!(pair.two.log().count(), 0, "a second backend could not tell the repetition");
    // `Connection` cannot take it away: what replays by it would then send it on without.
    pair.one.once(Behaviour::Reset);
    let named = [("idempotency-key", "k"), ("connection", "idempotency-key")];
    assert_eq!(client.post("/", &named, "x").await?.status, 200);
    assert_eq!(pair.two.log().all().remove(0).headers["idempotency-key"], "k");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_outlives_the_loss_of_both_regions_when_one_comes_back_in_time() -> Outcome<()> {
    let _machine = together().await;
    let (site, one, two) = (Site::new(), Backend::start("one").await, Backend::start("two").await);
    let gateway = Gateway::start(&site, &site.config(&format!("kind = \"bot\"\n{PROBE}"), &[&one, &two])).await;
    one.refuse().await;
    two.refuse().await;
    let body = r#"{"type":"message","id":"1","channelId":"test","conversation":{"id":"c"}}"#;
    let mut client = gateway.client(&site, Protocol::H1).await;
    let json = ("content-type", "application/json");
    let sent = tokio::spawn(async move { client.post("/api/messages", &[json], body).await.map(|reply| reply.status) });
    let tried = || gateway.metric("botgate_attempts_total", &["result=\"unsent\""]);
    wait_until("both were tried in vain", || async { tried().await >= 2.0 }).await;
    two.listen_again().await;
    assert_eq!(sent.await?.map_err(|error| error.to_string())?, 200);
    assert_eq!((one.log().count(), two.log().count()), (0, 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_have_been_heard_is_not_told_that_nothing_was_delivered() -> Outcome<()> {
    let _machine = together().await;
    let pair = pair(&rare("replay = \"keyed\"")).await;
    pair.one.always(Behaviour::Reset);
    pair.two.refuse().await;
    let mut client = pair.gateway.client(&pair.site, Protocol::H1).await;
    let reply = client.post("/", &[("idempotency-key", "1")], "x").await?;
    reply.is_problem(StatusCode::BAD_GATEWAY);
    assert_eq!(reply.json()["type"], "urn:botgate:problem:broken", "{}", reply.text());
    pair.one.refuse().await;
    let reply = client.post("/", &[("idempotency-key", "2")], "x").await?;
    assert_eq!(reply.json()["type"], "urn:botgate:problem:unreachable", "{}", reply.text());
    Ok(())
}
