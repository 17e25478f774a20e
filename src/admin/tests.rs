//! The admin API from outside: over a socket, with everything in front of it.

mod access;

use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::fixture::{Gate, Script, decision, read};
use super::*;
use crate::config::AdminConfig;
use crate::control::Handle;
use crate::model::OrderView;
use crate::model::{PoolView, ReloadOutcome};
use crate::telemetry::{ActivityTap, ControlStats};
use crate::tls::CertificateBook;

fn problem(headers: &http::HeaderMap, body: &str) -> Problem {
    assert_eq!(headers["content-type"], PROBLEM_JSON, "{body}");
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn health_metrics_and_index_answer() {
    let gate = Gate::start(None, Script::default()).await;
    assert_eq!(gate.get("/healthz").await.0, 200);
    assert_eq!(gate.get("/readyz").await.0, 200);
    let (status, headers, body) = gate.get("/metrics").await;
    assert_eq!((status, body.as_str()), (200, "botgate_epoch{pool=\"bot-api\"} 2\n"));
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let (_, headers, body) = gate.get("/").await;
    assert!(body.contains("POST /api/v1/reload"), "{body}");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn not_ready_before_the_first_round_of_probes() {
    let gate = Gate::start(None, Script { ready: false, ..Script::default() }).await;
    let (status, headers, body) = gate.get("/readyz").await;
    assert_eq!(status, 503);
    assert_eq!(problem(&headers, &body).kind, "urn:botgate:not-ready");
    assert_eq!(headers["retry-after"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_control_that_does_not_answer_is_not_ready_within_a_second() {
    let (commands, _inbox) = mpsc::channel(8);
    let rules = Rules::new(&AdminConfig::open("127.0.0.1:1".parse().unwrap()), CertificateBook::default()).unwrap();
    let handle = Handle::new(commands, broadcast::channel(1).0);
    let render = std::sync::Arc::new(String::new);
    let (stats, tap) = (ControlStats::new(), ActivityTap::new(false));
    let router = router(AdminState::new(handle, rules, stats, render, tap, CancellationToken::new()));
    let began = tokio::time::Instant::now();
    let request = http::Request::get("/readyz").header("host", "localhost").body(axum::body::Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(began.elapsed() <= Duration::from_secs(1), "{:?}", began.elapsed());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("urn:botgate:control-unavailable"));
}

#[tokio::test]
async fn pools_are_shown_and_an_unknown_one_is_a_problem() {
    let gate = Gate::start(None, Script::default()).await;
    let (_, _, body) = gate.get("/api/v1/pools").await;
    assert_eq!(serde_json::from_str::<Vec<PoolView>>(&body).unwrap().len(), 1);
    let (_, _, body) = gate.get("/api/v1/pools/bot-api").await;
    assert_eq!(serde_json::from_str::<PoolView>(&body).unwrap().epoch, 2);
    let (status, headers, body) = gate.get("/api/v1/pools/nope").await;
    assert_eq!((status, problem(&headers, &body).kind.as_str()), (404, "urn:botgate:unknown-pool"));
}

#[tokio::test]
async fn an_order_carries_who_and_why() {
    let gate = Gate::start(None, Script::default()).await;
    let path = "/api/v1/pools/bot-api/backends/westeurope/drain";
    let headers = [("content-type", "application/json"), ("botgate-actor", "alice")];
    let (status, _, body) = read(gate.send("POST", path, &headers, r#"{"reason":"updates"}"#).await).await;
    let OrderView { pool, .. } = serde_json::from_str(&body).unwrap();
    assert_eq!((status, pool.reason.as_str()), (200, "local (alice): updates"));
    assert!(pool.backends[0].drained);
    let without_body = gate.send("POST", &path.replace("drain", "resume"), &[], "").await;
    let OrderView { pool, .. } = serde_json::from_str(&read(without_body).await.2).unwrap();
    assert_eq!(pool.reason, "local: no reason");
}

#[tokio::test]
async fn an_order_to_a_pool_carries_all_that_its_body_says() {
    let gate = Gate::start(None, Script::default()).await;
    for (order, body, done) in [
        (
            "failover",
            r#"{"to":"northeurope","reason":"slow","force":true}"#,
            "Failover { to: Some(\"northeurope\") }, force true",
        ),
        ("failover", r#"{"reason":"slow"}"#, "Failover { to: None }, force false"),
        ("failback", r#"{"reason":"repaired"}"#, "Failback, force false"),
        (
            "pin",
            r#"{"backend":"westeurope","for":"2h","yield_when_down":true,"reason":"audit"}"#,
            "Pin { backend: \"westeurope\", lasts: Some(7200s), yield_when_down: Some(true) }, force false",
        ),
        (
            "pin",
            r#"{"backend":"westeurope","reason":"audit"}"#,
            "Pin { backend: \"westeurope\", lasts: None, yield_when_down: None }, force false",
        ),
        ("unpin", "{}", "Unpin, force false"),
    ] {
        let (status, _, answer) = gate.post(&format!("/api/v1/pools/bot-api/{order}"), body).await;
        assert_eq!(status, 200, "{answer}");
        let view: OrderView = serde_json::from_str(&answer).unwrap();
        assert_eq!((view.done.as_str(), view.journalled), (done, true));
    }
}

#[tokio::test]
async fn an_order_that_moves_or_holds_a_pool_wants_a_reason() {
    let gate = Gate::start(None, Script::default()).await;
    for (order, body) in [("failover", "{}"), ("failback", r#"{"reason":" "}"#), ("pin", r#"{"backend":"westeurope"}"#)]
    {
        let path = format!("/api/v1/pools/bot-api/{order}");
        let (status, headers, answer) = gate.post(&path, body).await;
        let told = problem(&headers, &answer);
        assert_eq!((status, told.kind.as_str()), (422, "urn:botgate:reason-wanted"), "{order}");
        assert!(told.detail.contains(&format!("a {order} wants a reason")), "{}", told.detail);
        let without_body = gate.send("POST", &path, &[], "").await;
        assert_eq!(without_body.status(), 422, "{order}");
    }
}

#[tokio::test]
async fn a_refused_order_says_each_reason_and_whether_force_helps() {
    let gate = Gate::start(None, Script::default()).await;
    let path = "/api/v1/pools/bot-api/failover";
    let (status, headers, body) = gate.post(path, r#"{"reason":"refuse-me"}"#).await;
    assert_eq!((status, problem(&headers, &body).kind.as_str()), (409, "urn:botgate:order-refused"));
    let refusal: Refusal = serde_json::from_str(&body).unwrap();
    assert_eq!(refusal.reasons, ["northeurope is not ready: it is unhealthy", "the pool is pinned"]);
    assert!(refusal.forcible && refusal.problem.detail == refusal.reasons.join("; "), "{body}");
    assert_eq!(gate.post(path, r#"{"reason":"refuse-me","force":true}"#).await.0, 200);
}

#[tokio::test]
async fn the_journal_is_read_page_by_page() {
    let gate = Gate::start(None, Script::default()).await;
    let ids = async |query: &str| {
        let (status, _, body) = gate.get(&format!("/api/v1/journal{query}")).await;
        assert_eq!(status, 200, "{query}: {body}");
        let entries: Vec<crate::model::JournalEntry> = serde_json::from_str(&body).unwrap();
        (entries.len(), entries.first().map(|entry| entry.id))
    };
    assert_eq!(ids("").await, (100, Some(1_500)), "100 when nothing is asked for");
    assert_eq!(ids("?limit=2&before=10").await, (2, Some(9)));
    assert_eq!(ids("?pool=bot-api&limit=1000").await, (1_000, Some(1_500)));
    assert_eq!(ids("?pool=former").await, (0, None));
    assert_eq!(ids("?since=2026-11-01T12:00:00Z&limit=1").await, (1, Some(1_500)));
    assert_eq!(ids("?since=2026-11-01T12:00:01Z").await, (0, None));
    for wrong in ["?limit=0", "?limit=1001", "?limit=x", "?since=yesterday", "?before=x", "?pol=bot-api"] {
        let (status, headers, body) = gate.get(&format!("/api/v1/journal{wrong}")).await;
        assert_eq!((status, problem(&headers, &body).status), (400, 400), "{wrong}");
    }
}

#[tokio::test]
async fn a_pool_is_explained_and_an_unknown_one_is_a_problem() {
    let gate = Gate::start(None, Script::default()).await;
    let (status, _, body) = gate.get("/api/v1/pools/bot-api/explain").await;
    let view: crate::model::ExplainView = serde_json::from_str(&body).unwrap();
    assert_eq!((status, view.pool.as_str(), view.advice.len()), (200, "bot-api", 1));
    assert_eq!(gate.get("/api/v1/pools/nope/explain").await.0, 404);
}

#[tokio::test]
async fn bad_orders_are_problems() {
    let gate = Gate::start(None, Script::default()).await;
    let path = "/api/v1/pools/bot-api/backends/westeurope/drain";
    for (path, body, expected) in [
        ("/api/v1/pools/nope/backends/westeurope/drain", "{}", 404),
        ("/api/v1/pools/bot-api/backends/nope/drain", "{}", 404),
        (path, "{", 400),
        ("/api/v1/pools/nope/failover", r#"{"reason":"x"}"#, 404),
        ("/api/v1/pools/bot-api/failover", r#"{"reason":"x","to":"nope"}"#, 404),
        ("/api/v1/pools/bot-api/pin", r#"{"reason":"x","backend":"nope"}"#, 404),
        ("/api/v1/pools/bot-api/pin", r#"{"reason":"x"}"#, 422),
        ("/api/v1/pools/bot-api/pin", r#"{"reason":"x","backend":"westeurope","for":"soon"}"#, 422),
        ("/api/v1/pools/bot-api/pin", r#"{"reason":"x","backend":"westeurope","for":"0s"}"#, 422),
        (path, r#"{"reasn":"x"}"#, 422),
        (path, &format!(r#"{{"reason":"{}"}}"#, "x".repeat(501)), 422),
        (path, &format!(r#"{{"reason":"{}"}}"#, "x".repeat(70_000)), 413),
    ] {
        let (status, headers, answer) = gate.post(path, body).await;
        let problem = problem(&headers, &answer);
        assert_eq!((status, problem.status), (expected, expected), "{answer}");
        assert!(!problem.detail.is_empty());
    }
}

#[tokio::test]
async fn an_order_is_not_carried_out_by_a_part_of_what_it_says() {
    let gate = Gate::start(None, Script::default()).await;
    let path = "/api/v1/pools/bot-api/backends/westeurope/drain";
    for body in [r#"{"reason":"updates"}"#, "{", r#"{"reasn":"x"}"#] {
        let (status, headers, answer) = read(gate.send("POST", path, &[], body).await).await;
        assert_eq!((status, problem(&headers, &answer).status), (415, 415), "{answer}");
        assert!(answer.contains("application/json"), "{answer}");
    }
    let plain = [("content-type", "text/plain")];
    assert_eq!(read(gate.send("POST", path, &plain, r#"{"reason":"x"}"#).await).await.0, 415);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let gate = Gate::start(None, Script::default()).await;
    let (status, headers, body) = gate.get("/api/v2/pools").await;
    assert_eq!((status, problem(&headers, &body).status), (404, 404));
    let (status, headers, body) = gate.get("/api/v1/reload").await;
    assert_eq!((status, problem(&headers, &body).status), (405, 405));
    assert_eq!(headers["allow"], "POST");
}

#[tokio::test]
async fn an_applied_reload_is_200_and_a_rejected_one_409_with_its_errors() {
    let gate = Gate::start(None, Script::default()).await;
    let (status, _, body) = gate.post("/api/v1/reload", "").await;
    assert_eq!((status, serde_json::from_str(&body).unwrap()), (200, Script::default().reload));

    let rejected = ReloadOutcome::Rejected { errors: vec!["botgate.toml:3:1: no such pool".into()] };
    let gate = Gate::start(None, Script { reload: rejected.clone(), ..Script::default() }).await;
    let (status, headers, body) = gate.post("/api/v1/reload", "").await;
    assert_eq!((status, problem(&headers, &body).kind.as_str()), (409, "urn:botgate:config-rejected"));
    assert_eq!(serde_json::from_str::<ReloadOutcome>(&body).unwrap(), rejected);
}

#[tokio::test]
async fn the_guard_stands_before_every_route() {
    let gate = Gate::start(Some("s3cret"), Script::default()).await;
    for path in ["/", "/metrics", "/api/v1/pools", "/api/v1/events", "/api/v1/openapi.json", "/api/v1/nothing"] {
        let (status, headers, body) = gate.get(path).await;
        assert_eq!((status, problem(&headers, &body).status), (401, 401), "{path}");
        assert!(headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    }
    assert_eq!(gate.get("/healthz").await.0, 200);
    let answer = gate.send("GET", "/api/v1/pools", &[("authorization", "Bearer s3cret")], "").await;
    assert_eq!(answer.status(), 200);

    let gate = Gate::start(None, Script::default()).await;
    let rebound = gate.send("GET", "/api/v1/pools", &[("host", "evil.example")], "").await;
    assert_eq!(rebound.status(), 403);
    let foreign = gate.send("POST", "/api/v1/reload", &[("origin", "http://evil.example")], "").await;
    assert_eq!(foreign.status(), 403);
}

#[tokio::test]
async fn decisions_are_streamed_until_shutdown() {
    let gate = Gate::start(None, Script::default()).await;
    let response = gate.send("GET", "/api/v1/events", &[], "").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    gate.events.send(decision()).unwrap();
    let mut body = response.into_body();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = String::from_utf8_lossy(&frame);
    assert!(text.starts_with("event: decision\ndata: {") && text.contains("westeurope"), "{text}");
    gate.shutdown.cancel();
    assert!(body.frame().await.is_none());
    gate.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn event_streams_are_bounded_and_a_closed_one_gives_its_place_back() {
    let gate = Gate::start(None, Script::default()).await;
    let mut streams = Vec::new();
    for _ in 0..state::MAX_SUBSCRIBERS {
        streams.push(gate.send("GET", "/api/v1/events", &[], "").await);
    }
    let (status, headers, body) = gate.get("/api/v1/events").await;
    assert_eq!((status, problem(&headers, &body).kind.as_str()), (503, "urn:botgate:too-many-subscribers"));
    drop(streams.pop());
    // The listener learns of the closed connection in its own time.
    let free = async { while gate.send("GET", "/api/v1/events", &[], "").await.status() != 200 {} };
    tokio::time::timeout(Duration::from_secs(10), free).await.unwrap();
}

#[tokio::test]
async fn a_panic_costs_its_own_request_only() {
    let gate = Gate::start_with(None, Script::default(), std::sync::Arc::new(|| panic!("inner words"))).await;
    let (status, headers, body) = gate.get("/metrics").await;
    assert_eq!((status, problem(&headers, &body).status), (500, 500));
    assert!(!body.contains("inner words"), "{body}");
    assert_eq!(gate.get("/api/v1/pools").await.0, 200);
}

#[tokio::test]
async fn a_port_in_use_says_which_and_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = bind(taken.local_addr().unwrap()).unwrap_err().to_string();
    assert!(error.contains(&taken.local_addr().unwrap().to_string()) && error.contains("[admin] bind"), "{error}");
}

#[tokio::test]
async fn a_drill_is_ordered_and_its_report_is_json_or_markdown() {
    let gate = Gate::start(None, Script::default()).await;
    let (status, _, body) = gate.post("/api/v1/drills", r#"{"pool":"bot-api","for":"10m","reason":"patches"}"#).await;
    let begun: crate::model::DrillReport = serde_json::from_str(&body).unwrap();
    assert_eq!((status, begun.by.as_str(), begun.reason.as_deref()), (200, "local", Some("patches")));
    for (wrong, expected) in [
        (r#"{"pool":"bot-api"}"#, 422),
        (r#"{"pool":"bot-api","reason":"x","for":"soon"}"#, 422),
        (r#"{"pool":"bot-api","reason":"x","when":"tonight"}"#, 422),
        (r#"{"pool":"nope","reason":"x"}"#, 404),
    ] {
        let (status, headers, body) = gate.post("/api/v1/drills", wrong).await;
        assert_eq!((status, problem(&headers, &body).status), (expected, expected), "{wrong}");
    }
    assert_eq!(gate.post("/api/v1/drills/d2/stop", "{}").await.0, 409);
    assert_eq!(gate.get("/api/v1/drills/d2").await.0, 404);
    let (_, headers, markdown) = gate.get("/api/v1/drills/latest?format=markdown").await;
    assert_eq!(headers["content-type"], "text/markdown; charset=utf-8");
    let asked = gate.send("GET", "/api/v1/drills/d1", &[("accept", "text/markdown")], "").await;
    assert_eq!(crate::admin::fixture::read(asked).await.2, markdown);
    for part in [
        "# Drill d1: passed\n",
        "- **moved:** westeurope → northeurope\n",
        "- **moved along:** qna\n",
        "ended 2026-11-01T12:10:00Z after 10 min\n",
        "| requests | 1800000 | 300000 |\n",
        "| p99 | 41.0 ms | 44.5 ms |\n",
        "| 1.2 ms | 0.8 ms | 12 | 3 |\n",
        "| northeurope | 300000 | 300000 | 0 | 0 | 0 | 0 |\n",
    ] {
        assert!(markdown.contains(part), "{part:?} in\n{markdown}");
    }
}

#[tokio::test]
async fn the_openapi_document_describes_every_route_and_its_references_resolve() {
    let gate = Gate::start(None, Script::default()).await;
    let (status, _, body) = gate.get("/api/v1/openapi.json").await;
    let document: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(paths.len(), 21, "{paths:?}");
    let mut seen = std::collections::HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(seen.insert(id.to_owned()), "{id} twice");
            assert!(operation["responses"]["200"].is_object(), "{path}");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{path}");
            let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
            let named = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(named, path.matches('{').count(), "{path}");
            assert!(parameters.iter().all(|it| !it["description"].as_str().unwrap_or("").is_empty()), "{path}");
            // What is described is served.
            let real = path.replace("{pool}", "bot-api").replace("{backend}", "westeurope").replace("{id}", "d1");
            let wanted = operation["requestBody"]["required"].as_bool().unwrap_or(false);
            let body = match path.rsplit('/').next() {
                Some("pin") => r#"{"backend":"westeurope","reason":"x"}"#,
                Some("drills") => r#"{"pool":"bot-api","reason":"x"}"#,
                _ => r#"{"reason":"x"}"#,
            };
            let headers: &[_] = if wanted { &[("content-type", "application/json")] } else { &[] };
            let answer = gate.send(&method.to_uppercase(), &real, headers, if wanted { body } else { "" }).await;
            assert_eq!(answer.status(), 200, "{method} {path}");
        }
    }
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some(), "{reference} leads nowhere");
    }
}

fn collect_references(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            into.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect_references(member, into));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, into)),
        _ => {}
    }
}

#[tokio::test]
async fn one_address_that_opens_connections_without_end_does_not_take_all_places() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let gate = Gate::start(None, Script::default()).await;
    let mut idle = Vec::new();
    for _ in 0..64 {
        idle.push(tokio::net::TcpStream::connect(gate.addr).await.unwrap());
    }
    // The last one to be let in is known to be in once one more is turned away.
    let mut turned_away = tokio::net::TcpStream::connect(gate.addr).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), turned_away.read_u8()).await.unwrap();
    assert!(ended.is_err(), "closed, without a word");
    drop(idle);
    let answered = async {
        loop {
            let mut stream = tokio::net::TcpStream::connect(gate.addr).await.unwrap();
            let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            if asked.is_ok() && stream.read_u8().await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), answered).await.expect("their places are free again");
}
