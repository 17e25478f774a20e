//! A request body on its way to a backend: passed on as it arrives, and held for a replay while it is small.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::client_body::ClientBody;
use super::limits::Holding;
use super::worker_clock::WorkerClock;
use crate::model::Moment;

/// The body of a request, as attempts read it: each from its first byte.
pub(super) struct Recording<S = ClientBody> {
    clock: WorkerClock,
    total: Cell<Option<u64>>,
    inner: RefCell<Inner<S>>,
    state: Cell<State>,
    /// When a part last passed, or the client was last asked for one.
    since: Cell<Moment>,
    turn: Cell<u32>,
    /// How long the client was waited for, all pauses but the present one together.
    waited: Cell<Duration>,
}

struct Inner<S> {
    source: S,
    received: u64,
    holding: Holding,
    chunks: Vec<Bytes>,
    /// Whether room was wanting for what was to be held.
    no_room: bool,
    trailers: Option<HeaderMap>,
    limits: BodyLimits,
}

/// How much of a body is held, and how much is let through.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// Most bytes held for a replay; 0 holds nothing.
    pub(super) held: usize,
    /// Most bytes let through.
    pub(super) most: u64,
}

/// What is wrong with a client's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientFault {
    /// More bytes than the route lets through.
    TooLarge,
    /// The client went away, or broke its framing, before the end.
    Aborted,
    /// None of the client's: there is no room to hold its body, which must be held.
    NoRoom,
}

/// Parts of a held body beyond which small ones are joined.
const MOST_PARTS: usize = 64;

/// Parts below this many bytes are copied out of the buffer that they came in, which may be as large as 8 KiB for each.
const SMALL: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Flowing,
    /// All that came was passed on, and the next part was asked for.
    Starved,
    Ended,
    Failed(ClientFault),
}

/// Who must move next, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// The client: more of its body is to come.
    Client(Moment),
    /// The backend: it has the whole body, or has yet to read what is there.
    Backend(Moment),
}

impl<S> Recording<S>
where
    S: Body<Data = Bytes> + Unpin,
{
    /// A body that has yet to be read.
    pub(super) fn new(source: S, limits: BodyLimits, clock: impl Into<WorkerClock>, holding: Holding) -> Rc<Self> {
        let clock = clock.into();
        let inner = Inner { received: 0, holding, chunks: Vec::new(), no_room: false, trailers: None, limits, source };
        Rc::new(Self {
            total: Cell::new(inner.source.size_hint().exact()),
            inner: RefCell::new(inner),
            state: Cell::new(State::Flowing),
            since: Cell::new(clock.now()),
            clock,
            turn: Cell::new(0),
            waited: Cell::default(),
        })
    }

    /// All of it, in one piece: read before any attempt, and held whatever its size.
    pub(super) fn poll_whole(&self, cx: &mut Context<'_>) -> Poll<Result<Bytes, ClientFault>> {
        let mut inner = self.inner.borrow_mut();
        inner.limits.held = usize::MAX;
        while self.state.get() != State::Ended {
            let (state, pulled) = match inner.pull(cx) {
                Poll::Pending => (State::Starved, Poll::Pending),
                Poll::Ready(Err(fault)) => (State::Failed(fault), Poll::Ready(Err(fault))),
                Poll::Ready(Ok(None)) => (State::Ended, Poll::Ready(Ok(()))),
                Poll::Ready(Ok(Some(_))) if inner.no_room => {
                    (State::Failed(ClientFault::NoRoom), Poll::Ready(Err(ClientFault::NoRoom)))
                }
                Poll::Ready(Ok(Some(_))) if inner.source.is_end_stream() => (State::Ended, Poll::Ready(Ok(()))),
                Poll::Ready(Ok(Some(_))) => (State::Flowing, Poll::Ready(Ok(()))),
            };
            self.enter(state);
            ready!(pulled)?;
        }
        if inner.chunks.len() > 1 {
            let whole = inner.chunks.concat();
            inner.chunks = vec![Bytes::from(whole)];
        }
        self.total.set(Some(inner.received));
        Poll::Ready(Ok(inner.chunks.first().cloned().unwrap_or_default()))
    }

    /// All of it, once it was read in one piece.
    pub(super) fn whole(&self) -> Option<Bytes> {
        let inner = self.inner.borrow();
        match inner.chunks.as_slice() {
            [whole] if self.state.get() == State::Ended && whole.len() as u64 == inner.received => Some(whole.clone()),
            _ => None,
        }
    }

    /// The body for the next attempt, from its first byte. The one before reads nothing more.
    pub(super) fn next_turn(self: &Rc<Self>) -> RequestBody<S> {
        let turn = self.turn.get() + 1;
        self.turn.set(turn);
        if self.state.get() == State::Starved {
            self.enter(State::Flowing);
        }
        RequestBody(Some(Turn { recording: self.clone(), turn, sent: 0, trailed: false }))
    }
}

