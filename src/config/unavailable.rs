//! What it means: what clients are told when no backend serves them.

use super::findings::Place;
use super::raw_unavailable::{RawBody, RawUnavailable};
use super::resolve::Outside;
use super::types_unavailable::{UnavailableBody, UnavailableConfig, is_json};
use super::values;
use crate::model::PoolKind;

/// Longest body: it is sent to every client at once, at the worst of times.
const LONGEST: usize = 64 * 1024;

const MESSAGE: &str = "This is not available at the moment. Please try again in a minute.";

/// The answer of a pool.
pub(super) fn validate(
    place: &Place<'_>,
    raw: Option<&RawUnavailable>,
    kind: PoolKind,
    outside: &Outside<'_>,
) -> UnavailableConfig {
    let none = RawUnavailable::default();
    let raw = raw.unwrap_or(&none);
    let status = raw.status.and_then(|status| u16::try_from(status).ok());
    if let Some(status) = status.filter(|status| *status < 400 && kind == PoolKind::Bot) {
        let hint = "503: a channel that can resend does";
        place.key("status").warning(format!("{status} tells a channel that its activity was delivered"), hint);
    }
    let retry = raw.retry_after.as_ref().and_then(|raw| place.key("retry_after").take(values::duration(&raw.0)));
    UnavailableConfig {
        status,
        retry_after: retry,
        message: raw.message.clone().unwrap_or_else(|| MESSAGE.to_owned()),
        body: body(place, raw, kind, outside),
    }
}

fn body(place: &Place<'_>, raw: &RawUnavailable, kind: PoolKind, outside: &Outside<'_>) -> Option<UnavailableBody> {
    let Some(body) = &raw.body else {
        if raw.content_type.is_some() {
            place.key("content_type").error("there is no `body` of this type", "give a `body`, or leave it out");
        }
        return None;
    };
    let written = raw.content_type.as_deref().unwrap_or("application/json");
    let named = written.split_once('/').is_some_and(|(kind, rest)| !kind.trim().is_empty() && !rest.trim().is_empty());
    let content_type = http::HeaderValue::from_str(written).ok().filter(|_| named);
    if content_type.is_none() {
        place.key("content_type").error(format!("{written:?} is no media type"), "\"text/html; charset=utf-8\"");
    }
    let at = place.key("body");
    let text = match body {
        RawBody::Text(text) => text.clone(),
        RawBody::File(named) => outside.text(&at.key("file"), named.file.as_ref()?)?,
    };
    if text.len() > LONGEST {
        at.error(format!("{} bytes are too many", text.len()), "at most 64 KiB");
    }
    let body = UnavailableBody { content_type: content_type?, text };
    let json = is_json(&written.to_ascii_lowercase());
    if json && let Err(error) = serde_json::from_str::<serde_json::Value>(&body.filled("id", "pool")) {
        at.error(format!("this is no JSON: {error}"), "content_type = \"text/plain; charset=utf-8\" for plain text");
    }
    if kind == PoolKind::QuestionAnswering && !json {
        let hint = "content_type = \"application/json\": the SDKs parse every answer as JSON, whatever its status";
        place.key("content_type").warning("clients of question answering cannot read it", hint);
    }
    Some(body)
}
