//! One request over a connection of its own, and what comes back: what probes and parity checks have in common.

use std::error::Error;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderName, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::config::{BackendConfig, StatusSet};
use crate::upstream::{Dialed, Origin, Questions, Strict};

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question<'a> {
    /// Of whom: addressed as live traffic is, with its own headers.
    pub(super) backend: &'a BackendConfig,
    /// How.
    pub(super) method: &'a Method,
    /// Path and query, below the backend's base path. It may hold a credential: no error repeats it.
    pub(super) path: &'a str,
    /// Set on top of the backend's own headers.
    pub(super) headers: &'a [(HeaderName, HeaderValue)],
    /// Its body.
    pub(super) body: Option<&'a Bytes>,
    /// Who asks.
    pub(super) agent: &'static str,
}

/// Sends a question, and has the response read while the connection is driven. The error says in words what was wrong.
pub(super) async fn ask<T, F>(
    dialed: Dialed,
    question: &Question<'_>,
    read: impl FnOnce(Response<Incoming>) -> F,
) -> Result<T, String>
where
    F: Future<Output = Result<T, String>>,
{
    let request = request(question, dialed.http2)?;
    if dialed.http2 {
        let io = TokioIo::new(dialed.stream);
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.map_err(broken)?;
        let response = async move { sender.send_request(request).await };
        driven(connection, response, read).await
    } else {
        let questions = Questions::default();
        questions.ask(&request);
        let io = TokioIo::new(Strict::new(dialed.stream, questions));
        let (mut sender, connection) = http1::handshake(io).await.map_err(broken)?;
        let response = async move { sender.send_request(request).await };
        driven(connection, response, read).await
    }
}

async fn driven<T, F>(
    connection: impl Future<Output = hyper::Result<()>>,
    response: impl Future<Output = hyper::Result<Response<Incoming>>>,
    read: impl FnOnce(Response<Incoming>) -> F,
) -> Result<T, String>
where
    F: Future<Output = Result<T, String>>,
{
    let mut verdict = pin!(async { read(response.await.map_err(broken)?).await });
    tokio::select! {
        verdict = &mut verdict => verdict,
        // The connection may end before what came over it was read.
        _ = connection => verdict.await,
    }
}

fn request(question: &Question<'_>, http2: bool) -> Result<Request<Full<Bytes>>, String> {
    let origin = Origin::new(question.backend);
    let path: PathAndQuery = question.path.parse().map_err(|_| "the path to ask for is no path".to_owned())?;
    let uri = if http2 { origin.target_http2(&path) } else { origin.target_http1(&path) };
    let uri = uri.map_err(|_| "what the path to ask for is rewritten to is no path".to_owned())?;
    let mut request = Request::new(Full::new(question.body.cloned().unwrap_or_default()));
    *request.method_mut() = question.method.clone();
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(question.agent));
    if !http2 {
        headers.insert(HOST, origin.host().clone());
        // The connection is used once.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    for (name, value) in question.backend.headers.iter().chain(question.headers) {
        headers.insert(name, value.clone());
    }
    Ok(request)
}

/// Reads a body up to `limit` bytes, and tells whether that was all of it.
pub(super) async fn body(response: Response<Incoming>, limit: usize) -> Result<(Bytes, bool), String> {
    let mut incoming = response.into_body();
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| format!("the response body broke off: {}", causes(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        let room = limit - body.len();
        if data.len() > room {
            body.extend_from_slice(&data[..room]);
            return Ok((body.freeze(), false));
        }
        body.extend_from_slice(&data);
    }
    Ok((body.freeze(), true))
}

/// Statuses as they are written in a config.
pub(super) fn written(status: &StatusSet) -> String {
    let range = |range: &std::ops::RangeInclusive<u16>| match (range.start(), range.end()) {
        (start, end) if start == end => start.to_string(),
        (start, end) => format!("{start}-{end}"),
    };
    status.0.iter().map(range).collect::<Vec<_>>().join(", ")
}

fn broken(error: hyper::Error) -> String {
    format!("no response: {}", causes(&error))
}

/// An error with its causes: hyper's own words say little.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