impl<S> Recording<S> {
    /// Something has happened, or the client begins to be waited for.
    fn enter(&self, state: State) {
        let (before, now) = (self.state.replace(state), self.clock.now());
        if before == State::Starved {
            if state == State::Starved {
                return;
            }
            self.waited.set(self.waited.get() + now.since(self.since.get()));
        }
        self.since.set(now);
    }

    /// How long the client was waited for in all.
    pub(super) fn waited_for_client(&self, now: Moment) -> Duration {
        let present = if self.state.get() == State::Starved { now.since(self.since.get()) } else { Duration::ZERO };
        self.waited.get() + present
    }

    /// Whether another attempt could have the whole body.
    pub(super) fn is_whole(&self) -> bool {
        let inner = self.inner.borrow();
        inner.holding.bytes() as u64 == inner.received
    }

    /// Bytes that came from the client so far.
    pub(super) fn received(&self) -> u64 {
        self.inner.borrow().received
    }

    /// What the client did wrong, if it did.
    pub(super) fn fault(&self) -> Option<ClientFault> {
        match self.state.get() {
            State::Failed(fault) => Some(fault),
            State::Flowing | State::Starved | State::Ended => None,
        }
    }

    /// Whether the client sent all of it.
    pub(super) fn has_ended(&self) -> bool {
        self.state.get() == State::Ended
    }

    /// Who must move next: a pause is not the client's fault while the backend has yet to read what the client sent.
    pub(super) fn awaits(&self) -> Awaited {
        let since = self.since.get();
        if self.state.get() == State::Starved { Awaited::Client(since) } else { Awaited::Backend(since) }
    }
}

/// One attempt's view of a body. Empty for a request without one.
pub(super) struct RequestBody<S = ClientBody>(Option<Turn<S>>);

struct Turn<S> {
    recording: Rc<Recording<S>>,
    turn: u32,
    sent: u64,
    trailed: bool,
}

impl<S> RequestBody<S> {
    /// No body.
    pub(super) const fn empty() -> Self {
        Self(None)
    }
}

/// Why a body ends before its end.
#[derive(Debug)]
pub(super) enum BodyError {
    /// The client's fault.
    Client(ClientFault),
    /// Another attempt reads it now.
    Superseded,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client(ClientFault::TooLarge) => "the request body is larger than its route allows",
            Self::Client(ClientFault::NoRoom) => "there is no room to hold the request body",
            Self::Client(ClientFault::Aborted) => "the client broke off its request body",
            Self::Superseded => "the request is tried elsewhere",
        })
    }
}

impl std::error::Error for BodyError {}

