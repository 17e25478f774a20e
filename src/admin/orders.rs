//! An operator's orders about one backend.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::actor::Actor;
use super::problem::{Kind, Problem};
use super::state::AdminState;
use crate::control::{Action, Command, PoolOrder};
use crate::model::{BackendName, OrderView, PoolName};

/// How long control may take to carry out an order.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// What comes with an order.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderBody {
    /// Why, in the operator's words; at most 500 characters.
    #[schema(max_length = 500, example = "kernel update in West Europe")]
    pub reason: Option<String>,
    /// Whether it is to be done although something speaks against it.
    #[serde(default)]
    pub force: bool,
}

/// Take a backend out: no new request goes to it, those under way end.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/backends/{backend}/drain", tag = "orders",
    params(("pool" = String, Path, description = "The name of the pool"), ("backend" = String, Path, description = "The name of the backend")),
    request_body(content = Option<OrderBody>, description = "Why; may be left out"),
    responses(
        (status = 200, description = "The pool afterwards", body = OrderView),
        (status = 404, description = "No such pool or backend", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It cannot be done as things stand", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The body is not understood", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Control does not answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn drain(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
    Path(target): Path<(String, String)>,
    body: Option<Json<OrderBody>>,
) -> Result<Json<OrderView>, Problem> {
    give(&state, |backend| Action::Drain { backend }, &actor, target, body).await
}

/// Put a drained backend back.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/backends/{backend}/resume", tag = "orders",
    params(("pool" = String, Path, description = "The name of the pool"), ("backend" = String, Path, description = "The name of the backend")),
    request_body(content = Option<OrderBody>, description = "Why; may be left out"),
    responses(
        (status = 200, description = "The pool afterwards", body = OrderView),
        (status = 404, description = "No such pool or backend", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It cannot be done as things stand", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The body is not understood", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Control does not answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn resume(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
    Path(target): Path<(String, String)>,
    body: Option<Json<OrderBody>>,
) -> Result<Json<OrderView>, Problem> {
    give(&state, |backend| Action::Resume { backend }, &actor, target, body).await
}

async fn give(
    state: &AdminState,
    action: fn(BackendName) -> Action,
    actor: &Actor,
    (pool, backend): (String, String),
    body: Option<Json<OrderBody>>,
) -> Result<Json<OrderView>, Problem> {
    let Json(body) = body.unwrap_or_default();
    let (reason, force) = (clean(body.reason)?, body.force);
    let (pool, backend) = (PoolName::from(pool.as_str()), BackendName::from(backend.as_str()));
    let by = actor.to_string();
    let what = action(backend);
    let order = |reply| Command::Order(PoolOrder { pool, what, by, reason, force, reply });
    let view = state.ask(PATIENCE, order).await?;
    Ok(Json(view))
}

/// The reason on one line, none when it says nothing.
pub(super) fn clean(reason: Option<String>) -> Result<Option<String>, Problem> {
    let Some(reason) = reason else { return Ok(None) };
    let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let reason = reason.trim();
    match reason.chars().count() {
        0 => Ok(None),
        length if length > LONGEST_REASON => {
            let detail = format!("the reason has {length} characters; at most {LONGEST_REASON} are kept");
            Err(Problem::new(Kind::ReasonTooLong, detail))
        }
        _ => Ok(Some(reason.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_and_not_endless() {
        assert_eq!(clean(Some(" a\nb ".into())).unwrap().as_deref(), Some("a b"));
        assert_eq!(clean(Some(" \n ".into())).unwrap(), None);
        assert_eq!(clean(Some("ä".repeat(500))).unwrap().map(|reason| reason.len()), Some(1000));
        assert_eq!(clean(Some("x".repeat(501))).unwrap_err().status, 422);
    }
}
