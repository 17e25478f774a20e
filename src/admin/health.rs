//! What orchestrators and Prometheus ask.

use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;

use super::actor::Actor;
use super::problem::{Kind, Problem};
use super::state::AdminState;
use crate::control::Command;

/// How long `/readyz` waits for control: less than the usual timeout of a readiness probe.
const PATIENCE: Duration = Duration::from_millis(900);

/// The good answer of a health check.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ok {
    /// Always `ok`: anything else is a problem document.
    #[schema(example = "ok")]
    status: &'static str,
    /// What does not work as it should although traffic is served, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trouble: Vec<String>,
}

/// Whether the process lives.
///
/// Asks nothing of control, and nothing of backends: a restart would not cure them. It fails only when every worker is
/// stuck or dead: then nobody is served, and a restart helps.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()),
    responses(
        (status = 200, description = "The process lives", body = Ok),
        (status = 503, description = "No worker is left that serves: restart it", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn healthz(State(state): State<AdminState>) -> Result<Json<Ok>, Problem> {
    match &state.hearts {
        Some(hearts) if !hearts.serve() => Err(Problem::new(Kind::Unwell, hearts.trouble().join("; "))),
        _ => Result::Ok(Json(Ok { status: "ok", trouble: Vec::new() })),
    }
}

/// Whether botgate should get traffic.
///
/// Turns green after the first round of probes, and stays green when backends go down later: what to do then is the
/// business of steering, not of the balancer in front. What does not work as it should is told to who proves to be allowed to
/// look.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()),
    responses(
        (status = 200, description = "It should", body = Ok),
        (status = 503, description = "Not yet, control does not answer, or a thread that serves is stuck or dead", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn readyz(
    State(state): State<AdminState>,
    actor: Option<Extension<Actor>>,
) -> Result<Json<Ok>, Problem> {
    let ill = state.hearts.as_ref().map(|hearts| hearts.trouble()).unwrap_or_default();
    if !ill.is_empty() {
        return Err(Problem::new(Kind::Unwell, ill.join("; ")));
    }
    let readiness = state.ask(PATIENCE, Command::Ready).await?;
    if readiness.ready {
        // It names pools, issuers and files: not for strangers.
        let trouble = if actor.is_some() { readiness.trouble } else { Vec::new() };
        Result::Ok(Json(Ok { status: "ok", trouble }))
    } else {
        let detail = "the first round of probes is not over; ask again in a moment";
        Err(Problem::new(Kind::NotReady, detail))
    }
}

/// The metrics, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "metrics",
    responses((status = 200, description = "All metrics", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(state): State<AdminState>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (state.render)())
}
