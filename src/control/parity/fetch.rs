//! One question of a parity check: asked of one service, over a connection of its own.

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue};
use tokio::time::timeout;

use super::take;
use crate::config::{StatusSet, Take};
use crate::control::exchange::{self, Answer, Question, written};
use crate::control::outside::ParityTarget;
use crate::steering::Sample;
use crate::upstream::{Alpn, dial};

/// Most bytes that are read of an answer.
const BODY: usize = 1 << 20;

/// Asks once, for no longer than the target's timeout. The error says in words why there is no value; it never holds what
/// may be a credential.
pub(in crate::control) async fn fetch(target: ParityTarget) -> Result<Sample, String> {
    let limit = target.timeout;
    timeout(limit, asked(&target)).await.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
}

async fn asked(target: &ParityTarget) -> Result<Sample, String> {
    let request = &target.request;
    let dialed = dial(&target.addresses, target.tls.as_ref(), Alpn::Any, target.timeout).await;
    let dialed = dialed.map_err(|error| error.to_string())?;
    // What is compressed could not be compared, nor bounded by what is read of it.
    let mut headers = vec![(ACCEPT_ENCODING, HeaderValue::from_static("identity"))];
    headers.extend(request.headers.iter().cloned());
    let question = Question {
        backend: &request.service,
        method: &request.method,
        path: &request.path,
        headers: &headers,
        body: request.body.as_ref(),
        agent: concat!("botgate-parity/", env!("CARGO_PKG_VERSION")),
    };
    read(exchange::ask(dialed, &question).await?, &target.take).await
}

async fn read(mut response: Answer, take: &Take) -> Result<Sample, String> {
    let (status, good) = (response.status(), StatusSet(vec![200..=299]));
    if !good.contains(status.as_u16()) {
        let more = if status.is_redirection() { "; redirects are not followed" } else { "" };
        return Err(format!("status {}, expected {}{more}", status.as_u16(), written(&good)));
    }
    if let Take::Header(name) = take {
        return take::of_head(response.headers(), name);
    }
    if let Some(coding) = response.headers().get(CONTENT_ENCODING).filter(|coding| *coding != "identity") {
        return Err(format!("the answer is encoded ({coding:?}), although that was not asked for"));
    }
    let (body, complete) = exchange::body(&mut response, BODY).await?;
    if !complete {
        return Err(format!("the answer is longer than {} MiB", BODY >> 20));
    }
    take::of_body(take, &body)
}
