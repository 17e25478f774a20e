//! A probe that asks a question with a known answer, by the identity that the backend itself is asked by.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::{AGENT, BODY, MARK, unexpected};
use crate::config::{BackendConfig, QuestionConfig, QuestionProbe, StatusSet};
use crate::control::exchange::{self, Answer, Question};
use crate::upstream::{Dialed, escaped};

/// What custom question answering calls the deployment that is in use, unless told otherwise.
const DEPLOYMENT: &str = "production";

/// Asks, and judges the answer.
pub(super) async fn ask(dialed: Dialed, backend: &BackendConfig, probe: &QuestionProbe) -> Result<(), String> {
    let body = Bytes::from(json!({ "question": probe.question, "top": 1 }).to_string());
    let mut headers = vec![
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (MARK, HeaderValue::from_static("question")),
    ];
    headers.extend(probe.headers.iter().cloned());
    let path = probe.path.clone().unwrap_or_else(|| path(&backend.question));
    let method = &Method::POST;
    let question = Question { backend, method, path: &path, headers: &headers, body: Some(&body), agent: AGENT };
    judge(exchange::ask(dialed, &question).await?, probe).await
}

/// Where a service is asked.
fn path(identity: &QuestionConfig) -> String {
    match (&identity.kb, &identity.project) {
        (Some(kb), _) => format!("/qnamaker/knowledgebases/{}/generateAnswer", escaped(kb)),
        (None, project) => {
            let deployment = identity.deployment.as_deref().unwrap_or(DEPLOYMENT);
            let project = escaped(project.as_deref().unwrap_or_default());
            let names = format!("projectName={project}&deploymentName={}", escaped(deployment));
            format!("/language/:query-knowledgebases?{names}&api-version=2021-10-01")
        }
    }
}

async fn judge(mut response: Answer, probe: &QuestionProbe) -> Result<(), String> {
    let (status, good) = (response.status().as_u16(), StatusSet(vec![200..=299]));
    let (body, _) = exchange::body(&mut response, BODY).await?;
    if !good.contains(status) {
        return Err(format!("{}{}", unexpected(status, &good), code(&body)));
    }
    answered(probe, &body)
}

/// The code of a service's error, which says what its status does not: a wrong key, an unknown project.
fn code(body: &[u8]) -> String {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = json.pointer("/error/code").and_then(Value::as_str).unwrap_or_default();
    let plain = (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { format!(" ({code})") } else { String::new() }
}

fn answered(probe: &QuestionProbe, body: &[u8]) -> Result<(), String> {
    let json: Value = serde_json::from_slice(body).map_err(|error| format!("the answer is no JSON: {error}"))?;
    let first = json.pointer("/answers/0").ok_or("the response has no answer")?;
    let text = first.get("answer").and_then(Value::as_str).unwrap_or_default();
    if !text.contains(probe.contains.as_str()) {
        return Err(format!("the answer to {:?} does not contain {:?}", probe.question, probe.contains));
    }
    let Some(least) = probe.min_score else { return Ok(()) };
    // QnA Maker scores from 0 to 100, custom question answering from 0 to 1.
    let score = first.get("score").and_then(Value::as_f64);
    let score = score.or_else(|| Some(first.get("confidenceScore")?.as_f64()? * 100.0));
    match score {
        Some(score) if score >= least => Ok(()),
        Some(score) => Err(format!("the answer scores {score:.1}, expected {least} at least")),
        None => Err("the answer has no score".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(min_score: Option<f64>) -> QuestionProbe {
        let (question, contains) = ("When are you open?".to_owned(), "9 to 5".to_owned());
        QuestionProbe { question, contains, min_score, path: None, headers: vec![] }
    }

    #[test]
    fn an_answer_must_hold_the_text_and_reach_the_score_of_either_service() {
        for (body, least, good) in [
            (r#"{"answers":[{"answer":"From 9 to 5.","score":61.5}]}"#, Some(60.0), true),
            (r#"{"answers":[{"answer":"From 9 to 5.","score":59.9}]}"#, Some(60.0), false),
            (r#"{"answers":[{"answer":"From 9 to 5.","confidenceScore":0.61}]}"#, Some(60.0), true),
            (r#"{"answers":[{"answer":"From 9 to 5.","confidenceScore":0.59}]}"#, Some(60.0), false),
            (r#"{"answers":[{"answer":"From 9 to 5."}]}"#, None, true),
            (r#"{"answers":[{"answer":"From 9 to 5."}]}"#, Some(1.0), false),
            (r#"{"answers":[{"answer":"No good match found in KB.","score":0,"id":-1}]}"#, None, false),
            (r#"{"answers":[]}"#, None, false),
            ("<html>", None, false),
        ] {
            assert_eq!(answered(&probe(least), body.as_bytes()).is_ok(), good, "{body}");
        }
    }

    #[test]
    fn a_service_is_asked_by_its_own_identity() {
        let own = |text: &str| Some(text.to_owned());
        let maker = QuestionConfig { kb: own("2f8c"), project: own("p"), ..Default::default() };
        assert_eq!(path(&maker), "/qnamaker/knowledgebases/2f8c/generateAnswer");
        let custom = QuestionConfig { project: own("faq weu"), ..Default::default() };
        let wanted = "projectName=faq%20weu&deploymentName=production&api-version=2021-10-01";
        assert_eq!(path(&custom), format!("/language/:query-knowledgebases?{wanted}"));
    }

    #[test]
    fn the_code_of_an_error_is_told_and_nothing_else_of_it() {
        assert_eq!(code(br#"{"error":{"code":"ProjectNotFound","message":"hunter2"}}"#), " (ProjectNotFound)");
        assert_eq!(code(br#"{"error":{"code":"a b hunter2"}}"#), "");
        assert_eq!(code(b"<html>"), "");
    }
}
