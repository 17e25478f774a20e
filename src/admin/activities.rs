//! Every activity as it is answered, as server-sent events.

use axum::Extension;
use axum::extract::State;
use axum::response::IntoResponse;

use super::actor::Actor;
use super::events::{self, Feed};
use super::problem::Problem;
use super::state::AdminState;
use crate::model::ActivityView;
use crate::telemetry::Watching;

/// The activities of guarded routes from now on, each at its end: answered, or refused.
///
/// Each event is named `activity` and its data is an activity as JSON, never with a token; what was said only where
/// `admin.activity_text` allows it. A reader that is too slow loses the oldest, and is told how many by an event named
/// `lagged`. Counts among the 32 streams that are served at once.
#[utoipa::path(get, path = "/api/v1/activities", tag = "events",
    responses(
        (status = 200, description = "A stream of activities", body = ActivityView, content_type = "text/event-stream"),
        (status = 503, description = "Too many streams", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn activities(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
) -> Result<impl IntoResponse, Problem> {
    let watching = state.tap.watch();
    events::stream(&state, actor, watching)
}

impl Feed for Watching {
    const NAME: &'static str = "activity";
    type Item = ActivityView;

    async fn next(&mut self) -> Result<ActivityView, tokio::sync::broadcast::error::RecvError> {
        Self::next(self).await
    }
}
