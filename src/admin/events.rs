//! Every decision of steering as it is taken, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::actor::Actor;
use super::problem::{Kind, Problem};
use super::rules::Standing;
use super::state::{AdminState, MAX_SUBSCRIBERS};
use crate::model::DecisionView;

/// Shorter than the idle timeouts of the usual intermediaries.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The decisions of steering from now on.
///
/// Each event is named `decision` and its data is a decision as JSON. A comment every 15 s keeps the stream alive. A
/// reader that is too slow loses the oldest, and is told how many by an event named `lagged`. When the token or certificate
/// that opened it expires or is taken away, it ends after an event named `closed`. At most 32 streams at once.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    responses(
        (status = 200, description = "A stream of decisions", body = DecisionView, content_type = "text/event-stream"),
        (status = 503, description = "Too many streams", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn events(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
) -> Result<impl IntoResponse, Problem> {
    let decisions = state.control.events();
    stream(&state, actor, decisions)
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

/// A stream of what the feed brings, while fewer than [`MAX_SUBSCRIBERS`] are open and `actor` may read it.
pub(super) fn stream<F: Feed>(
    state: &AdminState,
    actor: Actor,
    feed: F,
) -> Result<impl IntoResponse + use<F>, Problem> {
    let permit = Arc::clone(&state.subscribers).try_acquire_owned().map_err(|_| {
        let detail = format!("{MAX_SUBSCRIBERS} event streams are open, and no more are served; close one");
        Problem::new(Kind::TooManySubscribers, detail)
    })?;
    let standing = Standing::new(actor, &state.guard.rules, state.control.clone());
    let subscriber = Subscriber { feed, standing, over: false, shutdown: state.shutdown.clone(), _permit: permit };
    Ok(Sse::new(stream_of(subscriber)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Subscriber<F> {
    feed: F,
    /// Whether who reads may still do so.
    standing: Standing,
    /// Whether the last event was sent.
    over: bool,
    shutdown: CancellationToken,
    /// Given back when the stream is dropped.
    _permit: OwnedSemaphorePermit,
}

fn stream_of<F: Feed>(subscriber: Subscriber<F>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(subscriber, |mut subscriber| async move {
        if subscriber.over {
            return None;
        }
        let received = tokio::select! {
            // In this order: nothing is told to who may no longer hear it.
            biased;
            () = subscriber.shutdown.cancelled() => return None,
            () = subscriber.standing.lost() => {
                subscriber.over = true;
                let event = Event::default().event("closed").data("what opened this stream is no longer accepted");
                return Some((Ok(event), subscriber));
            }
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
