//! What healthy services answer. No I/O.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::json;

use super::ServiceKind;
use crate::bot::{Activity, DeliveryMode};

/// A JSON response.
pub(super) fn json<T: Serialize + ?Sized>(status: StatusCode, body: &T) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(serde_json::to_vec(body).unwrap_or_default().into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An error in the shape that question answering and the bot connector use.
pub(super) fn error(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let code = status.canonical_reason().unwrap_or("Error").replace([' ', '-'], "");
    json(status, &json!({ "error": { "code": code, "message": message } }))
}

pub(super) fn healthy(region: &str, kind: ServiceKind) -> Response<Full<Bytes>> {
    json(StatusCode::OK, &json!({ "status": "healthy", "region": region, "service": kind.as_str() }))
}

/// The SHA-256 of a body, in hexadecimal; none should it ever not fit into a header.
pub(super) fn digest(body: &[u8]) -> Option<HeaderValue> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
    let mut hex = String::with_capacity(2 * digest.as_ref().len());
    for byte in digest.as_ref() {
        write!(hex, "{byte:02x}").ok()?;
    }
    HeaderValue::try_from(hex).ok()
}

#[derive(Serialize)]
struct Replies<'a> {
    activities: &'a [ReplyActivity<'a>],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReplyActivity<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
    input_hint: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<ReplyConversation<'a>>,
}

#[derive(Serialize)]
struct ReplyConversation<'a> {
    id: &'a str,
}

/// An echo bot's answer to a posted activity.
pub(super) fn activity(region: &str, body: &[u8]) -> Response<Full<Bytes>> {
    let activity = match Activity::parse(body) {
        Ok(activity) => activity,
        Err(e) => return error(StatusCode::BAD_REQUEST, &format!("the body is not an activity: {}", e.as_str())),
    };
    if activity.kind == "invoke" {
        return json(StatusCode::OK, &json!({ "region": region, "invoked": activity.name }));
    }
    if activity.delivery_mode != DeliveryMode::ExpectReplies {
        return Response::new(Full::default());
    }
    let reply = ReplyActivity {
        kind: "message",
        text: format!("{region}: you said '{}'", activity.text.as_deref().unwrap_or_default()),
        input_hint: "acceptingInput",
        reply_to_id: activity.id.as_deref(),
        channel_id: activity.channel_id.as_deref(),
        conversation: activity.conversation_id.as_deref().map(|id| ReplyConversation { id }),
    };
    let replies = std::slice::from_ref(&reply);
    json(StatusCode::OK, &Replies { activities: if activity.kind == "message" { replies } else { &[] } })
}
