//! What the workers of this process give each other: connections that one has and does not use.

use std::rc::Rc;
use std::time::Duration;

use super::connections::{Connection, Connections, Lease};
use super::reach::Made;
use super::request_body::RequestBody;
use super::sender::Sender;
use super::siblings::{Ask, Handed};
use crate::model::{BackendId, Moment};

/// A connection that was used within this is kept from a sibling that has others: it may be wanted here again.
const AT_REST: Duration = Duration::from_millis(100);

impl<B: RequestBody> Connections<B> {
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
