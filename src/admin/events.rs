//! Every decision of steering as it is taken, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::problem::{Kind, Problem};
use super::state::{AdminState, MAX_SUBSCRIBERS};
use crate::model::DecisionView;

/// Shorter than the idle timeouts of the usual intermediaries.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The decisions of steering from now on.
///
/// Each event is named `decision` and its data is a decision as JSON. A comment every 15 s keeps the stream alive. A
/// reader that is too slow loses the oldest, and is told how many by an event named `lagged`. At most 32 streams at once.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    responses(
        (status = 200, description = "A stream of decisions", body = DecisionView, content_type = "text/event-stream"),
        (status = 503, description = "Too many streams", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn events(State(state): State<AdminState>) -> Result<impl IntoResponse, Problem> {
    let permit = Arc::clone(&state.subscribers).try_acquire_owned().map_err(|_| {
        let detail = format!("{MAX_SUBSCRIBERS} event streams are open, and no more are served; close one");
        Problem::new(Kind::TooManySubscribers, detail)
    })?;
    let subscriber = Subscriber { events: state.control.events(), shutdown: state.shutdown, _permit: permit };
    Ok(Sse::new(stream_of(subscriber)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Subscriber {
    events: Receiver<DecisionView>,
    shutdown: CancellationToken,
    /// Given back when the stream is dropped.
    _permit: OwnedSemaphorePermit,
}

fn stream_of(subscriber: Subscriber) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(subscriber, |mut subscriber| async move {
        let received = tokio::select! {
            () = subscriber.shutdown.cancelled() => return None,
            received = subscriber.events.recv() => received,
        };
        let event = match received {
            Ok(decision) => Event::default().event("decision").json_data(&decision).ok()?,
            Err(RecvError::Lagged(missed)) => Event::default().event("lagged").data(missed.to_string()),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), subscriber))
    })
}
