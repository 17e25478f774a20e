//! One request over a connection of control's own, and what comes back: what probes, parity checks and the like have in common.

use std::error::Error;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use http_body_util::Full;

use crate::config::{BackendConfig, StatusSet};
use crate::model::BackendId;
use crate::upstream::{Dialed, ExchangeError, Line, Origin, Outgoing, Reach};

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

/// The head of a response, and the connection that its body comes over.
#[derive(Debug)]
pub(super) struct Answer {
    head: Response<()>,
    line: Line,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.head.status()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// The connection, once of the response has been read what is wanted.
    pub(super) fn into_line(self) -> Line {
        self.line
    }

    /// Whether the connection broke while the body was read.
    pub(super) const fn is_broken(&self) -> bool {
        self.line.is_broken()
    }
}

/// Sends a question over a connection that was just opened and that is used for nothing else. The error says in words what
/// was wrong.
pub(super) async fn ask(dialed: Dialed, question: &Question<'_>) -> Result<Answer, String> {
    // Where it leads is asked of a connection only when it is to be used again.
    let nowhere = Reach { backend: BackendId(0), addresses: &[], tls: None };
    let line = Line::start(dialed, nowhere).await.map_err(|error| broken(&error))?;
    ask_over(line, question, false).await
}

/// Sends a question over a connection on which another may follow, or not. The error says in words what was wrong.
pub(super) async fn ask_over(mut line: Line, question: &Question<'_>, more: bool) -> Result<Answer, String> {
    let origin = Origin::new(question.backend);
    let path: PathAndQuery = question.path.parse().map_err(|_| "the path to ask for is no path".to_owned())?;
    let target = if line.is_http2() { origin.target_http2(&path) } else { origin.target_http1(&path) };
    let target = target.map_err(|_| "what the path to ask for is rewritten to is no path".to_owned())?;
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(USER_AGENT, HeaderValue::from_static(question.agent));
    if !more && !line.is_http2() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let own = [&question.backend.headers[..], question.headers].concat();
    let request = Outgoing {
        method: question.method,
        target,
        origin: &origin,
        fields: &headers.into(),
        own: &own,
        also: Default::default(),
        body: Full::new(question.body.cloned().unwrap_or_default()),
    };
    let head = line.send(request).await.map_err(|failure| broken(&failure.error))?;
    Ok(Answer { head: head.into_http(), line })
}

/// Reads a body up to `limit` bytes, and tells whether that was all of it.
pub(super) async fn body(answer: &mut Answer, limit: usize) -> Result<(Bytes, bool), String> {
    let mut body = BytesMut::new();
    while let Some(data) = answer.line.data().await {
        let data = data.map_err(|error| format!("the response body broke off: {}", causes(&error)))?;
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

fn broken(error: &ExchangeError) -> String {
    format!("no response: {}", causes(error))
}

/// An error in words, with its causes where it is hyper's: its own words say little.
fn causes(error: &ExchangeError) -> String {
    let mut text = error.to_string();
    let mut source = match error {
        ExchangeError::Http2(error) => error.source(),
        _ => None,
    };
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
