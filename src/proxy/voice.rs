//! How botgate says that no backend serves a request, so that whoever hears it does the right thing. Pure.
//!
//! | who asks | what is right |
//! |---|---|
//! | a channel with an activity | 503: Teams and e-mail send it again after 15 s without a 2xx, Direct Line tells its client 502 |
//! | a client with an invoke | what it shows to its user: an error of an adaptive card, the message of a dialog or a message extension |
//! | a client of question answering | JSON with `error`: the SDKs parse every answer as JSON, and raise one without `answers` |
//! | anybody else | problem details (RFC 9457), with the status of what happened |

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::refuse::Refusal;
use crate::bot::Facts;
use crate::config::{PoolConfig, UnavailableConfig};
use crate::model::PoolKind;

/// With every 503, unless the config says otherwise.
const RETRY_AFTER: Duration = Duration::from_secs(5);

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// When to come back after an answer with this status, unless anything else is known.
fn usual_pause(status: StatusCode) -> Option<Duration> {
    (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER)
}

/// Whom a refusal is told to.
pub(super) struct Voice<'a> {
    kind: PoolKind,
    pool: &'a str,
    rules: &'a UnavailableConfig,
    /// The name of the invoke that it asks for; none when it asks for none.
    invoke: Option<&'a str>,
}

/// What is said.
pub(super) struct Said {
    pub(super) status: StatusCode,
    /// Media type and body; none: problem details.
    pub(super) body: Option<(HeaderValue, Bytes)>,
    pub(super) retry_after: Option<Duration>,
}

impl Said {
    /// Its status, with problem details and when to come back.
    pub(super) fn plainly(refusal: Refusal) -> Self {
        let status = refusal.status();
        Self { status, body: None, retry_after: refusal.retry_after().or(usual_pause(status)) }
    }
}

impl<'a> Voice<'a> {
    /// For a request to this pool, with what is known of its activity.
    pub(super) fn of(pool: &'a PoolConfig, activity: Option<&'a Facts>) -> Self {
        let invoke = activity.filter(|activity| &*activity.kind == "invoke");
        Self {
            kind: pool.kind,
            pool: pool.name.as_str(),
            rules: &pool.unavailable,
            invoke: invoke.map(|invoke| invoke.name.as_deref().unwrap_or_default()),
        }
    }

    /// What a refusal sounds like.
    pub(super) fn say(&self, refusal: Refusal, request_id: &str) -> Said {
        let answering = self.kind == PoolKind::QuestionAnswering;
        if !refusal.is_unavailability() {
            let status = refusal.status();
            let body = answering.then(|| (JSON, error(status, refusal.detail())));
            return Said { body, ..Said::plainly(refusal) };
        }
        if let Some(shape) = self.invoke.and_then(|name| shape(name, &self.rules.message)) {
            return Said { status: StatusCode::OK, body: Some((JSON, text(&shape))), retry_after: None };
        }
        let preset = if self.kind == PoolKind::Bot { StatusCode::SERVICE_UNAVAILABLE } else { refusal.status() };
        let status = self.rules.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(preset);
        let retry_after = self.rules.retry_after.or(usual_pause(status)).filter(|after| !after.is_zero());
        let body = match &self.rules.body {
            Some(own) => Some((own.content_type.clone(), own.filled(request_id, self.pool).into())),
            None if answering => Some((JSON, error(status, refusal.detail()))),
            None if self.invoke.is_some() => Some((JSON, error(status, &self.rules.message))),
            None => None,
        };
        Said { status, body, retry_after }
    }
}

/// The answer to an invoke whose client has a place where its user can read why nothing happened; all of them are answers
/// with status 200 to who sent the invoke. None where it has no such place.
fn shape(invoke: &str, message: &str) -> Option<Value> {
    match invoke {
        // Adaptive Cards, "Universal Action Model"; `application/search` has the same envelope.
        "adaptiveCard/action" | "application/search" => Some(json!({
            "statusCode": 503,
            "type": "application/vnd.microsoft.error",
            "value": { "code": "ServiceUnavailable", "message": message },
        })),
        // Teams: a dialog that shows a message.
        "task/fetch" | "task/submit" | "composeExtension/fetchTask" | "composeExtension/submitAction" => {
            Some(json!({ "task": { "type": "message", "value": message } }))
        }
        // Teams: a message extension that shows a text in place of its results.
        "composeExtension/query"
        | "composeExtension/selectItem"
        | "composeExtension/queryLink"
        | "composeExtension/anonymousQueryLink" => {
            Some(json!({ "composeExtension": { "type": "message", "text": message } }))
        }
        _ => None,
    }
}

/// An error in the shape that question answering and the bot connector use.
fn error(status: StatusCode, message: &str) -> Bytes {
    let code = status.canonical_reason().unwrap_or("Error").replace([' ', '-'], "");
    text(&json!({ "error": { "code": code, "message": message } }))
}

