//! The connections of one worker: no lock, no other thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;

use super::Sender;
use super::TlsClient;
use crate::model::{BackendId, Moment};

/// Unused HTTP/1.1 connections kept for one backend by one worker; past it the oldest go.
const MOST_IDLE: usize = 512;

/// Connections to all backends that this worker may use again.
///
/// HTTP/1.1 connections are lent, one request at a time, the one used last first, so that a burst's surplus ages out.
/// HTTP/2 connections stay here and are shared.
#[derive(Debug)]
pub struct Connections<B> {
    backends: RefCell<HashMap<BackendId, Kept<B>>>,
}

#[derive(Debug)]
struct Kept<B> {
    idle: Vec<Connection<B>>,
    shared: Vec<Connection<B>>,
}

impl<B> Default for Kept<B> {
    fn default() -> Self {
        Self { idle: Vec::new(), shared: Vec::new() }
    }
}

#[derive(Debug)]
struct Connection<B> {
    sender: Sender<B>,
    origin: Origin,
    used: Moment,
}

/// Where connections to a backend must lead, and by which rules they must have been made: others are used no more.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    /// The backend.
    pub backend: BackendId,
    /// Its addresses now.
    pub addresses: &'a [SocketAddr],
    /// TLS to it; none for plain HTTP.
    pub tls: Option<&'a TlsClient>,
}

/// How a connection was made.
#[derive(Clone, Debug)]
struct Origin {
    peer: SocketAddr,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Reach<'_> {
    fn covers(&self, origin: &Origin) -> bool {
        let same_tls = match (self.tls, &origin.tls) {
            (None, None) => true,
            (Some(now), Some(then)) => Arc::ptr_eq(&now.config, then),
            _ => false,
        };
        same_tls && self.addresses.contains(&origin.peer)
    }
}

/// A connection lent to one request.
#[derive(Debug)]
pub struct Lease<B> {
    /// Sends the request.
    pub sender: Sender<B>,
    /// Whether it carried a request before: then its failure may only mean that the backend had closed it.
    pub reused: bool,
    origin: Origin,
    backend: BackendId,
    home: Weak<Connections<B>>,
}

impl<B> Connections<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// No connections yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self { backends: RefCell::default() })
    }

    /// An open connection within `reach` that can take a request now.
    pub fn take(self: &Rc<Self>, reach: Reach<'_>) -> Option<Lease<B>> {
        let mut backends = self.backends.borrow_mut();
        let kept = backends.get_mut(&reach.backend)?;
        let (backend, home) = (reach.backend, Rc::downgrade(self));
        let lease = |sender, origin| Lease { sender, reused: true, origin, backend, home };
        let mut cx = Context::from_waker(Waker::noop());
        let mut shared = kept.shared.iter().rev().filter(|it| reach.covers(&it.origin));
        if let Some((sender, origin)) = shared.find_map(|it| Some((it.sender.share()?, it.origin.clone()))) {
            return Some(lease(sender, origin));
        }
        let mut busy = Vec::new();
        let mut found = None;
        while let Some(mut connection) = kept.idle.pop() {
            if !reach.covers(&connection.origin) {
                continue;
            }
            match connection.sender.poll_ready(&mut cx) {
                Poll::Ready(Ok(())) => {
                    found = Some(connection);
                    break;
                }
                // Closed by the backend.
                Poll::Ready(Err(_)) => {}
                // Given back a moment ago: its task has yet to see the end of the last response.
                Poll::Pending => busy.push(connection),
            }
        }
        kept.idle.append(&mut busy);
        found.map(|connection: Connection<B>| lease(connection.sender, connection.origin))
    }

    /// Lends a connection that was just dialed; an HTTP/2 one is shared from now on.
    pub fn adopt(self: &Rc<Self>, reach: Reach<'_>, peer: SocketAddr, sender: Sender<B>, now: Moment) -> Lease<B> {
        let (backend, home) = (reach.backend, Rc::downgrade(self));
        let origin = Origin { peer, tls: reach.tls.map(|tls| tls.config.clone()) };
        let kept_as = origin.clone();
        let lease = |sender| Lease { sender, reused: false, origin, backend, home };
        match sender.share() {
            Some(share) => {
                let mut backends = self.backends.borrow_mut();
                let kept = backends.entry(backend).or_default();
                kept.shared.push(Connection { sender, origin: kept_as, used: now });
                lease(share)
            }
            None => lease(sender),
        }
    }

    /// Closes what is closed already, unused for longer than a backend's `keep_alive`, or out of its reach. `rules` gives
    /// both for a backend; none: it is gone.
    pub fn prune<'a>(&self, now: Moment, rules: impl Fn(BackendId) -> Option<(Duration, Reach<'a>)>) {
        self.backends.borrow_mut().retain(|backend, kept| {
            let Some((keep_alive, reach)) = rules(*backend) else { return false };
            let fresh = |it: &Connection<B>| {
                reach.covers(&it.origin) && !it.sender.is_closed() && now.since(it.used) < keep_alive
            };
            kept.idle.retain(fresh);
            for connection in &mut kept.shared {
                if !connection.sender.is_unused() {
                    connection.used = now;
                }
            }
            kept.shared.retain(fresh);
            true
        });
    }

    /// How many connections are kept for a backend.
    pub fn kept(&self, backend: BackendId) -> usize {
        self.backends.borrow().get(&backend).map_or(0, |kept| kept.idle.len() + kept.shared.len())
    }
}

impl<B> Lease<B> {
    /// Gives the connection back after its response has ended. Only when both bodies were read and written to their end:
    /// otherwise drop the lease, which closes an HTTP/1.1 connection.
    pub fn give_back(self, now: Moment) {
        let Some(home) = self.home.upgrade() else { return };
        if self.sender.is_http2() || self.sender.is_closed() {
            return;
        }
        let mut backends = home.backends.borrow_mut();
        let idle = &mut backends.entry(self.backend).or_default().idle;
        if idle.len() >= MOST_IDLE {
            idle.remove(0);
        }
        idle.push(Connection { sender: self.sender, origin: self.origin, used: now });
    }
}
