//! The connections of one worker: no lock, and no other thread but on its own asking.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::dials::Dials;
use super::failure::SendFailure;
use super::floor::Standing;
use super::open::Opened;
use super::outgoing::Outgoing;
use super::reach::{Made, Reach};
use super::request_body::RequestBody;
use super::sender::Sender;
use super::siblings::Seat;
use crate::model::{BackendId, Moment};
use crate::wire::Response;

/// Unused HTTP/1.1 connections kept for one backend by one worker; past it the oldest go.
const MOST_IDLE: usize = 512;

/// Connections to all backends that this worker may use again.
///
/// HTTP/1.1 connections are lent, one request at a time, the one used last first, so that a burst's surplus ages out.
/// HTTP/2 connections stay here and are shared.
#[derive(Debug)]
pub struct Connections<B> {
    pub(super) backends: RefCell<HashMap<BackendId, Kept<B>>>,
    pub(super) seat: Seat,
}

#[derive(Debug)]
pub(super) struct Kept<B> {
    pub(super) idle: Vec<Connection<B>>,
    pub(super) shared: Vec<Connection<B>>,
    /// Each connection that is lent has a clone.
    pub(super) lent: Rc<()>,
    /// Who waits to open one; none has yet.
    pub(super) dials: Option<Rc<Dials<B>>>,
    /// How long the one that lasted longest stood unused, of those found closed by the last [`Connections::prune`].
    ended: Option<Duration>,
}

impl<B> Default for Kept<B> {
    fn default() -> Self {
        Self { idle: Vec::new(), shared: Vec::new(), lent: Rc::new(()), dials: None, ended: None }
    }
}

#[derive(Debug)]
pub(super) struct Connection<B> {
    pub(super) sender: Sender<B>,
    pub(super) made: Made,
    /// When it was opened, or last in use.
    pub(super) used: Moment,
    /// When it was last found open.
    seen: Moment,
}

impl<B> Connection<B> {
    fn new(sender: Sender<B>, made: Made, now: Moment) -> Self {
        Self { sender, made, used: now, seen: now }
    }
}

/// A connection lent to one request.
#[derive(Debug)]
pub struct Lease<B> {
    pub(super) sender: Sender<B>,
    /// Whether it had been open before: then its failure may only mean that the backend had closed it.
    pub reused: bool,
    pub(super) made: Made,
    pub(super) backend: BackendId,
    pub(super) home: Weak<Connections<B>>,
    /// Counts it.
    pub(super) _lent: Rc<()>,
}

impl<B: RequestBody> Connections<B> {
    /// No connections yet; siblings may ask for them at this seat.
    pub fn new(seat: Seat) -> Rc<Self> {
        Rc::new(Self { backends: RefCell::default(), seat })
    }

    /// An open connection within `reach` that can take a request now.
    pub fn take(self: &Rc<Self>, reach: Reach<'_>) -> Option<Lease<B>> {
        let mut backends = self.backends.borrow_mut();
        let kept = backends.get_mut(&reach.backend)?;
        let (backend, home, lent) = (reach.backend, Rc::downgrade(self), kept.lent.clone());
        let lease = |sender, made| Lease { sender, reused: true, made, backend, home, _lent: lent };
        let mut shared = kept.shared.iter().rev().filter(|it| reach.covers(&it.made));
        if let Some((sender, made)) = shared.find_map(|it| Some((it.sender.share()?, it.made.clone()))) {
            return Some(lease(sender, made));
        }
        let were = kept.idle.len();
        let mut found = None;
        while found.is_none()
            && let Some(Connection { mut sender, made, .. }) = kept.idle.pop()
        {
            if !reach.covers(&made) {
                sender.hang_up();
            } else if !sender.is_closed() {
                found = Some((sender, made));
            }
        }
        self.seat.note(backend, were, kept.idle.len());
        found.map(|(sender, made)| lease(sender, made))
    }

