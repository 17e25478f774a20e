//! What a question-answering service answers: QnA Maker and custom question answering, each in its own shapes. No I/O.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::answers::{error, json};
use super::service::Service;
use crate::upstream::unescaped;

/// Why there is no answer. Boxed: it is rare, and larger than what it stands beside.
type Refused = Box<Response<Full<Bytes>>>;

/// QnA Maker's answer: `POST /qnamaker/knowledgebases/{kb}/generateAnswer`.
pub(super) fn generate_answer(service: &Service, headers: &HeaderMap, kb: &str, body: &[u8]) -> Response<Full<Bytes>> {
    let identity = &service.identity;
    let key = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
    let key = key.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("EndpointKey")).map(|(_, key)| key.trim());
    let asked = match (key, &identity.key) {
        (Some(key), Some(own)) if key != own => Err(refused(
            StatusCode::UNAUTHORIZED,
            "Unauthorized",
            "Authorization failed: the endpoint key is not valid",
        )),
        // A service that wants no key of its own takes what custom question answering is sent, too.
        (None, None) if subscription_key(headers).is_some() => Ok(()),
        (None | Some(""), _) => Err(refused(StatusCode::UNAUTHORIZED, "Unauthorized", NO_KEY)),
        (Some(_), _) => Ok(()),
    };
    let asked = asked.and_then(|()| match &identity.kb {
        Some(own) if kb != own => Err(refused(StatusCode::NOT_FOUND, "KbNotFound", "The knowledge base was not found")),
        _ => question(body),
    });
    answered(asked, |question| {
        json!({
            "activeLearningEnabled": false,
            "answers": [{
                "questions": [question],
                "answer": said(service, question),
                "score": 92.5,
                "id": 1,
                "source": "simulated.tsv",
                "isDocumentText": false,
                "metadata": [],
                "context": { "isContextOnly": false, "prompts": [] },
            }],
        })
    })
}

/// Custom question answering's answer: `POST /language/:query-knowledgebases`.
pub(super) fn query_knowledge_bases(
    service: &Service,
    headers: &HeaderMap,
    query: Option<&str>,
    body: &[u8],
) -> Response<Full<Bytes>> {
    let given = |name: &str| {
        let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
            .map(|(_, value)| value)
    };
    for name in ["projectName", "deploymentName", "api-version"] {
        if given(name).is_none() {
            return error(StatusCode::BAD_REQUEST, &format!("the query parameter `{name}` is missing"));
        }
    }
    let identity = &service.identity;
    let key = match (subscription_key(headers), &identity.key) {
        (Some(key), Some(own)) if key != own => Err(refused(StatusCode::UNAUTHORIZED, "401", WRONG_KEY)),
        (None, None) if headers.contains_key(AUTHORIZATION) => Ok(()),
        (None, _) => Err(refused(StatusCode::UNAUTHORIZED, "401", WRONG_KEY)),
        (Some(_), _) => Ok(()),
    };
    let is_own = |name: &str, own: &Option<String>| match (own, given(name)) {
        (Some(own), Some(asked)) => *unescaped(asked) == *own.as_bytes(),
        _ => true,
    };
    let asked = key.and_then(|()| {
        if !is_own("projectName", &identity.project) {
            return Err(refused(StatusCode::NOT_FOUND, "ProjectNotFound", "The specified project was not found."));
        }
        if !is_own("deploymentName", &identity.deployment) {
            return Err(refused(StatusCode::NOT_FOUND, "NotFound", "The specified deployment was not found."));
        }
        question(body)
    });
    answered(asked, |question| {
        json!({
            "answers": [{
                "questions": [question],
                "answer": said(service, question),
                "confidenceScore": 0.925,
                "id": 1,
                "source": "simulated.tsv",
                "metadata": {},
                "dialog": { "isContextOnly": false, "prompts": [] },
            }],
        })
    })
}

const NO_KEY: &str = "no key: send `Authorization: EndpointKey K` or `Ocp-Apim-Subscription-Key: K`";

/// As Azure's API management says it.
const WRONG_KEY: &str = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid \
    key for an active subscription and use a correct regional API endpoint for your resource.";

fn said(service: &Service, question: &str) -> String {
    format!("{}: the answer to '{question}'", service.region)
}

fn answered(asked: Result<String, Refused>, answer: impl FnOnce(&str) -> Value) -> Response<Full<Bytes>> {
    match asked {
        Ok(question) => json(StatusCode::OK, &answer(&question)),
        Err(refused) => *refused,
    }
}

fn refused(status: StatusCode, code: &str, message: &str) -> Refused {
    Box::new(json(status, &json!({ "error": { "code": code, "message": message } })))
}

fn subscription_key(headers: &HeaderMap) -> Option<&str> {
    headers.get("ocp-apim-subscription-key").and_then(|value| value.to_str().ok()).filter(|key| !key.is_empty())
}

/// The question that a body asks.
fn question(body: &[u8]) -> Result<String, Refused> {
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    match parsed.as_ref().map(|value| value.get("question").and_then(Value::as_str)) {
        Ok(Some(question)) => Ok(question.to_owned()),
        Ok(None) => Err(Box::new(error(StatusCode::BAD_REQUEST, "the body has no `question`"))),
        Err(e) => Err(Box::new(error(StatusCode::BAD_REQUEST, &format!("the body is not JSON: {e}")))),
    }
}
