//! A connection for a request whose worker has none: a sibling's, or a new one, whichever is there first.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::connections::{Connection, Connections, Lease};
use super::dial::DialError;
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
const WANT: Duration = Duration::from_millis(500);

/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_millis(5);

/// A connection that nobody uses: that of a sibling where one has any, else a new one. Where this machine lacks what a new one
/// takes, requests share what stands open, one after the other.
///
/// # Errors
/// [`DialError`].
pub async fn take_over_or_open<B>(
    connections: &Rc<Connections<B>>,
    opening: Opening<'_>,
    now: impl Fn() -> Moment,
) -> Result<Lease<B>, DialError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Opening { reach, timeout, .. } = opening;
    let error = match try_once(connections, opening, connections.has_none(reach.backend), &now).await {
        Err(error) if error.is_own_want() => error,
        done => return done,
    };
    let end = Instant::now() + WANT.min(timeout);
    while Instant::now() < end {
        sleep(PAUSE).await;
        if let Some(lease) = connections.take(reach) {
            return Ok(lease);
        }
        match try_once(connections, opening, true, &now).await {
            Err(error) if error.is_own_want() => {}
            done => return done,
        }
    }
    Err(error)
}

/// Asks a sibling that seems to have a connection, and dials where it gives none soon. `any`: see [`Ask`].
async fn try_once<B>(
    connections: &Rc<Connections<B>>,
    opening: Opening<'_>,
    any: bool,
    now: &impl Fn() -> Moment,
) -> Result<Lease<B>, DialError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let backend = opening.reach.backend;
    let Some(mut asked) = connections.seat.ask(backend, any) else {
        return Ok(connections.adopt(backend, open(opening).await?, now()));
    };
    let welcome = |handed| welcome(connections, opening, handed);
    match timeout(PATIENCE, &mut asked).await {
        Ok(answer) => match answer.ok().and_then(welcome) {
            Some(lease) => Ok(lease),
            None => Ok(connections.adopt(backend, open(opening).await?, now())),
        },
        Err(_) => race(connections, opening, asked, now).await,
    }
}

/// Dials, while a sibling may still answer.
async fn race<B>(
    connections: &Rc<Connections<B>>,
    opening: Opening<'_>,
    mut asked: oneshot::Receiver<Handed>,
    now: &impl Fn() -> Moment,
) -> Result<Lease<B>, DialError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let backend = opening.reach.backend;
    let welcome = |handed| welcome(connections, opening, handed);
    let mut dialing = std::pin::pin!(open(opening));
    let opened = tokio::select! {
        opened = &mut dialing => {
            asked.close();
            // It was on its way: the next request finds it here.
            if let Some(late) = asked.try_recv().ok().and_then(welcome) {
                late.give_back(now());
            }
            opened?
        }
        Ok(handed) = &mut asked => match welcome(handed) {
            Some(lease) => return Ok(lease),
            None => dialing.await?,
        },
    };
    Ok(connections.adopt(backend, opened, now()))
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