    /// Lends a connection that was just opened; an HTTP/2 one is shared from now on.
    pub fn adopt(self: &Rc<Self>, backend: BackendId, opened: Opened<B>, now: Moment) -> Lease<B> {
        let Opened { sender, made } = opened;
        let (home, kept_as) = (Rc::downgrade(self), made.clone());
        let mut backends = self.backends.borrow_mut();
        let kept = backends.entry(backend).or_default();
        let lent = kept.lent.clone();
        let lease = |sender| Lease { sender, reused: false, made, backend, home, _lent: lent };
        match sender.share() {
            Some(share) => {
                kept.shared.push(Connection::new(sender, kept_as, now));
                lease(share)
            }
            None => lease(sender),
        }
    }

    /// Keeps a connection that was just opened and that no request waits for.
    pub fn keep(&self, backend: BackendId, opened: Opened<B>, now: Moment) {
        let Opened { sender, made } = opened;
        let mut backends = self.backends.borrow_mut();
        let kept = backends.entry(backend).or_default();
        let were = kept.idle.len();
        let place = if sender.is_http2() { &mut kept.shared } else { &mut kept.idle };
        place.push(Connection::new(sender, made, now));
        self.seat.note(backend, were, kept.idle.len());
    }

    /// Closes what is closed already, unused for longer than a backend's `keep_alive`, or out of its reach. `rules` gives
    /// both for a backend; none: it is gone.
    pub fn prune<'a>(&self, now: Moment, rules: impl Fn(BackendId) -> Option<(Duration, Reach<'a>)>) {
        self.backends.borrow_mut().retain(|backend, kept| {
            let were = kept.idle.len();
            let Some((keep_alive, reach)) = rules(*backend) else {
                self.seat.note(*backend, were, 0);
                return false;
            };
            for connection in &mut kept.shared {
                if !connection.sender.is_unused() {
                    connection.used = now;
                }
            }
            let mut ended = None;
            let mut fresh = |it: &mut Connection<B>| {
                if it.sender.is_closed() {
                    ended = ended.max(Some(it.seen.since(it.used)));
                    return false;
                }
                it.seen = now;
                let wanted = reach.covers(&it.made) && now.since(it.used) < keep_alive;
                if !wanted {
                    it.sender.hang_up();
                }
                wanted
            };
            kept.idle.retain_mut(&mut fresh);
            kept.shared.retain_mut(&mut fresh);
            kept.ended = ended;
            self.seat.note(*backend, were, kept.idle.len());
            true
        });
    }

    /// What stands open to a backend and unused, as the last [`Connections::prune`] and what came since have left it.
    pub fn standing(&self, backend: BackendId, now: Moment) -> Standing {
        let mut backends = self.backends.borrow_mut();
        let Some(kept) = backends.get_mut(&backend) else { return Standing::default() };
        let shared = !kept.shared.is_empty();
        let all = if shared { &mut kept.shared } else { &mut kept.idle };
        let open = all.iter_mut().filter_map(|it| (!it.sender.is_closed()).then_some(it.used));
        Standing { idle: open.map(|used| now.since(used)).collect(), shared, ended: kept.ended }
    }

    /// Closes what stands unused to a backend for as long as `fresh_for`, but for the one unused longest: its end shows how
    /// long the backend lets one stand.
    pub fn retire(&self, backend: BackendId, fresh_for: Duration, now: Moment) {
        let mut backends = self.backends.borrow_mut();
        let Some(kept) = backends.get_mut(&backend) else { return };
        let were = kept.idle.len();
        for all in [&mut kept.idle, &mut kept.shared] {
            let unused = |it: &Connection<B>| it.sender.is_unused();
            let oldest = all.iter().filter(|it| unused(it)).map(|it| it.used).min();
            let mut spared = false;
            all.retain_mut(|it| {
                let spare = !spared && Some(it.used) == oldest;
                spared |= spare;
                let wanted = spare || !unused(it) || now.since(it.used) < fresh_for;
                if !wanted {
                    it.sender.hang_up();
                }
                wanted
            });
        }
        self.seat.note(backend, were, kept.idle.len());
    }

    /// How many connections are kept for a backend.
    pub fn kept(&self, backend: BackendId) -> usize {
        self.backends.borrow().get(&backend).map_or(0, |kept| kept.idle.len() + kept.shared.len())
    }
}

