//! What healthy services answer. No I/O.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::{Value, json};

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

/// QnA Maker's answer: `POST /qnamaker/knowledgebases/{kb}/generateAnswer`.
pub(super) fn generate_answer(region: &str, headers: &HeaderMap, body: &[u8]) -> Response<Full<Bytes>> {
    let question = match question(headers, body) {
        Ok(question) => question,
        Err(refusal) => return *refusal,
    };
    let answer = json!({
        "activeLearningEnabled": false,
        "answers": [{
            "questions": [question],
            "answer": format!("{region}: the answer to '{question}'"),
            "score": 92.5,
            "id": 1,
            "source": "simulated.tsv",
            "isDocumentText": false,
            "metadata": [],
            "context": { "isContextOnly": false, "prompts": [] },
        }],
    });
    json(StatusCode::OK, &answer)
}

/// Custom question answering's answer: `POST /language/:query-knowledgebases`.
pub(super) fn query_knowledge_bases(
    region: &str,
    headers: &HeaderMap,
    query: Option<&str>,
    body: &[u8],
) -> Response<Full<Bytes>> {
    for name in ["projectName", "deploymentName", "api-version"] {
        let names = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        if !names.into_iter().any(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty()) {
            return error(StatusCode::BAD_REQUEST, &format!("the query parameter `{name}` is missing"));
        }
    }
    let question = match question(headers, body) {
        Ok(question) => question,
        Err(refusal) => return *refusal,
    };
    let answer = json!({
        "answers": [{
            "questions": [question],
            "answer": format!("{region}: the answer to '{question}'"),
            "confidenceScore": 0.925,
            "id": 1,
            "source": "simulated.tsv",
            "metadata": {},
            "dialog": { "isContextOnly": false, "prompts": [] },
        }],
    });
    json(StatusCode::OK, &answer)
}

/// The question, when the caller shows some key and asks one.
fn question(headers: &HeaderMap, body: &[u8]) -> Result<String, Box<Response<Full<Bytes>>>> {
    let endpoint_key = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value
            .split_once(' ')
            .is_some_and(|(scheme, key)| scheme.eq_ignore_ascii_case("EndpointKey") && !key.trim().is_empty())
    });
    let subscription_key = headers.get("ocp-apim-subscription-key").is_some_and(|value| !value.is_empty());
    if !endpoint_key && !subscription_key {
        let why = "no key: send `Authorization: EndpointKey K` or `Ocp-Apim-Subscription-Key: K`";
        return Err(Box::new(error(StatusCode::UNAUTHORIZED, why)));
    }
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    match parsed.as_ref().map(|value| value.get("question").and_then(Value::as_str)) {
        Ok(Some(question)) => Ok(question.to_owned()),
        Ok(None) => Err(Box::new(error(StatusCode::BAD_REQUEST, "the body has no `question`"))),
        Err(e) => Err(Box::new(error(StatusCode::BAD_REQUEST, &format!("the body is not JSON: {e}")))),
    }
}
