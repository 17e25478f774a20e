//! One request: count it, let the fault have its say, answer.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

use super::answers::{self, error, json};
use super::service::Service;
use super::stream::Cut;
use super::{FaultKind, ServiceKind, qna, websocket};
use crate::bot::Activity;

const MAX_BODY: usize = 1024 * 1024;

/// By this header a bot can tell that nobody said what it is asked: botgate's probes have it.
const PROBE: &str = "botgate-probe";

/// By this header of an answer whoever sent the request can tell that it arrived as it was sent, and that the answer is its
/// own: the SHA-256 of the body that was received, in hexadecimal.
const BODY_DIGEST: &str = "x-sim-body-sha256";

/// What the fault leaves of a request.
enum Verdict {
    Answer,
    Status(u16),
    ResetAfter(u64),
}

/// Answers one request.
pub(super) async fn handle(
    service: Arc<Service>,
    cut: Arc<Cut>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut digest = None;
    let mut response = respond(&service, &cut, request, &mut digest).await;
    let headers = response.headers_mut();
    if let Some(digest) = digest {
        headers.insert(BODY_DIGEST, digest);
    }
    headers.insert("x-sim-region", service.region_header.clone());
    headers.insert("x-sim-service", HeaderValue::from_static(service.kind.as_str()));
    headers.insert("x-sim-count", HeaderValue::from(service.next_answer()));
    Ok(response)
}

async fn respond(
    service: &Arc<Service>,
    cut: &Arc<Cut>,
    mut request: Request<Incoming>,
    digest: &mut Option<HeaderValue>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if path == "/received" && request.method() == Method::GET {
        return json(StatusCode::OK, &*service.received());
    }
    let plain_probe = path == "/healthz";
    let probe = plain_probe || request.headers().contains_key(PROBE);
    let session = service.kind == ServiceKind::Bot && path == "/api/messages" && wants_websocket(request.headers());
    let mut key = None;
    let mut body = Bytes::new();
    if probe {
        service.received().probes += 1;
    }
    if !plain_probe {
        match Limited::new(request.body_mut(), MAX_BODY).collect().await {
            Ok(collected) => body = collected.to_bytes(),
            Err(e) if e.is::<http_body_util::LengthLimitError>() => {
                return error(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB");
            }
            Err(e) => return error(StatusCode::BAD_REQUEST, &format!("the body did not arrive whole: {e}")),
        }
        *digest = answers::digest(&body);
    }
    if !probe {
        key = key_of(service.kind, request.headers(), &body);
        service.received().arrived(key.as_deref());
        if service.records()
            && let Some(id) = Activity::parse(&body).ok().and_then(|activity| activity.id)
        {
            service.record(&id);
        }
    }
    let limit = match admit(service, probe).await {
        Verdict::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            return error(status, &format!("{}: a fault was ordered for this service", service.region));
        }
        Verdict::ResetAfter(bytes) => Some(bytes),
        Verdict::Answer => None,
    };
    if !probe {
        service.received().answered(key.as_deref());
    }
    let response = if session {
        service.received().sessions += 1;
        websocket::accept(service, cut, &mut request)
    } else {
        answer(service, &request, &body)
    };
    match limit {
        None => response,
        Some(bytes) => cut_short(response, cut, bytes).await,
    }
}

/// Waits for what the fault in force makes of a request. A fault that begins, changes or heals meanwhile counts.
async fn admit(service: &Service, probe: bool) -> Verdict {
    if let Some(latency) = service.latency() {
        tokio::time::sleep(latency).await;
    }
    let mut changes = service.weather.subscribe();
    loop {
        let active = changes.borrow_and_update().active.clone();
        let Some(active) = active.filter(|active| !(probe && active.fault.spare_probes)) else {
            return Verdict::Answer;
        };
        match active.fault.kind {
            // Down: the connection is about to be reset.
            FaultKind::Hang {} | FaultKind::Down {} => {
                if changes.changed().await.is_err() {
                    return Verdict::Answer;
                }
            }
            FaultKind::Slow { distribution, .. } => tokio::select! {
                () = tokio::time::sleep(active.delay(distribution)) => return Verdict::Answer,
                changed = changes.changed() => if changed.is_err() {
                    return Verdict::Answer;
                },
            },
            FaultKind::Status { status } => return Verdict::Status(status),
            FaultKind::Reset { after_bytes } => return Verdict::ResetAfter(after_bytes),
            FaultKind::Flaky { rate, status, .. } if active.chance(rate) => return Verdict::Status(status),
            FaultKind::Flaky { .. } => return Verdict::Answer,
        }
    }
}

fn answer(service: &Service, request: &Request<Incoming>, body: &[u8]) -> Response<Full<Bytes>> {
    let (method, path) = (request.method(), request.uri().path());
    let lower = path.to_ascii_lowercase();
    let segments: Vec<&str> = lower.split('/').filter(|segment| !segment.is_empty()).collect();
    let region = &service.region;
    match (service.kind, segments.as_slice()) {
        (_, ["healthz"]) if *method == Method::GET || *method == Method::HEAD => answers::healthy(region, service.kind),
        (_, ["healthz"]) => wrong_method("GET, HEAD"),
        (ServiceKind::Bot, ["api", "messages"]) if *method == Method::POST => answers::activity(region, body),
        (ServiceKind::Bot, ["api", "messages"]) => wrong_method("POST"),
        (ServiceKind::Qna, ["qnamaker", "knowledgebases", _, "generateanswer"]) if *method == Method::POST => {
            let kb = path.split('/').filter(|segment| !segment.is_empty()).nth(2).unwrap_or_default();
            qna::generate_answer(service, request.headers(), kb, body)
        }
        (ServiceKind::Qna, ["language", ":query-knowledgebases"]) if *method == Method::POST => {
            qna::query_knowledge_bases(service, request.headers(), request.uri().query(), body)
        }
        (
            ServiceKind::Qna,
            ["qnamaker", "knowledgebases", _, "generateanswer"] | ["language", ":query-knowledgebases"],
        ) => wrong_method("POST"),
        _ => error(StatusCode::NOT_FOUND, &format!("a simulated {} does not serve {path}", service.kind.as_str())),
    }
}

fn wrong_method(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allowed} is served here"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Has the connection reset after `bytes` of this response. White space at its end, which JSON allows, makes sure that
/// it is long enough to be cut.
async fn cut_short(response: Response<Full<Bytes>>, cut: &Cut, bytes: u64) -> Response<Full<Bytes>> {
    let (head, body) = response.into_parts();
    let mut padded = match body.collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(never) => match never {},
    };
    let least = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(1);
    padded.resize(padded.len().max(least), b' ');
    cut.after(bytes);
    Response::from_parts(head, Full::new(padded.into()))
}

fn key_of(kind: ServiceKind, headers: &HeaderMap, body: &[u8]) -> Option<String> {
    if let Some(key) = headers.get("idempotency-key") {
        return Some(String::from_utf8_lossy(key.as_bytes()).into_owned());
    }
    (kind == ServiceKind::Bot && !body.is_empty()).then(|| Activity::parse(body).ok()?.key()).flatten()
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    let has = |name, token: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    has(CONNECTION, "upgrade") && has(UPGRADE, "websocket")
}
