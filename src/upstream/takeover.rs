//! A connection for a request whose worker has none: a sibling's, or a new one, whichever is there first.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connections::{Connection, Connections, Lease};
use super::dial::DialError;
use super::dials::Way;
use super::open::{Opening, open};
use super::reach::Made;
use super::sender::Sender;
use super::siblings::{Ask, Handed};
use crate::model::{BackendId, Moment};

/// A sibling that is not busy answers in a fraction of this. What it takes longer is not waited for alone.
const PATIENCE: Duration = Duration::from_millis(2);

/// A connection that was used within this is kept from a sibling that has others: it may be wanted here again.
const AT_REST: Duration = Duration::from_millis(100);

/// How long a request waits for a connection when this machine can open none. By then those that others use have come free,
/// or there are too few.
const PATIENCE_WITH_MACHINE: Duration = Duration::from_millis(500);

/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_millis(5);

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
pub async fn take_over_or_open<B>(
    connections: &Rc<Connections<B>>,
    opening: Opening<'_>,
    want: Want,
    now: impl Fn() -> Moment,
) -> Result<Lease<B>, DialError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Opening { reach, timeout, .. } = opening;
    if want == Want::New {
        return open_in_turn(connections, opening, want, &now).await;
    }
    let error = match ask_or_open(connections, opening, connections.has_none(reach.backend), &now).await {
        Err(error) if error.is_own_want() => error,
        done => return done,
    };
    let end = Instant::now() + PATIENCE_WITH_MACHINE.min(timeout);
    while Instant::now() < end {
        sleep(PAUSE).await;
        if let Some(lease) = connections.take(reach) {
            return Ok(lease);
        }
        match ask_or_open(connections, opening, true, &now).await {
            Err(error) if error.is_own_want() => {}
            done => return done,
        }
    }
    Err(error)
}

/// Asks a sibling that seems to have a connection, and dials where it gives none soon. `any`: see [`Ask`].
async fn ask_or_open<B>(
    connections: &Rc<Connections<B>>,
    opening: Opening<'_>,
    any: bool,
    now: &impl Fn() -> Moment,
) -> Result<Lease<B>, DialError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let open = || open_in_turn(connections, opening, Want::Any, now);
    let Some(mut asked) = connections.seat.ask(opening.reach.backend, any) else { return open().await };
    let welcome = |handed| welcome(connections, opening, handed);
    if let Ok(answer) = timeout(PATIENCE, &mut asked).await {
        return match answer.ok().and_then(welcome) {
            Some(lease) => Ok(lease),
            None => open().await,
        };
    }
    // Dials, while the sibling may still answer.
    let mut opening = std::pin::pin!(open());
    tokio::select! {
        opened = &mut opening => {
            asked.close();
            // It was on its way: the next request finds it here.
            if let Some(late) = asked.try_recv().ok().and_then(welcome) {
                late.give_back(now());
            }
            opened
        }
        Ok(handed) = &mut asked => match welcome(handed) {
            Some(lease) => Ok(lease),
            None => opening.await,
        },
    }
}

/// Opens a connection when it is its turn, or takes what comes free before.
async fn open_in_turn<B>(
    connections: &Rc<Connections<B>>,
    opening: Opening<'_>,
    want: Want,
    now: &impl Fn() -> Moment,
) -> Result<Lease<B>, DialError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Opening { reach, timeout: within, .. } = opening;
    let late = || DialError::TimedOut(within);
    let end = Instant::now() + within;
    let used = want == Want::Any;
    let turn = loop {
        match timeout_at(end, connections.way(reach.backend, used)).await.map_err(|_| late())? {
            Way::Open(turn) => break turn,
            Way::Lent(mut lease) => {
                if !reach.covers(&lease.made) {
                    lease.sender.hang_up();
                } else if !lease.sender.is_closed() {
                    return Ok(lease);
                }
            }
        }
    };
    // While it waited a connection may have been opened that can be shared.
    if used && let Some(lease) = connections.take(reach) {
        return Ok(lease);
    }
    let timeout = end.saturating_duration_since(Instant::now());
    match open(Opening { timeout, ..opening }).await {
        Ok(opened) => {
            if reach.tls.is_none() {
                turn.linger();
            }
            Ok(connections.adopt(reach.backend, opened, now()))
        }
        Err(DialError::TimedOut(_)) => Err(late()),
        Err(error) => Err(error),
    }
}

/// Lends a connection that a sibling has given, where it leads to where it should and is open.
fn welcome<B>(connections: &Rc<Connections<B>>, opening: Opening<'_>, handed: Handed) -> Option<Lease<B>>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
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

impl<B> Connections<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Whether no connection to a backend is here, neither unused nor lent.
    pub(super) fn has_none(&self, backend: BackendId) -> bool {
        let backends = self.backends.borrow();
        backends
            .get(&backend)
            .is_none_or(|kept| kept.idle.is_empty() && kept.shared.is_empty() && Rc::strong_count(&kept.lent) == 1)
    }

    /// A request's way to a connection, see [`super::dials`].
    pub(super) async fn way(&self, backend: BackendId, used: bool) -> Way<B> {
        let dials = self.backends.borrow_mut().entry(backend).or_default().dials.clone();
        dials.way(self.seat.workers(), used).await
    }

    /// The next question of a sibling. Cancel-safe.
    pub async fn asked(&self) -> Ask {
        self.seat.next().await
    }

    /// Gives a sibling an unused connection, if there is one to give.
    pub fn give(&self, ask: Ask, now: Moment) {
        let Ask { backend, any, reply } = ask;
        let mut backends = self.backends.borrow_mut();
        let Some(kept) = backends.get_mut(&backend) else { return };
        let were = kept.idle.len();
        let rests = |it: &Connection<B>| any || now.since(it.used) >= AT_REST;
        let mut found = None;
        while found.is_none()
            && let Some(at) = kept.idle.iter().rposition(rests)
        {
            let mut connection = kept.idle.remove(at);
            if !connection.sender.is_closed() {
                found = Some(connection);
            }
        }
        self.seat.note(backend, were, kept.idle.len());
        if let Some(Connection { sender, made, .. }) = found
            && let Some(stream) = sender.park()
        {
            // Who has gone meanwhile has it closed.
            let _ = reply.send(Handed { stream, made });
        }
    }

    /// Lends a connection that was just taken over: it had been open before.
    pub(super) fn welcome(self: &Rc<Self>, backend: BackendId, sender: Sender<B>, made: Made) -> Lease<B> {
        let lent = self.backends.borrow_mut().entry(backend).or_default().lent.clone();
        Lease { sender, reused: true, made, backend, home: Rc::downgrade(self), _lent: lent }
    }
}
