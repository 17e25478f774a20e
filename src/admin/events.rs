//! Every decision of steering as it is taken, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Serialize;
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
    let decisions = state.control.events();
    stream(&state, decisions)
}

/// Something whose items go out as events.
pub(super) trait Feed: Send + 'static {
    /// The name of each event.
    const NAME: &'static str;
    /// What each event holds, as JSON.
    type Item: Serialize;

    /// The next item. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Self::Item, RecvError>> + Send;
}

impl Feed for Receiver<DecisionView> {
    const NAME: &'static str = "decision";
    type Item = DecisionView;

    async fn next(&mut self) -> Result<DecisionView, RecvError> {
        self.recv().await
    }
}

/// A stream of what the feed brings, while fewer than [`MAX_SUBSCRIBERS`] are open.
pub(super) fn stream<F: Feed>(state: &AdminState, feed: F) -> Result<impl IntoResponse + use<F>, Problem> {
    let permit = Arc::clone(&state.subscribers).try_acquire_owned().map_err(|_| {
        let detail = format!("{MAX_SUBSCRIBERS} event streams are open, and no more are served; close one");
        Problem::new(Kind::TooManySubscribers, detail)
    })?;
    let subscriber = Subscriber { feed, shutdown: state.shutdown.clone(), _permit: permit };
    Ok(Sse::new(stream_of(subscriber)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Subscriber<F> {
    feed: F,
    shutdown: CancellationToken,
    /// Given back when the stream is dropped.
    _permit: OwnedSemaphorePermit,
}

fn stream_of<F: Feed>(subscriber: Subscriber<F>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(subscriber, |mut subscriber| async move {
        let received = tokio::select! {
            () = subscriber.shutdown.cancelled() => return None,
            received = subscriber.feed.next() => received,
        };
        let event = match received {
            Ok(item) => Event::default().event(F::NAME).json_data(&item).ok()?,
            Err(RecvError::Lagged(missed)) => Event::default().event("lagged").data(missed.to_string()),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), subscriber))
    })
}
