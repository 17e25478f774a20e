//! The control listener: faults on command, and what every service received.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Fault;
use super::answers::{error, json as json_response};
use super::received::Received;
use super::service::Service;

const MAX_BODY: usize = 64 * 1024;

type Answer = Response<Full<Bytes>>;

/// Serves the control API. Ends only when it is dropped.
pub(super) async fn serve(listener: TcpListener, services: Arc<[Arc<Service>]>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let services = services.clone();
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let answer = service_fn(|request| {
                let services = services.clone();
                async move { Ok::<_, Infallible>(respond(&services, request).await) }
            });
            let mut http = http1::Builder::new();
            let _ = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn respond(services: &[Arc<Service>], request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let segments: Vec<&str> = head.uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
    match (segments.as_slice(), &head.method) {
        (["healthz"], &Method::GET) => json_response(StatusCode::OK, &json!({ "status": "healthy" })),
        ([] | ["regions"], &Method::GET) => regions(services),
        (["received"], &Method::GET) => received(services),
        (["received"], &Method::DELETE) => {
            for service in services {
                *service.received() = Received::default();
            }
            json_response(StatusCode::OK, &json!({ "forgotten": true }))
        }
        (["regions", region, "fault"], method) => {
            let chosen = match choose(services, region, head.uri.query()) {
                Ok(chosen) => chosen,
                Err(refusal) => return *refusal,
            };
            match *method {
                Method::GET => faults(&chosen),
                Method::PUT => match read_fault(body).await {
                    Ok(fault) => order(&chosen, Some(fault)).await,
                    Err(refusal) => *refusal,
                },
                Method::DELETE => order(&chosen, None).await,
                _ => error(StatusCode::METHOD_NOT_ALLOWED, "a fault takes GET, PUT and DELETE"),
            }
        }
        ([] | ["regions" | "healthz"], _) => error(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here"),
        (["received"], _) => error(StatusCode::METHOD_NOT_ALLOWED, "only GET and DELETE are served here"),
        _ => error(
            StatusCode::NOT_FOUND,
            "there are /regions, /regions/{region}/fault[?service=bot|qna], /received and /healthz",
        ),
    }
}

fn regions(services: &[Arc<Service>]) -> Answer {
    let mut by_region: Vec<(&str, Vec<Value>)> = Vec::new();
    for service in services {
        let line = json!({
            "service": service.kind.as_str(),
            "url": format!("http://{}", service.address),
            "fault": service.fault(),
        });
        match by_region.iter_mut().find(|(region, _)| *region == service.region) {
            Some((_, lines)) => lines.push(line),
            None => by_region.push((&service.region, vec![line])),
        }
    }
    let regions: Vec<Value> =
        by_region.into_iter().map(|(region, services)| json!({ "region": region, "services": services })).collect();
    json_response(StatusCode::OK, &json!({ "regions": regions }))
}

fn received(services: &[Arc<Service>]) -> Answer {
    let mut totals: BTreeMap<String, u32> = BTreeMap::new();
    let mut lines = Vec::with_capacity(services.len());
    for service in services {
        let received = service.received();
        for (key, tally) in &received.keys {
            *totals.entry(key.clone()).or_default() += tally.answered;
        }
        lines.push(json!({ "region": service.region, "service": service.kind.as_str(), "received": &*received }));
    }
    totals.retain(|_, answered| *answered > 1);
    json_response(StatusCode::OK, &json!({ "services": lines, "answered_more_than_once": totals }))
}

fn faults(chosen: &[&Arc<Service>]) -> Answer {
    let lines: Vec<Value> = chosen
        .iter()
        .map(|service| json!({ "region": service.region, "service": service.kind.as_str(), "fault": service.fault() }))
        .collect();
    json_response(StatusCode::OK, &json!({ "services": lines }))
}

async fn order(chosen: &[&Arc<Service>], fault: Option<Fault>) -> Answer {
    for service in chosen {
        if let Err(why) = service.order(fault.clone()).await {
            let text = format!("{} {}: {why}", service.region, service.kind.as_str());
            return error(StatusCode::INTERNAL_SERVER_ERROR, &text);
        }
    }
    faults(chosen)
}

fn choose<'a>(
    services: &'a [Arc<Service>],
    region: &str,
    query: Option<&str>,
) -> Result<Vec<&'a Arc<Service>>, Box<Answer>> {
    let mut wanted = None;
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        match pair {
            "service=bot" | "service=qna" => wanted = pair.strip_prefix("service="),
            _ => {
                let text = format!("`{pair}` is not known here: only service=bot and service=qna are");
                return Err(Box::new(error(StatusCode::BAD_REQUEST, &text)));
            }
        }
    }
    let of_region = services.iter().filter(|service| service.region == region);
    let chosen: Vec<_> = of_region.filter(|service| wanted.is_none_or(|kind| kind == service.kind.as_str())).collect();
    if chosen.is_empty() {
        let mut names: Vec<&str> = services.iter().map(|service| service.region.as_str()).collect();
        names.dedup();
        let text = match wanted {
            Some(kind) if names.contains(&region) => format!("region `{region}` has no {kind}"),
            _ => format!("no region `{region}`; there are {}", names.join(", ")),
        };
        return Err(Box::new(error(StatusCode::NOT_FOUND, &text)));
    }
    Ok(chosen)
}

async fn read_fault(body: Incoming) -> Result<Fault, Box<Answer>> {
    let refuse = |text: &str| Box::new(error(StatusCode::BAD_REQUEST, text));
    let body =
        Limited::new(body, MAX_BODY).collect().await.map_err(|e| refuse(&format!("cannot read the fault: {e}")))?;
    Fault::parse(&body.to_bytes()).map_err(|text| refuse(&text))
}
