//! Drills: start, stop, report, list.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::actor::Actor;
use super::bodies::{OrderBody, Told, clean, wanted};
use super::problem::Problem;
use super::state::AdminState;
use crate::config::parse_duration;
use crate::control::{Command, DrillCommand, DrillOrder, drill_markdown};
use crate::model::{BackendName, DrillReport, PoolName, Window};

/// How long control may take: it answers once the pool has moved.
const PATIENCE: Duration = Duration::from_secs(5);
/// Reports that a list holds.
const LISTED: usize = 200;

/// What is to be rehearsed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillBody {
    /// The pool.
    #[schema(example = "bot-api")]
    pub pool: String,
    /// The backend to move to; left out: the best that is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// For how long, as in the config; left out: as the config says.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    #[schema(example = "10m")]
    pub lasts: Option<String>,
    /// Once, at the next opening of this UTC window; left out: now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Wed 03:00-04:00")]
    pub when: Option<String>,
    /// Why, in the operator's words; at most 500 characters. Wanted.
    #[schema(max_length = 500, example = "before the autumn patches")]
    #[serde(default)]
    pub reason: String,
}

/// Begin a drill, or plan one: answered once the pool has moved, or the drill is planned.
///
/// One drill at a time, over all pools. The report goes on at `/api/v1/drills/{id}`.
#[utoipa::path(post, path = "/api/v1/drills", operation_id = "start_drill", tag = "drills", request_body = DrillBody,
    responses(
        (status = 200, description = "It is under way, or planned", body = DrillReport),
        (status = 404, description = "No such pool or backend", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It cannot begin as things stand", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The body is not understood", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Control does not answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn start(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
    Json(body): Json<DrillBody>,
) -> Result<Json<DrillReport>, Problem> {
    let bad =
        |key: &str, why: String| Problem::of_status(StatusCode::UNPROCESSABLE_ENTITY, format!("\"{key}\": {why}"));
    let lasts = body.lasts.as_deref().map(parse_duration).transpose().map_err(|why| bad("for", why))?;
    let window = body.when.as_deref().map(str::parse::<Window>).transpose();
    let order = DrillOrder {
        pool: PoolName::from(body.pool.as_str()),
        to: body.to.as_deref().map(BackendName::from),
        lasts,
        window: window.map_err(|error| bad("when", error.to_string()))?,
        by: actor.to_string(),
        reason: wanted(body.reason, "drill")?,
    };
    let report = state.ask(PATIENCE, |reply| Command::Drill(DrillCommand::Start(order, reply))).await?;
    Ok(Json(report))
}

/// End a drill, or call a planned one off: answered once the pool has moved back.
#[utoipa::path(post, path = "/api/v1/drills/{id}/stop", operation_id = "stop_drill", tag = "drills",
    params(("id" = String, Path, description = "The name of the drill")),
    request_body(content = Option<OrderBody>, description = "Why; may be left out"),
    responses(
        (status = 200, description = "The report by then", body = DrillReport),
        (status = 409, description = "It is neither under way nor planned", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Control does not answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn stop(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    Told(body): Told<OrderBody>,
) -> Result<Json<DrillReport>, Problem> {
    let reason = clean(body.reason)?;
    let by = actor.to_string();
    let stop = |reply| Command::Drill(DrillCommand::Stop { id, by, reason, reply });
    Ok(Json(state.ask(PATIENCE, stop).await?))
}

/// The latest drills, newest first: those that ended, the one that is under way, those that are planned.
#[utoipa::path(get, path = "/api/v1/drills", operation_id = "list_drills", tag = "drills",
    responses(
        (status = 200, description = "Their reports", body = Vec<DrillReport>),
        (status = 503, description = "Control does not answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(state): State<AdminState>) -> Result<Json<Vec<DrillReport>>, Problem> {
    let list = |reply| Command::Drill(DrillCommand::List(LISTED, reply));
    Ok(Json(state.ask(PATIENCE, list).await?))
}

/// How a report is written.
#[derive(Debug, Deserialize)]
pub(super) struct Format {
    format: Option<String>,
}

/// The report of a drill; `latest` is the one that was begun or planned last.
///
/// As JSON, or as Markdown: `?format=markdown`, or `Accept: text/markdown`.
#[utoipa::path(get, path = "/api/v1/drills/{id}", operation_id = "drill_report", tag = "drills",
    params(
        ("id" = String, Path, description = "The name of the drill, or `latest`"),
        ("format" = Option<String>, Query, description = "`json` or `markdown`")),
    responses(
        (status = 200, description = "The report", body = DrillReport),
        (status = 404, description = "No such drill", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Control does not answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn report(
    State(state): State<AdminState>,
    Path(id): Path<String>,
    Query(Format { format }): Query<Format>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = Some(id.clone()).filter(|id| id != "latest");
    let found = state.ask(PATIENCE, |reply| Command::Drill(DrillCommand::Find(wanted, reply))).await?;
    let unknown = || {
        let detail = match id.as_str() {
            "latest" => "there was no drill yet, and none is planned".to_owned(),
            _ => format!("there is no drill {id:?}; `botgate drill list` (GET /api/v1/drills) lists them"),
        };
        Problem::of_status(StatusCode::NOT_FOUND, detail)
    };
    let report = found.ok_or_else(unknown)?;
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let markdown = match format.as_deref() {
        Some(format) => format == "markdown",
        None => accepts.contains("text/markdown") && !accepts.contains("application/json"),
    };
    Ok(match markdown {
        true => ([(CONTENT_TYPE, "text/markdown; charset=utf-8")], drill_markdown(&report)).into_response(),
        false => Json(report).into_response(),
    })
}
