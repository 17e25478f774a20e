//! Over real sockets.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::*;

const MESSAGE: &str = r#"{"type":"message","id":"1","channelId":"test","conversation":{"id":"c"},"text":"hi","deliveryMode":"expectReplies"}"#;

fn start() -> Running {
    start_with("")
}

fn start_with(more: &str) -> Running {
    let config = format!(
        "control = '127.0.0.1:0'\n[[region]]\nname = 'weu'\nbot = '127.0.0.1:0'\nqna = '127.0.0.1:0'\n{more}\n\
         [[region]]\nname = 'neu'\nbot = '127.0.0.1:0'\n"
    );
    Sim::start(SimConfig::parse(&config).unwrap()).unwrap()
}

fn bot(sim: &Running) -> SocketAddr {
    sim.regions[0].bot.unwrap()
}

async fn send(to: SocketAddr, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Box<dyn std::error::Error>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(to).await?)).await?;
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}

fn request(method: &str, path: &str, body: &str) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(path).header("host", "sim");
    builder.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

async fn call(to: SocketAddr, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
    let response = send(to, request(method, path, body)).await.unwrap();
    let value = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
    (response.status(), value)
}

async fn break_it(sim: &Running, query: &str, fault: Value) {
    let path = format!("/regions/weu/fault{query}");
    let (status, body) = call(sim.control, "PUT", &path, &fault.to_string()).await;
    assert_eq!(status, 200, "{body}");
}

async fn heal(sim: &Running) {
    assert_eq!(call(sim.control, "DELETE", "/regions/weu/fault", "").await.0, 200);
}

async fn say(sim: &Running) -> (StatusCode, Value) {
    call(bot(sim), "POST", "/api/messages", MESSAGE).await
}

/// Writes a request and waits until it has arrived, without reading the answer.
async fn waiting(sim: &Running, before: u64) -> TcpStream {
    let mut stream = TcpStream::connect(bot(sim)).await.unwrap();
    let text = format!("POST /api/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{MESSAGE}", MESSAGE.len());
    stream.write_all(text.as_bytes()).await.unwrap();
    while call(sim.control, "GET", "/received", "").await.1["services"][0]["received"]["requests"] != before + 1 {
        tokio::task::yield_now().await;
    }
    stream
}

#[tokio::test]
async fn a_bot_echoes_with_expect_replies_and_says_who_it_is() {
    let sim = start();
    let response = send(bot(&sim), request("POST", "/api/messages", MESSAGE)).await.unwrap();
    assert_eq!(response.headers()["x-sim-region"], "weu");
    assert_eq!(response.headers()["x-sim-service"], "bot");
    assert_eq!(response.headers()["x-sim-count"], "1");
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["activities"][0]["text"], "weu: you said 'hi'");
    assert_eq!(body["activities"][0]["replyToId"], "1");
}

#[tokio::test]
async fn an_answer_says_what_body_it_is_an_answer_to() {
    let sim = start();
    let response = send(bot(&sim), request("POST", "/api/messages", "abc")).await.unwrap();
    // FIPS 180-2, appendix B.1.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(response.headers()["x-sim-body-sha256"], abc);
}