impl<B> Lease<B> {
    /// Whether the connection speaks HTTP/2.
    pub const fn is_http2(&self) -> bool {
        self.sender.is_http2()
    }

    /// Gives the connection back after its response has ended.
    pub(super) fn give_back(mut self, now: Moment) {
        let Some(home) = self.home.upgrade() else { return };
        if !self.sender.settle() {
            return;
        }
        let mut backends = home.backends.borrow_mut();
        let Kept { idle, dials, .. } = backends.entry(self.backend).or_default();
        self.reused = true;
        let lease = match dials {
            Some(dials) => dials.lend(self),
            None => Some(self),
        };
        let Some(lease) = lease else { return };
        let were = idle.len();
        if idle.len() >= MOST_IDLE {
            idle.remove(0).sender.hang_up();
        }
        let Lease { sender, made, backend, .. } = lease;
        idle.push(Connection::new(sender, made, now));
        home.seat.note(backend, were, idle.len());
    }
}

impl<B: RequestBody> Lease<B> {
    /// Sends a request and waits for the head of its response, whose body has the connection from then on.
    ///
    /// # Errors
    /// [`SendFailure`], which says whether the backend can have acted on it.
    pub fn send(
        mut self,
        request: Outgoing<'_, B>,
    ) -> impl Future<Output = Result<Response<super::Body<B>>, SendFailure>> + use<B> {
        // Begun here: the future that waits is moved, and the request need not be.
        let sent = self.sender.begin(request);
        async move {
            let (head, incoming) = self.sender.answer(sent).await?;
            Ok(head.map(|()| super::Body::new(self, incoming)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::pin::pin;
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::FutureExt;
    use http_body_util::Empty;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::LocalSet;

    use super::super::{Alpn, Opening, Want, open, take_over_or_open};
    use super::*;
    use crate::telemetry::{BackendStats, WorkerId};

    const ID: BackendId = BackendId(1);
    const KEPT: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(seconds))
    }

    struct Rig {
        connections: Rc<Connections<Empty<Bytes>>>,
        listener: TcpListener,
        address: SocketAddr,
        accepted: Vec<TcpStream>,
    }

    impl Rig {
        async fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            Self { connections: Connections::new(Seat::alone()), listener, address, accepted: Vec::new() }
        }

        /// Opens a connection and keeps it.
        async fn keep(&mut self, now: Moment) {
            let (addresses, stats) = ([self.address], BackendStats::new(1));
            let (opened, accepted) = tokio::join!(open(self.opening(&addresses, &stats)), self.listener.accept());
            self.accepted.push(accepted.unwrap().0);
            self.connections.keep(ID, opened.unwrap(), now);
        }

        fn opening<'a>(&self, addresses: &'a [SocketAddr], stats: &'a Arc<BackendStats>) -> Opening<'a> {
            Opening {
                reach: Reach { backend: ID, addresses, tls: None },
                alpn: Alpn::Any,
                timeout: Duration::from_secs(5),
                stats,
                worker: WorkerId(0),
            }
        }

        fn prune(&self, now: Moment) {
            let addresses = [self.address];
            self.connections.prune(now, |_| Some((KEPT, Reach { backend: ID, addresses: &addresses, tls: None })));
        }

        fn idle(&self, now: u64) -> Vec<u64> {
            self.connections.standing(ID, at(now)).idle.iter().map(Duration::as_secs).collect()
        }
    }

    #[tokio::test]
    async fn a_kept_connection_is_found_by_the_next_request_and_counts_as_open_before() {
        LocalSet::new()
            .run_until(async {
                let mut rig = Rig::new().await;
                rig.keep(at(0)).await;
                let addresses = [rig.address];
                let reach = Reach { backend: ID, addresses: &addresses, tls: None };
                let mut lease = rig.connections.take(reach);
                while lease.is_none() {
                    tokio::task::yield_now().await;
                    lease = rig.connections.take(reach);
                }
                // It may have been closed meanwhile: its failure must not be held against the backend.
                assert!(lease.is_some_and(|lease| lease.reused));
                assert_eq!(rig.connections.kept(ID), 0);
            })
            .await;
    }

    #[tokio::test]
    async fn who_waits_to_open_a_connection_has_the_first_that_comes_free() {
        LocalSet::new()
            .run_until(async {
                let mut rig = Rig::new().await;
                rig.keep(at(0)).await;
                let (connections, addresses, stats) = (&rig.connections, [rig.address], BackendStats::new(1));
                let opening = rig.opening(&addresses, &stats);
                let lease = connections.take(opening.reach).unwrap();
                let dials = connections.dials(ID);
                while dials.way(Want::Any).now_or_never().is_some() {}
                let mut new = pin!(take_over_or_open(connections, opening, Want::New, || at(1)));
                let mut any = pin!(take_over_or_open(connections, opening, Want::Any, || at(1)));
                assert!(any.as_mut().now_or_never().is_none());
                assert!(new.as_mut().now_or_never().is_none());
                lease.give_back(at(1));
                let lease = any.as_mut().now_or_never().unwrap().unwrap();
                assert!(lease.reused && new.as_mut().now_or_never().is_none());
                lease.give_back(at(1));
                assert!(new.as_mut().now_or_never().is_none() && connections.kept(ID) == 1, "an old one will not do");
                let (lease, _) = tokio::join!(new, rig.listener.accept());
                assert!(!lease.unwrap().reused);
            })
            .await;
    }

    #[tokio::test]
    async fn the_wait_for_ones_turn_is_no_part_of_the_dial() {
        LocalSet::new()
            .run_until(async {
                let rig = Rig::new().await;
                let (connections, addresses, stats) = (&rig.connections, [rig.address], BackendStats::new(1));
                let timeout = Duration::from_millis(100);
                let opening = Opening { timeout, ..rig.opening(&addresses, &stats) };
                let dials = connections.dials(ID);
                let mut others: Vec<_> = (0..2500).map(|_| Box::pin(dials.way(Want::New))).collect();
                others.iter_mut().for_each(|other| drop(other.as_mut().now_or_never()));
                let began = std::time::Instant::now();
                let (lease, _) =
                    tokio::join!(take_over_or_open(connections, opening, Want::Any, || at(1)), rig.listener.accept());
                assert!(lease.is_ok() && began.elapsed() > timeout, "{lease:?} after {:?}", began.elapsed());
            })
            .await;
    }

    #[tokio::test]
    async fn what_the_backend_closed_tells_how_long_it_was_let_stand() {
        LocalSet::new()
            .run_until(async {
                let mut rig = Rig::new().await;
                rig.keep(at(10)).await;
                rig.keep(at(12)).await;
                rig.prune(at(14));
                assert_eq!((rig.idle(15), rig.connections.standing(ID, at(15)).ended), (vec![5, 3], None));
                rig.accepted.clear();
                while !rig.idle(15).is_empty() {
                    tokio::task::yield_now().await;
                }
                rig.prune(at(15));
                // The older one was last seen open at 14.
                assert_eq!(rig.connections.standing(ID, at(15)).ended, Some(Duration::from_secs(4)));
                rig.prune(at(16));
                assert_eq!(rig.connections.standing(ID, at(16)).ended, None, "told once");
            })
            .await;
    }

    #[tokio::test]
    async fn of_what_was_replaced_only_the_oldest_stays() {
        LocalSet::new()
            .run_until(async {
                let mut rig = Rig::new().await;
                for now in [0, 1, 2, 50] {
                    rig.keep(at(now)).await;
                }
                rig.connections.retire(ID, Duration::from_secs(40), at(55));
                assert_eq!(rig.idle(55), [55, 5]);
                rig.prune(at(61));
                assert_eq!(rig.idle(61), [11], "and it until keep_alive ends it");
            })
            .await;
    }
}
