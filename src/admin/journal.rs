//! The journal, as it can be asked.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;
use super::state::AdminState;
use crate::control::Command;
use crate::model::{JournalEntry, JournalQuery, PoolName, Utc};

/// How long the journal may take: a large one on a slow disk is read from its end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Entries of an answer when none are asked for.
const USUAL: usize = 100;
/// Most entries of an answer.
const MOST: usize = 1_000;

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalParams {
    /// Of this pool only; one that the config no longer has may still have entries
    pool: Option<String>,
    /// At most so many, 1 to 1000; 100 when left out
    limit: Option<usize>,
    /// Older than the entry of this id only: the way to the next page
    before: Option<i64>,
    /// Not older than this time (RFC 3339)
    since: Option<Utc>,
}

/// The journal: every decision and what it was made from, newest first.
///
/// The next page is asked for with `before` set to the `id` of the last entry of this one.
#[utoipa::path(get, path = "/api/v1/journal", tag = "journal", params(JournalParams),
    responses(
        (status = 200, description = "The entries, newest first; empty when there are none", body = Vec<JournalEntry>),
        (status = 400, description = "A parameter is not understood", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The journal cannot be read, or control does not answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn journal(
    State(state): State<AdminState>,
    Query(params): Query<JournalParams>,
) -> Result<Json<Vec<JournalEntry>>, Problem> {
    let JournalParams { pool, limit, before, since } = params;
    let limit = limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        let detail = format!("limit={limit}: ask for 1 to {MOST} entries, and page on with `before`");
        return Err(Problem::of_status(StatusCode::BAD_REQUEST, detail));
    }
    let query = JournalQuery { pool: pool.as_deref().map(PoolName::from), before, since, limit };
    Ok(Json(state.ask(PATIENCE, |reply| Command::Journal(query, reply)).await?))
}