#[tokio::test]
async fn other_activities_get_200_and_nonsense_gets_400() {
    let sim = start();
    let to = bot(&sim);
    let plain = send(to, request("POST", "/api/messages", r#"{"type":"message","text":"x"}"#)).await.unwrap();
    assert_eq!((plain.status(), plain.body().len()), (StatusCode::OK, 0));
    let (status, body) = call(to, "POST", "/api/messages", r#"{"type":"invoke","name":"task/fetch"}"#).await;
    assert_eq!((status, &body["invoked"]), (StatusCode::OK, &json!("task/fetch")));
    let (status, body) = call(to, "POST", "/api/messages", "{}").await;
    assert_eq!(status, 400);
    assert!(body["error"]["message"].as_str().unwrap().contains("no string `type`"), "{body}");
    assert_eq!(call(to, "GET", "/api/messages", "").await.0, 405);
    assert_eq!(
        call(to, "GET", "/healthz", "").await,
        (StatusCode::OK, json!({"status":"healthy","region":"weu","service":"bot"}))
    );
    assert_eq!(call(to, "GET", "/elsewhere", "").await.0, 404);
}

#[tokio::test]
async fn question_answering_speaks_both_shapes_and_wants_a_key() {
    let sim = start();
    let to = sim.regions[0].qna.unwrap();
    let maker = "/qnamaker/knowledgebases/KB/generateanswer";
    let language = "/language/:query-knowledgebases?deploymentName=production&projectName=p&api-version=2021-10-01";
    let ask = r#"{"question":"why?"}"#;
    assert_eq!(call(to, "POST", maker, ask).await.0, 401);
    for (path, header, key, score) in [
        (maker, "authorization", "EndpointKey K", "score"),
        (language, "ocp-apim-subscription-key", "K", "confidenceScore"),
    ] {
        let mut request = request("POST", path, ask);
        request.headers_mut().insert(header, key.parse().unwrap());
        let body: Value = serde_json::from_slice(send(to, request).await.unwrap().body()).unwrap();
        assert_eq!(body["answers"][0]["answer"], "weu: the answer to 'why?'");
        assert!(body["answers"][0][score].is_number());
    }
    let (status, body) = call(to, "POST", "/language/:query-knowledgebases?projectName=p", ask).await;
    assert_eq!(status, 400);
    assert!(body.to_string().contains("deploymentName"), "{body}");
}

#[tokio::test]
async fn question_answering_refuses_the_key_and_the_id_of_another_region() {
    let sim = start_with("identity = { key = 'K-weu', kb = 'kb-weu', project = 'faq weu', deployment = 'production' }");
    let to = sim.regions[0].qna.unwrap();
    let maker = |kb: &str| format!("/qnamaker/knowledgebases/{kb}/generateAnswer");
    let language = |project: &str, deployment: &str| {
        format!("/language/:query-knowledgebases?projectName={project}&deploymentName={deployment}&api-version=1")
    };
    let (endpoint, subscription) = ("authorization", "ocp-apim-subscription-key");
    for (path, header, key, status, code) in [
        (maker("kb-weu"), endpoint, "EndpointKey K-weu", 200, ""),
        (maker("kb-weu"), endpoint, "EndpointKey K-neu", 401, "Unauthorized"),
        (maker("kb-weu"), subscription, "K-weu", 401, "Unauthorized"),
        (maker("kb-neu"), endpoint, "EndpointKey K-weu", 404, "KbNotFound"),
        (language("faq%20weu", "production"), subscription, "K-weu", 200, ""),
        (language("faq%20weu", "production"), endpoint, "EndpointKey K-weu", 401, "401"),
        (language("faq", "production"), subscription, "K-weu", 404, "ProjectNotFound"),
        (language("faq%20weu", "test"), subscription, "K-weu", 404, "NotFound"),
    ] {
        let mut request = request("POST", &path, r#"{"question":"why?"}"#);
        request.headers_mut().insert(header, key.parse().unwrap());
        let response = send(to, request).await.unwrap();
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(response.status().as_u16(), status, "{path} by {key}: {body}");
        assert_eq!(body["error"]["code"].as_str().unwrap_or_default(), code, "{path} by {key}");
    }
}

#[tokio::test]
async fn what_a_probe_asks_is_answered_and_is_no_request() {
    let sim = start();
    break_it(&sim, "?service=bot", json!({"kind":"status","status":503,"spare_probes":true})).await;
    let mut probe = request("POST", "/api/messages", MESSAGE);
    probe.headers_mut().insert("botgate-probe", "activity".parse().unwrap());
    let response = send(bot(&sim), probe).await.unwrap();
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["activities"][0]["text"], "weu: you said 'hi'");
    let (_, received) = call(bot(&sim), "GET", "/received", "").await;
    assert_eq!((&received["probes"], &received["requests"]), (&json!(1), &json!(0)), "{received}");
}

#[tokio::test]
async fn a_websocket_echoes_and_is_reset_when_its_region_goes_down() {
    let sim = start();
    let stream = TcpStream::connect(bot(&sim)).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async("ws://sim/api/messages", stream).await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![0, 255, 7])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    break_it(&sim, "", json!({"kind":"down"})).await;
    let end = tokio::time::timeout(Duration::from_secs(5), socket.next()).await.unwrap();
    assert!(matches!(end, Some(Err(_))), "{end:?}");
}

#[tokio::test]
async fn down_refuses_dials_resets_waiting_requests_and_comes_back_on_the_same_port() {
    let sim = start();
    break_it(&sim, "", json!({"kind":"hang"})).await;
    let mut stream = waiting(&sim, 0).await;
    break_it(&sim, "", json!({"kind":"down"})).await;
    let error = stream.read(&mut [0; 64]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    for to in [bot(&sim), sim.regions[0].qna.unwrap()] {
        assert_eq!(TcpStream::connect(to).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    assert_eq!(call(sim.regions[1].bot.unwrap(), "GET", "/healthz", "").await.0, 200);
    heal(&sim).await;
    assert_eq!(say(&sim).await.0, 200);
}

#[tokio::test]
async fn a_down_region_can_go_down_and_up_many_times() {
    let sim = start();
    for _ in 0..50 {
        break_it(&sim, "?service=bot", json!({"kind":"down"})).await;
        assert!(TcpStream::connect(bot(&sim)).await.is_err());
        heal(&sim).await;
        assert_eq!(say(&sim).await.0, 200);
    }
}

#[tokio::test]
async fn hang_holds_requests_and_probes_until_it_is_healed() {
    let sim = start();
    break_it(&sim, "", json!({"kind":"hang"})).await;
    let probe = call(bot(&sim), "GET", "/healthz", "");
    assert!(tokio::time::timeout(Duration::from_millis(50), probe).await.is_err());
    let mut stream = waiting(&sim, 0).await;
    heal(&sim).await;
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_fault_that_begins_meets_requests_that_already_wait() {
    let sim = start();
    break_it(&sim, "", json!({"kind":"slow","distribution":{"fixed_ms":600_000}})).await;
    let mut stream = waiting(&sim, 0).await;
    break_it(&sim, "", json!({"kind":"status","status":502})).await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 502");
}

#[tokio::test]
async fn slow_answers_are_late_but_spared_probes_are_not() {
    let sim = start();
    let fault = json!({"kind":"slow","distribution":{"fixed_ms":120},"spare_probes":true});
    break_it(&sim, "", fault).await;
    let begun = Instant::now();
    assert_eq!(call(bot(&sim), "GET", "/healthz", "").await.0, 200);
    let probed = begun.elapsed();
    assert_eq!(say(&sim).await.0, 200);
    assert!(begun.elapsed() - probed >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_status_is_given_to_requests_and_unless_spared_to_probes() {
    let sim = start();
    break_it(&sim, "?service=bot", json!({"kind":"status","status":503})).await;
    assert_eq!(say(&sim).await.0, 503);
    assert_eq!(call(bot(&sim), "GET", "/healthz", "").await.0, 503);
    assert_eq!(call(sim.regions[0].qna.unwrap(), "GET", "/healthz", "").await.0, 200);
    break_it(&sim, "", json!({"kind":"status","status":500,"spare_probes":true})).await;
    assert_eq!(say(&sim).await.0, 500);
    assert_eq!(call(bot(&sim), "GET", "/healthz", "").await.0, 200);
}

#[tokio::test]
async fn reset_cuts_the_response_after_exactly_so_many_bytes() {
    let sim = start();
    for bytes in [0_u64, 1, 100, 300_000] {
        break_it(&sim, "?service=bot", json!({"kind":"reset","after_bytes":bytes})).await;
        let mut stream = TcpStream::connect(bot(&sim)).await.unwrap();
        let text =
            format!("POST /api/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{MESSAGE}", MESSAGE.len());
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut got = Vec::new();
        let end = stream.read_to_end(&mut got).await;
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset, "{bytes}");
        // Beyond what the kernel has room for, an RST throws away what was not sent yet.
        if bytes <= 100 {
            assert_eq!(got.len() as u64, bytes);
        }
        assert!(got.len() as u64 <= bytes);
    }
}

#[tokio::test]
async fn flaky_repeats_with_its_seed() {
    let sim = start();
    let mut runs = Vec::new();
    for _ in 0..2 {
        break_it(&sim, "?service=bot", json!({"kind":"flaky","rate":0.3,"seed":42,"status":500})).await;
        let mut run = Vec::new();
        for _ in 0..40 {
            run.push(say(&sim).await.0.as_u16());
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    let bad = runs[0].iter().filter(|status| **status == 500).count();
    assert!((4..=20).contains(&bad), "{bad} of 40");
}

#[tokio::test]
async fn a_fault_for_a_while_heals_by_itself() {
    let sim = start();
    break_it(&sim, "", json!({"kind":"down","for":"80ms"})).await;
    assert!(TcpStream::connect(bot(&sim)).await.is_err());
    let begun = Instant::now();
    while TcpStream::connect(bot(&sim)).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
    assert_eq!(say(&sim).await.0, 200);
}

#[tokio::test]
async fn what_was_received_is_told_by_key() {
    let sim = start();
    let (first, second) = (bot(&sim), sim.regions[1].bot.unwrap());
    for to in [first, second] {
        let mut keyed = request("POST", "/api/messages", MESSAGE);
        keyed.headers_mut().insert("idempotency-key", "k-1".parse().unwrap());
        send(to, keyed).await.unwrap();
    }
    say(&sim).await;
    break_it(&sim, "", json!({"kind":"status","status":503})).await;
    say(&sim).await;
    let (_, body) = call(sim.control, "GET", "/received", "").await;
    assert_eq!(body["answered_more_than_once"], json!({"k-1": 2}));
    assert_eq!(body["services"][0]["received"]["keys"]["test/c/1"], json!({"received": 2, "answered": 1}));
    assert_eq!(call(first, "GET", "/received", "").await.1, body["services"][0]["received"]);
    call(sim.control, "DELETE", "/received", "").await;
    assert_eq!(call(sim.control, "GET", "/received", "").await.1["services"][0]["received"]["requests"], 0);
}

#[tokio::test]
async fn the_control_api_shows_faults_and_explains_mistakes() {
    let sim = start();
    break_it(&sim, "?service=qna", json!({"kind":"hang","for":"1h"})).await;
    let (_, body) = call(sim.control, "GET", "/regions", "").await;
    assert_eq!(body["regions"][0]["services"][0]["fault"], Value::Null);
    assert_eq!(body["regions"][0]["services"][1]["fault"]["kind"], "hang");
    for (method, path, fault, status, wanted) in [
        ("PUT", "/regions/weu/fault", "{}", 400, "`kind` is missing"),
        ("PUT", "/regions/mars/fault", r#"{"kind":"down"}"#, 404, "there are weu, neu"),
        ("PUT", "/regions/neu/fault?service=qna", r#"{"kind":"down"}"#, 404, "has no qna"),
        ("PUT", "/regions/weu/fault?servce=qna", r#"{"kind":"down"}"#, 400, "`servce=qna` is not known"),
        ("POST", "/regions/weu/fault", "", 405, "GET, PUT and DELETE"),
        ("GET", "/nowhere", "", 404, "/received"),
    ] {
        let (got, body) = call(sim.control, method, path, fault).await;
        assert_eq!(got, status, "{method} {path}: {body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(wanted), "{body}");
    }
}

#[tokio::test]
async fn latency_without_a_fault_delays_every_answer() {
    let sim = start_with("latency = { fixed_ms = 60 }");
    let begun = Instant::now();
    assert_eq!(call(bot(&sim), "GET", "/healthz", "").await.0, 200);
    assert!(begun.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_port_in_use_is_named_and_stop_frees_the_ports() {
    let sim = start();
    let taken = bot(&sim);
    let config = || SimConfig::parse(&format!("control='127.0.0.1:0'\n[[region]]\nname='a'\nbot='{taken}'")).unwrap();
    let error = Sim::start(config()).unwrap_err().to_string();
    assert!(error.contains(&taken.to_string()) && error.contains("a bot"), "{error}");
    say(&sim).await;
    sim.stop();
    assert_eq!(Sim::start(config()).unwrap().regions[0].bot, Some(taken));
}