fn text(value: &Value) -> Bytes {
    value.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UnavailableBody;

    const ALL: [Refusal; 4] = [Refusal::AllDown, Refusal::Unreachable, Refusal::Broken, Refusal::TooLate];
    const WAIT: Duration = Duration::from_millis(1200);

    fn rules() -> UnavailableConfig {
        UnavailableConfig { status: None, retry_after: None, message: "later".into(), body: None }
    }

    fn voice<'a>(kind: PoolKind, rules: &'a UnavailableConfig, invoke: Option<&'a str>) -> Voice<'a> {
        Voice { kind, pool: "bot-api", rules, invoke }
    }

    fn read(said: &Said) -> Value {
        let (_, body) = said.body.as_ref().unwrap();
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn a_bot_is_unavailable_whatever_happened_so_that_its_channel_resends() {
        for refusal in ALL {
            let said = voice(PoolKind::Bot, &rules(), None).say(refusal, "id");
            assert_eq!((said.status.as_u16(), said.retry_after), (503, Some(RETRY_AFTER)), "{refusal:?}");
            assert!(said.body.is_none(), "problem details");
        }
        let said = voice(PoolKind::Bot, &rules(), None).say(Refusal::BodyTooLarge, "id");
        assert_eq!((said.status.as_u16(), said.retry_after), (413, None), "that is nobody's outage");
    }

    #[test]
    fn others_hear_what_happened() {
        let statuses = ALL.map(|refusal| {
            let said = voice(PoolKind::Http, &rules(), None).say(refusal, "id");
            (said.status.as_u16(), said.retry_after.is_some())
        });
        assert_eq!(statuses, [(503, true), (502, false), (502, false), (504, false)]);
    }

    #[test]
    fn an_invoke_is_answered_in_the_shape_that_its_client_shows() {
        for (invoke, pointer) in [
            ("adaptiveCard/action", "/value/message"),
            ("application/search", "/value/message"),
            ("task/fetch", "/task/value"),
            ("composeExtension/submitAction", "/task/value"),
            ("composeExtension/query", "/composeExtension/text"),
        ] {
            let said = voice(PoolKind::Bot, &rules(), Some(invoke)).say(Refusal::AllDown, "id");
            assert_eq!((said.status.as_u16(), said.retry_after), (200, None), "{invoke}");
            assert_eq!(read(&said).pointer(pointer), Some(&json!("later")), "{invoke}");
        }
        let said = voice(PoolKind::Bot, &rules(), Some("signin/verifyState")).say(Refusal::AllDown, "id");
        assert_eq!(said.status.as_u16(), 503);
        assert_eq!(read(&said), json!({"error": {"code": "ServiceUnavailable", "message": "later"}}));
    }

    #[test]
    fn question_answering_hears_nothing_but_json() {
        for (refusal, status, code) in [
            (Refusal::AllDown, 503, "ServiceUnavailable"),
            (Refusal::TooLate, 504, "GatewayTimeout"),
            (Refusal::Broken, 502, "BadGateway"),
            (Refusal::BodyTooLarge, 413, "PayloadTooLarge"),
        ] {
            let said = voice(PoolKind::QuestionAnswering, &rules(), None).say(refusal, "id");
            assert_eq!((said.status.as_u16(), &read(&said)["error"]["code"]), (status, &json!(code)));
        }
    }

    #[test]
    fn what_is_configured_wins_over_what_is_preset_but_not_over_the_shape_of_an_invoke() {
        let body = UnavailableBody { content_type: JSON, text: r#"{"id":"{request_id}","pool":"{pool}"}"#.into() };
        let own =
            UnavailableConfig { status: Some(529), retry_after: Some(Duration::ZERO), body: Some(body), ..rules() };
        for kind in [PoolKind::Http, PoolKind::Bot, PoolKind::QuestionAnswering] {
            for id in ["a\"b", "\"", "a\"", "\\", "{pool}", "{request_id}"] {
                let said = voice(kind, &own, None).say(Refusal::TooLate, id);
                assert_eq!((said.status.as_u16(), said.retry_after), (529, None));
                assert_eq!(read(&said), json!({"id": id, "pool": "bot-api"}));
            }
        }
        let said = voice(PoolKind::Bot, &own, Some("task/fetch")).say(Refusal::TooLate, "id");
        assert_eq!(said.status.as_u16(), 200);
    }

    #[test]
    fn one_that_sends_too_many_hears_when_to_come_back_whatever_is_configured_for_outages() {
        let own = UnavailableConfig { status: Some(529), retry_after: Some(Duration::ZERO), ..rules() };
        for kind in [PoolKind::Http, PoolKind::Bot, PoolKind::QuestionAnswering] {
            let said = voice(kind, &own, Some("task/fetch")).say(Refusal::TooMany(WAIT), "id");
            assert_eq!((said.status.as_u16(), said.retry_after), (429, Some(WAIT)), "{kind:?}");
            assert_eq!(voice(kind, &rules(), None).say(Refusal::Busy, "id").retry_after, Some(RETRY_AFTER));
        }
    }

    #[test]
    fn a_request_id_is_no_markup() {
        let html = HeaderValue::from_static("text/html");
        let body = UnavailableBody { content_type: html, text: "<p>{request_id}</p>".into() };
        assert_eq!(body.filled("<script>", "p"), "<p>&lt;script&gt;</p>");
    }
}
