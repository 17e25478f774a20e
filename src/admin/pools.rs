//! The pools, as control sees them.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};

use super::problem::Problem;
use super::shared::{PoolPath, PoolProblems};
use super::state::AdminState;
use crate::control::{Command, ControlError};
use crate::model::{ExplainView, PoolName, PoolView};

/// How long control may take to describe the pools.
const PATIENCE: Duration = Duration::from_secs(5);

/// All pools, in order of the config.
#[utoipa::path(get, path = "/api/v1/pools", tag = "pools",
    responses(
        (status = 200, description = "The pools", body = Vec<PoolView>),
        (status = 503, description = "Control does not answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn pools(State(state): State<AdminState>) -> Result<Json<Vec<PoolView>>, Problem> {
    Ok(Json(state.ask(PATIENCE, Command::Pools).await?))
}

/// One pool.
#[utoipa::path(get, path = "/api/v1/pools/{pool}", tag = "pools", params(PoolPath),
    responses((status = 200, description = "The pool", body = PoolView), PoolProblems))]
pub(super) async fn pool(
    State(state): State<AdminState>,
    Path(PoolPath { pool: name }): Path<PoolPath>,
) -> Result<Json<PoolView>, Problem> {
    let mut pools = state.ask(PATIENCE, Command::Pools).await?;
    match pools.iter().position(|pool| pool.name.as_str() == name) {
        Some(at) => Ok(Json(pools.swap_remove(at))),
        None => {
            let known = pools.iter().map(|pool| pool.name.to_string()).collect();
            Err(ControlError::UnknownPool { name, known }.into())
        }
    }
}

/// Why one pool is as it is, what would make it move, and what to do, in sentences.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/explain", tag = "pools", params(PoolPath),
    responses((status = 200, description = "The explanation", body = ExplainView), PoolProblems))]
pub(super) async fn explain(
    State(state): State<AdminState>,
    Path(PoolPath { pool }): Path<PoolPath>,
) -> Result<Json<ExplainView>, Problem> {
    let pool = PoolName::from(pool.as_str());
    Ok(Json(state.ask(PATIENCE, |reply| Command::Explain { pool, reply }).await?))
}
