//! One connection: the library, and the requests that came over it, driven by one task.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::Reason;
use h2::server::{self, Handshake, SendResponse};
use http::{Method, Request};

use super::super::{Handle as Service, Io, ResponseBody};
use super::gauge::Gauge;
use super::metered::Metered;
use super::pulse::{Beat, Pulse};
use super::ready::{Handle, Ready};
use super::requests::{Panicked, Requests};
use super::windows::{Size, Windows};
use crate::proxy::{ClientBody, Http2Body};

/// The numbers of the parts; requests follow.
const LIBRARY: u32 = 0;
pub(super) const TIMER: u32 = 1;
pub(super) const DRAIN: u32 = 2;
const REQUESTS: u32 = 3;

/// Rounds after which other connections have their turn.
const MOST_ROUNDS: usize = 16;

/// A connection.
pub(super) struct Connection<I, S, B>
where
    S: Service<B>,
{
    stage: Stage<I>,
    library: Handle,
    requests: Requests<S::Future, B>,
    service: S,
    pub(super) gauge: Rc<Gauge>,
    ready: Arc<Ready>,
    /// What was woken, in this round.
    round: Vec<u32>,
    windows: Windows,
    ends: bool,
}

enum Stage<I> {
    Begins(Handshake<Metered<I>, Bytes>),
    Goes { connection: server::Connection<Metered<I>, Bytes>, pulse: Option<Pulse> },
}

/// What a turn of the connection has found.
pub(super) enum Turn {
    /// It waits.
    Waits,
    /// There is more to be done, but others come first.
    Yields,
    /// The timer, or the drain, was woken.
    Woken,
    /// A request panicked outside of its handler.
    Panicked,
    /// It is over.
    Over(Result<(), h2::Error>),
}

impl<I, S, B> Connection<I, S, B>
where
    I: Io,
    S: Service<B>,
    B: ResponseBody + Unpin,
{
    pub(super) fn new(handshake: Handshake<Metered<I>, Bytes>, service: S, gauge: Rc<Gauge>) -> Self {
        let ready = Arc::new(Ready::default());
        let library = Handle::new(&ready, LIBRARY);
        library.waker.wake_by_ref();
        Self {
            stage: Stage::Begins(handshake),
            library,
            requests: Requests::new(&ready, REQUESTS),
            service,
            gauge,
            ready,
            round: Vec::new(),
            windows: Windows::new(),
            ends: false,
        }
    }

    /// A part of its own for the driver.
    pub(super) fn part(&self, number: u32) -> Handle {
        Handle::new(&self.ready, number)
    }

    /// Ends as soon as what is under way has ended.
    pub(super) fn finish(&mut self) {
        if !std::mem::replace(&mut self.ends, true)
            && let Stage::Goes { connection, .. } = &mut self.stage
        {
            connection.graceful_shutdown();
            self.library.waker.wake_by_ref();
        }
    }

    /// Nothing is under way, and has not been for a while: its windows are for those that need them.
    pub(super) fn rests(&mut self) {
        if let Stage::Goes { connection, .. } = &mut self.stage
            && let Some(size) = self.windows.shrink()
        {
            resize(connection, size);
        }
    }

    /// Milliseconds until it is to be looked after although nothing happens.
    pub(super) fn due(&self) -> u32 {
        match &self.stage {
            Stage::Goes { pulse: Some(pulse), .. } => pulse.due(&self.gauge),
            _ => u32::MAX,
        }
    }

    /// Goes on as far as it can. Responses are collected before the library writes.
    pub(super) fn turn(&mut self) -> Turn {
        for _ in 0..MOST_ROUNDS {
            let mut round = std::mem::take(&mut self.round);
            self.ready.take(&mut round);
            if round.is_empty() {
                self.round = round;
                return Turn::Waits;
            }
            let (mut library, mut found) = (false, None);
            for part in round.drain(..) {
                match part {
                    LIBRARY => library = true,
                    TIMER | DRAIN => found = found.or(Some(Turn::Woken)),
                    request => {
                        if let Err(Panicked) = self.requests.poll(request) {
                            found = Some(Turn::Panicked);
                        }
                    }
                }
            }
            self.round = round;
            if library && let Poll::Ready(over) = self.poll_library() {
                return Turn::Over(over);
            }
            if let Some(found) = found {
                return found;
            }
        }
        Turn::Yields
    }

    /// From now on whatever happens wakes `task`; false when something has happened already.
    pub(super) fn sleep(&self, task: &Waker) -> bool {
        self.ready.sleep(task)
    }

    /// Looks after the connection itself, though nothing has happened on it.
    pub(super) fn look(&mut self) {
        self.library.waker.wake_by_ref();
    }

    fn poll_library(&mut self) -> Poll<Result<(), h2::Error>> {
        self.library.polled();
        self.gauge.dry.set(false);
        let mut cx = Context::from_waker(&self.library.waker);
        loop {
            let (connection, pulse) = match &mut self.stage {
                Stage::Goes { connection, pulse } => (connection, pulse),
                Stage::Begins(handshake) => match Pin::new(handshake).poll(&mut cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(mut connection)) => {
                        if self.ends {
                            connection.graceful_shutdown();
                        }
                        let pulse = connection.ping_pong().map(Pulse::new);
                        self.stage = Stage::Goes { connection, pulse };
                        continue;
                    }
                },
            };
            // Never pending: nothing in it waits before it is called.
            if self.service.poll_ready(&mut cx).is_pending() {
                return Poll::Pending;
            }
            match connection.poll_accept(&mut cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    begin(&mut self.service, &mut self.requests, request, respond)
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    let Some(beating) = pulse else { return Poll::Pending };
                    match beating.poll(&self.gauge, self.windows.worth_measuring(), &mut cx) {
                        Beat::Steady => {}
                        Beat::Measured(octets) => {
                            let size = if self.windows.are_filled_by(octets) { self.windows.grow() } else { None };
                            beating.grew(size.is_some());
                            if let Some(size) = size {
                                resize(connection, size);
                            }
                        }
                        Beat::Vanished => {
                            *pulse = None;
                            connection.abrupt_shutdown(Reason::NO_ERROR);
                            continue;
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

/// Tells the client.
fn resize<I: Io>(connection: &mut server::Connection<Metered<I>, Bytes>, size: Size) {
    connection.set_target_window_size(size.connection);
    if let Err(error) = connection.set_initial_window_size(size.stream) {
        // The client has yet to acknowledge the one before; the next size comes after that.
        tracing::debug!(%error, "the windows of streams stay as they are");
    }
}

/// Gives a request to its handler.
fn begin<S: Service<B>, B: ResponseBody + Unpin>(
    service: &mut S,
    requests: &mut Requests<S::Future, B>,
    request: Request<h2::RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let (head, stream) = request.into_parts();
    // What follows a CONNECT is no body (RFC 9113, section 8.5).
    let body = if head.method == Method::CONNECT {
        ClientBody::Empty
    } else {
        ClientBody::Http2(Http2Body::new(stream, &head.headers))
    };
    requests.begin(Box::pin(service.call(crate::wire::Request { head: head.into(), body })), respond);
}