impl<S> Inner<S>
where
    S: Body<Data = Bytes> + Unpin,
{
    fn pull(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, ClientFault>> {
        let mut frame = match Pin::new(&mut self.source).poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(Ok(None)),
            Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(ClientFault::Aborted)),
            Poll::Ready(Some(Ok(frame))) => frame,
        };
        if let Some(trailers) = frame.trailers_mut() {
            super::trailers::strip(trailers);
        }
        if let Some(data) = frame.data_ref() {
            let before = self.received;
            self.received += data.remaining() as u64;
            if self.received > self.limits.most {
                return Poll::Ready(Err(ClientFault::TooLarge));
            }
            // Held from the first byte or not at all: what does not fit is let go whole.
            if self.holding.bytes() as u64 == before {
                self.hold(data);
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        }
        Poll::Ready(Ok(Some(frame)))
    }

    fn hold(&mut self, data: &Bytes) {
        let wanted = self.holding.bytes().saturating_add(data.len()) <= self.limits.held;
        if wanted && self.holding.grow(data.len()) {
            // A part keeps alive the whole buffer that it came in. One that is small beside that is copied, but for the
            // first: most bodies come in one.
            let small = data.len() < SMALL && !self.chunks.is_empty();
            self.chunks.push(if small { Bytes::copy_from_slice(data) } else { data.clone() });
            self.join_small();
        } else {
            self.no_room = wanted;
            self.holding.clear();
            self.chunks = Vec::new();
        }
    }

    /// The first part of what is held from this byte on.
    fn held_at(&self, mut at: u64) -> Option<Bytes> {
        for chunk in &self.chunks {
            if at < chunk.len() as u64 {
                return Some(chunk.slice(at as usize..));
            }
            at -= chunk.len() as u64;
        }
        None
    }

    /// Joins parts while there are too many: a client that sends single bytes must not have 32 bytes kept for each, and the
    /// buffer that it came in. A part joins one that is no larger, so a byte is copied a few times at most.
    fn join_small(&mut self) {
        while let [.., before, last] = self.chunks.as_slice()
            && self.chunks.len() > MOST_PARTS
            && before.len() <= last.len()
        {
            let joined = [&before[..], &last[..]].concat();
            self.chunks.truncate(self.chunks.len() - 2);
            self.chunks.push(joined.into());
        }
    }
}

impl<S> Turn<S>
where
    S: Body<Data = Bytes> + Unpin,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let recording = &*self.recording;
        if recording.turn.get() != self.turn {
            return Poll::Ready(Some(Err(BodyError::Superseded)));
        }
        let mut inner = recording.inner.borrow_mut();
        if let Some(chunk) = inner.held_at(self.sent) {
            self.sent += chunk.len() as u64;
            recording.since.set(recording.clock.now());
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match recording.state.get() {
            State::Failed(fault) => return Poll::Ready(Some(Err(BodyError::Client(fault)))),
            State::Ended => {
                // Trailers are read once by the attempt that saw them come, and again by each that follows.
                let trailers = if self.trailed { None } else { inner.trailers.clone() };
                self.trailed = true;
                return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
            }
            State::Flowing | State::Starved => {}
        }
        let pulled = inner.pull(cx);
        let (state, answer) = match pulled {
            Poll::Pending => {
                recording.enter(State::Starved);
                return Poll::Pending;
            }
            Poll::Ready(Err(fault)) => (State::Failed(fault), Some(Err(BodyError::Client(fault)))),
            Poll::Ready(Ok(None)) => (State::Ended, None),
            Poll::Ready(Ok(Some(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.sent += data.len() as u64;
                } else {
                    self.trailed = true;
                }
                let state = if inner.source.is_end_stream() { State::Ended } else { State::Flowing };
                (state, Some(Ok(frame)))
            }
        };
        recording.enter(state);
        Poll::Ready(answer)
    }
}

impl<S> Body for RequestBody<S>
where
    S: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            None => Poll::Ready(None),
            Some(turn) => turn.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        let Some(turn) = &self.0 else { return true };
        let inner = turn.recording.inner.borrow();
        turn.recording.state.get() == State::Ended && turn.sent == inner.received && inner.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            None => SizeHint::with_exact(0),
            Some(turn) => match turn.recording.total.get() {
                Some(total) => SizeHint::with_exact(total.saturating_sub(turn.sent)),
                None => SizeHint::default(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
