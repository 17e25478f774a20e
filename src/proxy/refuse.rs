//! The one place that turns an error into a response: problem details (RFC 9457), or what `voice` says instead.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::response::ResponseBody;
use super::voice::{Said, Voice};
use crate::model::TokenFault;
use crate::wire::h1::Fault;
use crate::wire::{Known, Response};

/// Why a request has no response of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The request breaks a rule of HTTP; which one.
    BadRequest(&'static str),
    /// Its head breaks a rule of HTTP/1; it was not looked at any further.
    Malformed(Fault),
    /// More header fields than are served.
    TooManyFields,
    /// CONNECT and TRACE are not served.
    Method,
    /// An expectation other than `100-continue`.
    Expectation,
    /// A WebSocket of another version than 13.
    WebSocketVersion,
    /// The certificate of the connection does not bear this host.
    Misdirected,
    /// No route serves this host.
    UnknownHost,
    /// The host is served, this path is not.
    UnknownPath,
    /// A guarded route was sent something that is no activity; in what way.
    NotAnActivity(&'static str),
    /// A guarded route was sent a body that is not plain JSON; in what way.
    Unsupported(&'static str),
    /// A guarded route was sent a token that is not accepted, or none.
    Token(TokenFault),
    /// The request body is larger than its route allows.
    BodyTooLarge,
    /// The client sends its body too slowly.
    BodyStalled,
    /// The client broke off its body.
    BodyAborted,
    /// No backend is available, and the pool's policy is to reject.
    AllDown,
    /// No backend could be reached; nothing was sent.
    Unreachable,
    /// The backend broke off before its response, and the request may not be tried elsewhere.
    Broken,
    /// No response head in time.
    TooLate,
    /// As many requests are under way, or held in memory, as may be.
    Busy,
    /// Its address or its token sends too many; when there is room for one more.
    TooMany(Duration),
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Refusal {
    /// A stable word for logs and the problem's type.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad-request",
            Self::Malformed(_) => "malformed-request",
            Self::TooManyFields => "too-many-fields",
            Self::Method => "method-not-served",
            Self::Expectation => "expectation",
            Self::WebSocketVersion => "websocket-version",
            Self::Misdirected => "misdirected",
            Self::UnknownHost => "unknown-host",
            Self::UnknownPath => "unknown-path",
            Self::NotAnActivity(_) => "not-an-activity",
            Self::Unsupported(_) => "unsupported-media",
            Self::Token(TokenFault::NoKeys) => "no-token-keys",
            Self::Token(TokenFault::Endorsement) => "not-endorsed",
            Self::Token(_) => "not-authorized",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyStalled => "body-stalled",
            Self::BodyAborted => "body-aborted",
            Self::Busy => "busy",
            Self::TooMany(_) => "too-many-requests",
            Self::AllDown => "all-down",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::TooLate => "too-late",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::BodyAborted | Self::NotAnActivity(_) => StatusCode::BAD_REQUEST,
            Self::Malformed(fault) => StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Token(TokenFault::NoKeys) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Token(TokenFault::Endorsement) => StatusCode::FORBIDDEN,
            Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
            Self::UnknownHost | Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyStalled => StatusCode::REQUEST_TIMEOUT,
            Self::AllDown | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unreachable | Self::Broken => StatusCode::BAD_GATEWAY,
            Self::TooLate => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::BadRequest(what) | Self::NotAnActivity(what) | Self::Unsupported(what) => what,
            Self::Token(TokenFault::NoKeys) => "tokens cannot be checked at the moment: try again later",
            Self::Token(TokenFault::Endorsement) => "the token is not endorsed for this channel",
            // What exactly is wrong with it is for the log, not for who tries tokens.
            Self::Token(_) => "a valid token is required",
            Self::Malformed(fault) => fault.detail(),
            Self::TooManyFields => "the request has more header fields than are served here",
            Self::Method => "this method is not served here",
            Self::Expectation => "no expectation but 100-continue is known here",
            Self::WebSocketVersion => "only version 13 of the WebSocket protocol is served",
            Self::Misdirected => "the certificate of this connection does not bear this host name: open another for it",
            Self::UnknownHost => "no route serves this host name: check the URL, or the routes of the gateway",
            Self::UnknownPath => "this host has no route for this path",
            Self::BodyTooLarge => "the request body is larger than this route allows",
            Self::BodyStalled => "the request body came too slowly",
            Self::BodyAborted => "the request body broke off, or broke its framing, before its end",
            Self::AllDown => "no backend is available: try again later",
            Self::Busy => "too many requests are under way: try again later",
            Self::TooMany(_) => "you send more requests than are taken: try again later",
            Self::Unreachable => "no backend could be reached; the request was not delivered",
            Self::Broken => "the backend broke off before it answered; the request may have been delivered",
            Self::TooLate => "no backend answered in time; the request may have been delivered",
        }
    }

    /// When to come back, where that is known.
    pub(super) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::TooMany(wait) => Some(wait),
            _ => None,
        }
    }

    /// Whether the connection must not carry another request: the rest of this one may still be on it.
    const fn closes(self) -> bool {
        matches!(
            self,
            Self::BadRequest(_)
                | Self::Malformed(_)
                | Self::Expectation
                | Self::WebSocketVersion
                | Self::Method
                | Self::BodyTooLarge
                | Self::BodyStalled
                | Self::BodyAborted
        )
    }

    /// What is true when an attempt before the last one was `ambiguous`: that nothing was delivered is not known then.
    pub(super) fn after(self, ambiguous: Option<Self>) -> Self {
        ambiguous.filter(|_| matches!(self, Self::Unreachable | Self::AllDown | Self::Busy)).unwrap_or(self)
    }

    /// Whether no backend serves the request, through no fault of its own.
    pub(super) const fn is_unavailability(self) -> bool {
        matches!(self, Self::AllDown | Self::Unreachable | Self::Broken | Self::TooLate | Self::Busy)
    }

    /// The response as problem details. `http1` is whether the client speaks HTTP/1.x, where a connection can be told to
    /// close.
    pub(super) fn into_response(self, request_id: Option<&HeaderValue>, http1: bool) -> Response<ResponseBody> {
        self.voiced(None, request_id, http1)
    }

    /// The response in the voice of its pool; none before a pool was found.
    pub(super) fn voiced(
        self,
        voice: Option<&Voice<'_>>,
        request_id: Option<&HeaderValue>,
        http1: bool,
    ) -> Response<ResponseBody> {
        let id = request_id.and_then(|id| id.to_str().ok());
        let plain = Said::plainly(self);
        let said = voice.map_or(plain, |voice| voice.say(self, id.unwrap_or_default()));
        let (content_type, body) = said
            .body
            .unwrap_or_else(|| (HeaderValue::from_static("application/problem+json"), self.problem(said.status, id)));
        let mut response = Response::new(ResponseBody::full(body));
        response.status = said.status;
        let fields = &mut response.fields;
        fields.append(CONTENT_TYPE, content_type);
        if let Some(after) = said.retry_after {
            // Whole seconds (RFC 9110, section 10.2.3), and none too early.
            fields.append(RETRY_AFTER, HeaderValue::from(after.as_secs_f64().ceil() as u64));
        }
        if said.status == StatusCode::UNAUTHORIZED {
            // RFC 6750, section 3: a request without a token is told no error.
            let challenge = match self {
                Self::Token(TokenFault::Missing) => "Bearer",
                _ => "Bearer error=\"invalid_token\"",
            };
            fields.append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self == Self::Method {
            fields
                .append(http::header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        }
        if self == Self::WebSocketVersion {
            // RFC 6455, section 4.2.2; RFC 9110, section 15.5.22.
            fields.append(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            fields.append(UPGRADE, HeaderValue::from_static("websocket"));
        }
        if http1 && self.closes() {
            fields.append(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(id) = request_id {
            fields.add(Known::XRequestId, id.clone());
        }
        response
    }

    fn problem(self, status: StatusCode, request_id: Option<&str>) -> Bytes {
        let problem = Problem {
            r#type: &format!("urn:botgate:problem:{}", self.as_str()),
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.detail(),
            request_id,
        };
        serde_json::to_vec(&problem).unwrap_or_default().into()
    }
}

/// The response to an HTTP/1 request whose head was not let pass, as bytes: nothing that makes responses ever sees it. The
/// connection ends with it.
pub fn refused_head(fault: Fault) -> Bytes {
    let refusal = Refusal::Malformed(fault);
    let (status, body) = (refusal.status(), refusal.problem(refusal.status(), None));
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&jiff::Timestamp::now());
    let date = date.map(|date| format!("date: {date}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} {}\r\n{date}content-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len(),
    );
    [head.as_bytes(), &body].concat().into()
}
