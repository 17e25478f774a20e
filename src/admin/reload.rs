//! Reading the config again, on request.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::actor::Actor;
use super::problem::{Kind, Problem, problem_response};
use super::state::AdminState;
use crate::control::Command;
use crate::model::ReloadOutcome;

/// A reload reads files and loads certificates: it may take longer than a question.
const PATIENCE: Duration = Duration::from_secs(30);

/// A rejected reload: a problem document that is also a [`ReloadOutcome`] (the members `result` and `errors`).
#[derive(Debug, Serialize, ToSchema)]
pub struct Rejection {
    /// The problem.
    #[serde(flatten)]
    pub problem: Problem,
    /// The outcome: always `rejected`.
    #[serde(flatten)]
    pub outcome: ReloadOutcome,
}

/// Read the config again.
///
/// The journal says of every pool who ordered it. 200 when the new config serves. 409 when it is bad: the request was fine, the file is not; nothing changed.
#[utoipa::path(post, path = "/api/v1/reload", tag = "orders",
    responses(
        (status = 200, description = "Applied", body = ReloadOutcome),
        (status = 409, description = "Rejected: nothing changed", body = Rejection, content_type = "application/problem+json"),
        (status = 503, description = "Control does not answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn reload(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
) -> Result<Response, Problem> {
    let by = Some(actor.to_string());
    let outcome = state.ask(PATIENCE, |reply| Command::Reload(by, reply)).await?;
    Ok(match &outcome {
        ReloadOutcome::Applied { .. } => Json(outcome).into_response(),
        ReloadOutcome::Rejected { errors } => {
            let count = errors.len();
            let noun = if count == 1 { "error" } else { "errors" };
            let detail = format!("the new config has {count} {noun}; the old one goes on serving");
            let problem = Problem::new(Kind::ConfigRejected, detail);
            problem_response(problem.status, &Rejection { problem, outcome })
        }
    })
}
