//! An operator's orders.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;

use super::actor::Actor;
use super::bodies::{FailbackBody, FailoverBody, OrderBody, PinBody, Told, clean, wanted};
use super::problem::{Kind, Problem, problem_response};
use super::shared::{BackendPath, OrderProblems, PoolPath, Refusal};
use super::state::AdminState;
use crate::config::parse_duration;
use crate::control::{Action, Command, ControlError, PoolOrder};
use crate::model::{BackendName, OrderView, PoolName};

/// How long control may take to carry out an order. It answers after 2 s at the latest, when a slow disk keeps the
/// journal from saying that the order is durable; this leaves it time to be busy before.
const PATIENCE: Duration = Duration::from_secs(5);

/// Move a pool away from its active backend; from then on only an operator moves it back.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/failover", tag = "orders", params(PoolPath),
    request_body(content = FailoverBody, description = "Where to and why"),
    responses((status = 200, description = "What was done, and the pool afterwards", body = OrderView), OrderProblems))]
pub(super) async fn failover(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
    Path(PoolPath { pool }): Path<PoolPath>,
    Told(body): Told<FailoverBody>,
) -> Result<Response, Problem> {
    let reason = wanted(body.reason, "failover")?;
    let to = body.to.as_deref().map(BackendName::from);
    give(&state, &pool, Action::Failover { to }, &actor, reason, body.force).await
}

/// Move a pool back to its first priority; releases a latch, ends a drill.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/failback", tag = "orders", params(PoolPath),
    request_body(content = FailbackBody, description = "Why"),
    responses((status = 200, description = "What was done, and the pool afterwards", body = OrderView), OrderProblems))]
pub(super) async fn failback(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
    Path(PoolPath { pool }): Path<PoolPath>,
    Told(body): Told<FailbackBody>,
) -> Result<Response, Problem> {
    let reason = wanted(body.reason, "failback")?;
    give(&state, &pool, Action::Failback, &actor, reason, body.force).await
}

/// Hold a backend active, whatever happens to it, for a time or until it is released.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/pin", tag = "orders", params(PoolPath),
    request_body(content = PinBody, description = "Which backend, for how long, and why"),
    responses((status = 200, description = "What was done, and the pool afterwards", body = OrderView), OrderProblems))]
pub(super) async fn pin(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
    Path(PoolPath { pool }): Path<PoolPath>,
    Told(body): Told<PinBody>,
) -> Result<Response, Problem> {
    let reason = wanted(body.reason, "pin")?;
    let bad = |detail: String| Problem::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail);
    if body.backend.is_empty() {
        return Err(bad("a pin wants the backend to hold active: send \"backend\"".into()));
    }
    let lasts = body.lasts.as_deref().map(parse_duration).transpose().map_err(|why| bad(format!("\"for\": {why}")))?;
    if lasts.is_some_and(|lasts| lasts.is_zero()) {
        return Err(bad("\"for\": a pin of no length holds nothing; leave it out to pin until released".into()));
    }
    let backend = BackendName::from(body.backend.as_str());
    let action = Action::Pin { backend, lasts, yield_when_down: body.yield_when_down };
    give(&state, &pool, action, &actor, reason, body.force).await
}

/// Release a pin, or else a latch; the hold of a failback starts anew.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/unpin", tag = "orders", params(PoolPath),
    request_body(content = Option<OrderBody>, description = "Why; may be left out"),
    responses((status = 200, description = "What was done, and the pool afterwards", body = OrderView), OrderProblems))]
pub(super) async fn unpin(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
    Path(PoolPath { pool }): Path<PoolPath>,
    Told(body): Told<OrderBody>,
) -> Result<Response, Problem> {
    give(&state, &pool, Action::Unpin, &actor, clean(body.reason)?, body.force).await
}

/// Take a backend out: no new request goes to it, those under way end.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/backends/{backend}/drain", tag = "orders", params(BackendPath),
    request_body(content = Option<OrderBody>, description = "Why; may be left out"),
    responses((status = 200, description = "What was done, and the pool afterwards", body = OrderView), OrderProblems))]
pub(super) async fn drain(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
    Path(BackendPath { pool, backend }): Path<BackendPath>,
    Told(body): Told<OrderBody>,
) -> Result<Response, Problem> {
    let action = Action::Drain { backend: backend.as_str().into() };
    give(&state, &pool, action, &actor, clean(body.reason)?, body.force).await
}

/// Put a drained backend back.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/backends/{backend}/resume", tag = "orders", params(BackendPath),
    request_body(content = Option<OrderBody>, description = "Why; may be left out"),
    responses((status = 200, description = "What was done, and the pool afterwards", body = OrderView), OrderProblems))]
pub(super) async fn resume(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
    Path(BackendPath { pool, backend }): Path<BackendPath>,
    Told(body): Told<OrderBody>,
) -> Result<Response, Problem> {
    let action = Action::Resume { backend: backend.as_str().into() };
    give(&state, &pool, action, &actor, clean(body.reason)?, body.force).await
}

async fn give(
    state: &AdminState,
    pool: &str,
    what: Action,
    actor: &Actor,
    reason: Option<String>,
    force: bool,
) -> Result<Response, Problem> {
    let (pool, by) = (PoolName::from(pool), actor.to_string());
    let order = |reply| Command::Order(PoolOrder { pool, what, by, reason, force, reply });
    let answer: Result<OrderView, ControlError> = state.try_ask(PATIENCE, order).await?;
    match answer {
        Ok(view) => Ok(Json(view).into_response()),
        Err(ControlError::Refused { reasons, forcible }) => {
            let problem = Problem::new(Kind::OrderRefused, reasons.join("; "));
            Ok(problem_response(problem.status, &Refusal { problem, reasons, forcible }))
        }
        Err(error) => Err(error.into()),
    }
}
