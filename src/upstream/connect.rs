//! A connection for a request whose worker has none: a sibling's, one that comes free, or a new one.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::connections::{Connections, Lease};
use super::dial::DialError;
use super::dials::{Dials, Way};
use super::open::{Opening, open};
use super::request_body::RequestBody;
use super::sender::Sender;
use super::siblings::Handed;
use crate::model::{BackendId, Moment};

/// A sibling that is not busy answers in a fraction of this. What it takes longer is not waited for alone.
const PATIENCE: Duration = Duration::from_millis(2);

/// When this machine can open no connection a request waits for one that others use, and looks after each of these pauses, in
/// milliseconds. By the last of them some have come free, or there are too few.
const PAUSES: [u64; 7] = [5, 10, 20, 40, 80, 160, 200];

/// What will do for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Any connection.
    Any,
    /// One that was just opened.
    New,
}

/// A connection that nobody uses: that of a sibling where one has any, else a new one. Where this machine lacks what a new one
/// takes, requests share what stands open, one after the other.
///
/// # Errors
/// [`DialError`].
pub async fn take_over_or_open<B: RequestBody>(
    connections: &Rc<Connections<B>>,
    opening: Opening<'_>,
    want: Want,
    now: impl Fn() -> Moment,
) -> Result<Lease<B>, DialError> {
    let backend = opening.reach.backend;
    if want == Want::New {
        return open_in_turn(connections, opening, want, &now).await;
    }
    let mut error = match ask_or_open(connections, opening, connections.has_none(backend), &now).await {
        Err(error) if error.is_own_want() => error,
        done => return done,
    };
    for pause in PAUSES {
        sleep(Duration::from_millis(pause)).await;
        error = match ask_or_open(connections, opening, true, &now).await {
            Err(error) if error.is_own_want() => error,
            done => return done,
        };
    }
    Err(error)
}

/// Asks a sibling that seems to have a connection, and dials where it gives none soon. `any`: see [`Ask`].
async fn ask_or_open<B: RequestBody>(
    connections: &Rc<Connections<B>>,
    opening: Opening<'_>,
    any: bool,
    now: &impl Fn() -> Moment,
) -> Result<Lease<B>, DialError> {
    let open_one = || open_in_turn(connections, opening, Want::Any, now);
    let Some(mut asked) = connections.seat.ask(opening.reach.backend, any) else { return open_one().await };
    let welcome = |handed| welcome(connections, opening, handed);
    if let Ok(answer) = timeout(PATIENCE, &mut asked).await {
        return match answer.ok().and_then(welcome) {
            Some(lease) => Ok(lease),
            None => open_one().await,
        };
    }
    // Dials, while the sibling may still answer.
    let mut opened = std::pin::pin!(open_one());
    tokio::select! {
        biased;
        opened = &mut opened => {
            asked.close();
            // It was on its way: the next request finds it here.
            if let Some(late) = asked.try_recv().ok().and_then(welcome) {
                late.give_back(now());
            }
            opened
        }
        Ok(handed) = &mut asked => match welcome(handed) {
            Some(lease) => Ok(lease),
            None => opened.await,
        },
    }
}

/// Opens a connection when it is its turn, or takes what comes free before.
async fn open_in_turn<B: RequestBody>(
    connections: &Rc<Connections<B>>,
    opening: Opening<'_>,
    want: Want,
    now: &impl Fn() -> Moment,
) -> Result<Lease<B>, DialError> {
    let reach = opening.reach;
    let dials = connections.dials(reach.backend);
    let kept = || if want == Want::Any { connections.take(reach) } else { None };
    // What came free since it was looked for.
    if let Some(lease) = kept() {
        return Ok(lease);
    }
    while let Way::Lent(mut lease) = dials.way(want).await {
        if !reach.covers(&lease.made) {
            lease.sender.hang_up();
        } else if !lease.sender.is_closed() {
            return Ok(lease);
        }
    }
    // While it waited one may have been opened that can be shared.
    if let Some(lease) = kept() {
        dials.unused();
        return Ok(lease);
    }
    match open(opening).await {
        Ok(opened) => Ok(connections.adopt(reach.backend, opened, now())),
        Err(error) => {
            // Nothing of it is left in the backend's queue.
            if matches!(error, DialError::Connect { .. }) {
                dials.unused();
            }
            Err(error)
        }
    }
}

/// Lends a connection that a sibling has given, where it leads to where it should and is open.
fn welcome<B: RequestBody>(connections: &Rc<Connections<B>>, opening: Opening<'_>, handed: Handed) -> Option<Lease<B>> {
    let Opening { reach, stats, worker, .. } = opening;
    let Handed { stream, made } = handed;
    let mut sender = Sender::land(stream, stats.clone(), worker)?;
    if !reach.covers(&made) {
        sender.hang_up();
        return None;
    }
    if sender.is_closed() {
        return None;
    }
    stats.cells.of(worker).taken_over.increment();
    Some(connections.welcome(reach.backend, sender, made))
}

impl<B: RequestBody> Connections<B> {
    /// Whether no connection to a backend is here, neither unused nor lent.
    pub(super) fn has_none(&self, backend: BackendId) -> bool {
        let backends = self.backends.borrow();
        backends
            .get(&backend)
            .is_none_or(|kept| kept.idle.is_empty() && kept.shared.is_empty() && Rc::strong_count(&kept.lent) == 1)
    }

    /// The dials to a backend.
    pub(super) fn dials(&self, backend: BackendId) -> Rc<Dials<B>> {
        let mut backends = self.backends.borrow_mut();
        backends.entry(backend).or_default().dials.get_or_insert_with(|| Dials::new(self.seat.workers())).clone()
    }
}
