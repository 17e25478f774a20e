//! A probe that speaks to a bot: a message that nobody wrote, whose reply stands in the response.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::{AGENT, BODY, MARK, Signature, unexpected};
use crate::config::{ActivityProbe, BackendConfig, Expected, ReplyCheck};
use crate::control::exchange::{self, Answer, Question};
use crate::control::parity::pointed;
use crate::model::Utc;
use crate::upstream::Dialed;

/// Says something to a bot, and listens to its reply.
pub(super) async fn ask(
    dialed: Dialed,
    backend: &BackendConfig,
    probe: &ActivityProbe,
    signature: Signature,
) -> Result<(), String> {
    let body = Bytes::from(activity(probe).to_string());
    let mut headers = vec![
        (CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
        (MARK, HeaderValue::from_static("activity")),
    ];
    if let Signature::By(token) = signature {
        headers.push((AUTHORIZATION, token));
    }
    headers.extend(probe.headers.iter().cloned());
    let (method, path) = (&Method::POST, probe.path.as_str());
    let question = Question { backend, method, path, headers: &headers, body: Some(&body), agent: AGENT };
    judge(exchange::ask(dialed, &question).await?, probe).await
}

/// The message. Its id is new each time: a bot that remembers ids would ignore it otherwise.
fn activity(probe: &ActivityProbe) -> Value {
    json!({
        "type": "message",
        "id": format!("botgate-probe-{:032x}", fastrand::u128(..)),
        "timestamp": Utc::now().to_string(),
        "channelId": probe.channel_id,
        "serviceUrl": probe.service_url,
        "from": { "id": probe.from, "role": "user" },
        "recipient": { "id": probe.recipient, "role": "bot" },
        "conversation": { "id": probe.conversation },
        "deliveryMode": "expectReplies",
        "text": probe.text,
        "channelData": { "botgate": { "probe": true } },
    })
}

async fn judge(mut response: Answer, probe: &ActivityProbe) -> Result<(), String> {
    let status = response.status().as_u16();
    if !probe.status.contains(status) {
        return Err(unexpected(status, &probe.status));
    }
    let Some(check) = &probe.reply else { return Ok(()) };
    let (body, _) = exchange::body(&mut response, BODY).await?;
    heard(check, &body)
}

fn heard(ReplyCheck { pointer, expects }: &ReplyCheck, body: &[u8]) -> Result<(), String> {
    let json: Value = serde_json::from_slice(body).map_err(|error| format!("the reply is no JSON: {error}"))?;
    let found = pointed(&json, pointer).ok_or_else(|| format!("the reply has nothing at {pointer}"))?;
    let does = |value: &Value| match expects {
        Expected::Contains(text) => value.as_str().is_some_and(|said| said.contains(text.as_str())),
        Expected::Equals(wanted) => value == wanted,
    };
    let among =
        || pointer.split('/').any(|token| token == "*") && found.as_array().is_some_and(|all| all.iter().any(does));
    if does(&found) || among() {
        return Ok(());
    }
    Err(match expects {
        Expected::Contains(text) => format!("{pointer} in the reply does not contain {text:?}"),
        Expected::Equals(wanted) => format!("{pointer} in the reply is not {wanted}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pointer: &str, expects: Expected) -> ReplyCheck {
        ReplyCheck { pointer: pointer.into(), expects }
    }

    #[test]
    fn a_reply_is_looked_into_where_the_config_says() {
        let body = br#"{"activities":[{"type":"typing"},{"type":"message","text":"hello, botgate probe"}]}"#;
        let contains = |text: &str| Expected::Contains(text.into());
        for (check, good) in [
            (check("/activities/1/text", contains("botgate probe")), true),
            (check("/activities/1/text", contains("bye")), false),
            (check("/activities/0/text", contains("botgate")), false),
            (check("/activities/*/text", contains("botgate probe")), true),
            (check("/activities/*/text", contains("bye")), false),
            (check("/activities/0/type", Expected::Equals(json!("typing"))), true),
            (check("/activities/*/type", Expected::Equals(json!("message"))), true),
            (check("/activities/0/type", Expected::Equals(json!("message"))), false),
        ] {
            assert_eq!(heard(&check, body).is_ok(), good, "{check:?}");
        }
        let said = heard(&check("/activities/0/text", contains("x")), b"secret words").unwrap_err();
        assert!(said.starts_with("the reply is no JSON: ") && !said.contains("secret"), "{said}");
    }
}
