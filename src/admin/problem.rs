//! Every refusal as a problem document (RFC 9457), whoever made it: a handler, axum or a layer.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::ControlError;

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Most bytes of a plain-text refusal that become a problem's detail.
const LONGEST_DETAIL: usize = 4096;

/// A problem document (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Which problem: `urn:botgate:…`, or `about:blank` when the status says it all.
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "urn:botgate:unknown-pool")]
    pub kind: String,
    /// The same for a human reader; does not change from one occurrence to the next.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do.
    pub detail: String,
    /// In how many seconds it may be tried again, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

/// The problems that have a name of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    UnknownPool,
    UnknownBackend,
    OrderRefused,
    ControlUnavailable,
    NotReady,
    /// A thread that serves is stuck or dead.
    Unwell,
    /// The journal cannot be read.
    JournalUnreadable,
    TooManySubscribers,
    TokenWanted,
    RoleWanted,
    TooOften,
    WrongHost,
    CrossOrigin,
    ReasonTooLong,
    ReasonWanted,
    ConfigRejected,
}

impl Kind {
    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::UnknownPool => (StatusCode::NOT_FOUND, "unknown-pool", "No such pool"),
            Self::UnknownBackend => (StatusCode::NOT_FOUND, "unknown-backend", "No such backend"),
            Self::OrderRefused => (StatusCode::CONFLICT, "order-refused", "The order cannot be carried out now"),
            Self::ControlUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "control-unavailable", "Control does not answer")
            }
            Self::JournalUnreadable => {
                (StatusCode::SERVICE_UNAVAILABLE, "journal-unreadable", "The journal cannot be read")
            }
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready"),
            Self::Unwell => (StatusCode::SERVICE_UNAVAILABLE, "unwell", "A part of botgate is stuck or dead"),
            Self::TooManySubscribers => {
                (StatusCode::SERVICE_UNAVAILABLE, "too-many-subscribers", "Too many event streams")
            }
            Self::TokenWanted => (StatusCode::UNAUTHORIZED, "token-wanted", "An admin token is wanted"),
            Self::RoleWanted => (StatusCode::FORBIDDEN, "role-wanted", "Your role does not allow that"),
            Self::TooOften => (StatusCode::TOO_MANY_REQUESTS, "too-often", "Too often"),
            Self::WrongHost => (StatusCode::FORBIDDEN, "wrong-host", "Not a name of this listener"),
            Self::CrossOrigin => (StatusCode::FORBIDDEN, "cross-origin", "Cross-origin request"),
            Self::ReasonTooLong => (StatusCode::UNPROCESSABLE_ENTITY, "reason-too-long", "The reason is too long"),
            Self::ReasonWanted => (StatusCode::UNPROCESSABLE_ENTITY, "reason-wanted", "A reason is wanted"),
            Self::ConfigRejected => (StatusCode::CONFLICT, "config-rejected", "The new config is bad"),
        }
    }
}

impl Problem {
    /// A problem with a name of its own.
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, name, title) = kind.facts();
        let kind = format!("urn:botgate:{name}");
        Self {
            kind,
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            retry_after_seconds: None,
        }
    }

    /// Something that is done too often, and how long to wait.
    pub(super) fn limited(detail: &str, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let detail = format!("{detail} ({seconds} s)");
        Self { retry_after_seconds: Some(seconds), ..Self::new(Kind::TooOften, detail) }
    }

    /// A problem that its status names (RFC 9457, section 4.2.1).
    pub(super) fn of_status(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self {
            kind: "about:blank".to_owned(),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            retry_after_seconds: None,
        }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let kind = match error {
            ControlError::UnknownPool { .. } => Kind::UnknownPool,
            ControlError::UnknownBackend { .. } => Kind::UnknownBackend,
            ControlError::Refused { .. } => Kind::OrderRefused,
            ControlError::Unreadable(_) => Kind::JournalUnreadable,
            ControlError::Unavailable(_) => Kind::ControlUnavailable,
        };
        Self::new(kind, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = problem_response(self.status, &self);
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A response with this problem document, which may have members beyond those of [`Problem`].
pub(super) fn problem_response(status: u16, document: &impl Serialize) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // Strings and numbers only: cannot fail, and an empty body is the honest answer if it ever did.
    let mut response = Response::new(Body::from(serde_json::to_vec(document).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    match status {
        // RFC 9110, section 11.6.1: a 401 names how to do better.
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"botgate admin\""));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

/// Turns a refusal that axum or a layer made into a problem document; its other headers (`Allow`) stay.
pub(super) async fn normalise(response: Response) -> Response {
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !(status.is_client_error() || status.is_server_error()) || content_type.starts_with(PROBLEM_JSON) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, LONGEST_DETAIL).await.unwrap_or_default();
    let detail = match str::from_utf8(&text).map(str::trim) {
        Ok(text) if !text.is_empty() => text.to_owned(),
        _ => explain(status).to_owned(),
    };
    parts.headers.remove(CONTENT_LENGTH);
    let (own, body) = Problem::of_status(status, detail).into_response().into_parts();
    parts.headers.extend(own.headers);
    Response::from_parts(parts, body)
}

fn explain(status: StatusCode) -> &'static str {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => "this path does not take this method; `Allow` lists those that it takes",
        StatusCode::REQUEST_TIMEOUT => "the request took too long to arrive or to be answered; send it again",
        StatusCode::PAYLOAD_TOO_LARGE => "the request body is larger than the admin API takes",
        _ => "the request could not be served",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plain_refusal_becomes_a_problem_and_keeps_its_headers() {
        let plain = Response::builder().status(405).header("allow", "GET").body(Body::empty()).unwrap();
        let response = normalise(plain).await;
        assert_eq!(response.headers()["allow"], "GET");
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((problem.status, problem.title.as_str()), (405, "Method Not Allowed"));
        assert!(problem.detail.contains("Allow"));
    }

    #[tokio::test]
    async fn what_succeeded_is_left_alone() {
        let response = normalise(Response::new(Body::from("fine"))).await;
        assert_eq!(to_bytes(response.into_body(), 10).await.unwrap(), "fine");
    }

    #[test]
    fn an_unknown_pool_is_not_found_and_the_known_ones_are_named() {
        let problem =
            Problem::from(ControlError::UnknownPool { name: "x".into(), known: vec!["bot-api".into(), "qna".into()] });
        assert_eq!(problem.status, 404);
        assert!(problem.detail.contains("bot-api, qna"), "{}", problem.detail);
    }
}
