//! One question to a responder (RFC 6960, appendix A.1; RFC 5019, section 5).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};

use crate::config::ResponderConfig;
use crate::control::exchange::{self, Answer, Question};
use crate::upstream::{Alpn, Resolver, dial};

/// Most bytes that are read of an answer: real ones take one or two KiB.
const BODY: usize = 64 << 10;

/// Bounds one dial.
const DIAL: Duration = Duration::from_secs(5);

/// Asks a responder: its answer, as it came. The error says in words why there is none.
pub(in crate::control) async fn fetch(
    responder: ResponderConfig,
    request: Vec<u8>,
    resolver: &Resolver,
) -> Result<Vec<u8>, String> {
    ask(&responder, request, resolver).await.map_err(|error| format!("{responder}: {error}"))
}

async fn ask(responder: &ResponderConfig, request: Vec<u8>, resolver: &Resolver) -> Result<Vec<u8>, String> {
    let url = &responder.service.url;
    let addresses: Vec<IpAddr> = match url.host.parse() {
        Ok(address) => vec![address],
        Err(_) => resolver.lookup(&url.host).await.map_err(|error| error.to_string())?.addresses,
    };
    let addresses: Vec<SocketAddr> = addresses.into_iter().map(|address| (address, url.port).into()).collect();
    let dialed = dial(&addresses, None, Alpn::Any, DIAL).await.map_err(|error| error.to_string())?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/ocsp-request")),
        (ACCEPT, HeaderValue::from_static("application/ocsp-response")),
    ];
    let question = Question {
        backend: &responder.service,
        method: &Method::POST,
        path: &responder.path,
        headers: &headers,
        body: Some(&Bytes::from(request)),
        agent: concat!("botgate-ocsp/", env!("CARGO_PKG_VERSION")),
    };
    read(exchange::ask(dialed, &question).await?).await
}

async fn read(mut response: Answer) -> Result<Vec<u8>, String> {
    let status = response.status();
    if status != StatusCode::OK {
        return Err(format!("status {}, expected 200", status.as_u16()));
    }
    let (body, complete) = exchange::body(&mut response, BODY).await?;
    if complete { Ok(body.into()) } else { Err(format!("the answer is longer than {} KiB", BODY >> 10)) }
}
