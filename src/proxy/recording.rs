//! A request body on its way to a backend: passed on as it arrives, and held for a replay while it is small.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::model::{Clock, Moment};

/// The body of a request, as attempts read it: each from its first byte.
pub(super) struct Recording<S = Incoming> {
    clock: Clock,
    total: Cell<Option<u64>>,
    inner: RefCell<Inner<S>>,
    state: Cell<State>,
    /// When a part last passed, or the client was last asked for one.
    since: Cell<Moment>,
    turn: Cell<u32>,
}

struct Inner<S> {
    source: S,
    received: u64,
    held: usize,
    chunks: Vec<Bytes>,
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
}

/// Parts of a body that is waited for as a whole, beyond which small ones are joined.
const MOST_PARTS: usize = 64;

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
    pub(super) fn new(source: S, limits: BodyLimits, clock: Clock) -> Rc<Self> {
        let inner = Inner { received: 0, held: 0, chunks: Vec::new(), trailers: None, limits, source };
        Rc::new(Self {
            clock,
            total: Cell::new(inner.source.size_hint().exact()),
            inner: RefCell::new(inner),
            state: Cell::new(State::Flowing),
            since: Cell::new(clock.now()),
            turn: Cell::new(0),
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
                Poll::Ready(Ok(Some(_))) if inner.source.is_end_stream() => (State::Ended, Poll::Ready(Ok(()))),
                Poll::Ready(Ok(Some(_))) => (State::Flowing, Poll::Ready(Ok(()))),
            };
            if self.state.replace(state) != state || state == State::Flowing {
                self.since.set(self.clock.now());
            }
            ready!(pulled)?;
            inner.join_small();
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
            self.state.set(State::Flowing);
        }
        RequestBody(Some(Turn { recording: self.clone(), turn, next: 0, sent: 0 }))
    }
}

impl<S> Recording<S> {
    /// Whether another attempt could have the whole body.
    pub(super) fn is_whole(&self) -> bool {
        let inner = self.inner.borrow();
        inner.held as u64 == inner.received
    }

    /// Whether its length was not declared, and is not known yet.
    pub(super) fn is_open_ended(&self) -> bool {
        self.total.get().is_none()
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
pub(super) struct RequestBody<S = Incoming>(Option<Turn<S>>);

struct Turn<S> {
    recording: Rc<Recording<S>>,
    turn: u32,
    next: usize,
    sent: u64,
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
            if self.held as u64 == before {
                if self.held + data.len() <= self.limits.held {
                    self.held += data.len();
                    self.chunks.push(data.clone());
                } else {
                    self.held = 0;
                    self.chunks = Vec::new();
                }
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        }
        Poll::Ready(Ok(Some(frame)))
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
        if let Some(chunk) = inner.chunks.get(self.next) {
            self.next += 1;
            self.sent += chunk.len() as u64;
            recording.since.set(recording.clock.now());
            return Poll::Ready(Some(Ok(Frame::data(chunk.clone()))));
        }
        match recording.state.get() {
            State::Failed(fault) => return Poll::Ready(Some(Err(BodyError::Client(fault)))),
            State::Ended => {
                // Trailers are read once by the attempt that saw them come, and again by each that follows.
                let trailers = if self.next == usize::MAX { None } else { inner.trailers.clone() };
                self.next = usize::MAX;
                return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
            }
            State::Flowing | State::Starved => {}
        }
        let pulled = inner.pull(cx);
        let (state, answer) = match pulled {
            Poll::Pending => {
                if recording.state.replace(State::Starved) != State::Starved {
                    recording.since.set(recording.clock.now());
                }
                return Poll::Pending;
            }
            Poll::Ready(Err(fault)) => (State::Failed(fault), Some(Err(BodyError::Client(fault)))),
            Poll::Ready(Ok(None)) => (State::Ended, None),
            Poll::Ready(Ok(Some(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.sent += data.len() as u64;
                    self.next = inner.chunks.len();
                } else {
                    self.next = usize::MAX;
                }
                let state = if inner.source.is_end_stream() { State::Ended } else { State::Flowing };
                (state, Some(Ok(frame)))
            }
        };
        recording.state.set(state);
        recording.since.set(recording.clock.now());
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
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::task::Waker;

    use super::*;

    struct Chunks(VecDeque<Frame<Bytes>>);

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.pop_front() {
                Some(frame) => Poll::Ready(Some(Ok(frame))),
                None => Poll::Pending,
            }
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }
    }

    fn recording(chunks: &[&'static str], held: usize, most: u64) -> Rc<Recording<Chunks>> {
        let frames = chunks.iter().map(|text| Frame::data(Bytes::from_static(text.as_bytes()))).collect();
        Recording::new(Chunks(frames), BodyLimits { held, most }, Clock::start())
    }

    fn read(body: &mut RequestBody<Chunks>, most: usize) -> Result<String, String> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut text = String::new();
        for _ in 0..most {
            match Pin::new(&mut *body).poll_frame(&mut cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => text.push_str(std::str::from_utf8(&data).unwrap()),
                    Err(frame) => text.push_str(&format!("{:?}", frame.into_trailers().unwrap())),
                },
                Poll::Ready(Some(Err(error))) => return Err(error.to_string()),
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Ok(text)
    }

    #[test]
    fn a_second_attempt_reads_from_the_first_byte() {
        let recording = recording(&["one ", "two ", "three"], 100, 100);
        let mut first = recording.next_turn();
        assert_eq!(read(&mut first, 2).unwrap(), "one two ");
        let mut second = recording.next_turn();
        assert_eq!(read(&mut second, 9).unwrap(), "one two three");
        assert!(second.is_end_stream());
        assert!(read(&mut first, 1).is_err(), "the first attempt must not eat what the second needs");
        assert!(recording.is_whole());
        assert_eq!(read(&mut recording.next_turn(), 9).unwrap(), "one two three");
    }

    #[test]
    fn what_is_too_large_to_hold_still_flows() {
        let recording = recording(&["one ", "two ", "three"], 5, 100);
        assert_eq!(read(&mut recording.next_turn(), 9).unwrap(), "one two three");
        assert!(!recording.is_whole());
    }

    #[test]
    fn a_body_over_the_routes_limit_is_the_clients_fault() {
        let recording = recording(&["one ", "two "], 100, 5);
        assert!(read(&mut recording.next_turn(), 9).is_err());
        assert_eq!(recording.fault(), Some(ClientFault::TooLarge));
    }

    #[test]
    fn a_body_of_many_small_parts_takes_no_more_room_than_its_bytes_while_it_is_waited_for() {
        let frames = (0..50_000_u32).map(|at| Frame::data(Bytes::from(vec![at as u8])));
        let recording =
            Recording::new(Unfinished(Chunks(frames.collect())), BodyLimits { held: 9, most: 1 << 20 }, Clock::start());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(recording.poll_whole(&mut cx).is_pending());
        assert!(recording.inner.borrow().chunks.len() < 200, "{}", recording.inner.borrow().chunks.len());
        let whole = recording.inner.borrow().chunks.concat();
        assert!((0..50_000_u32).map(|at| at as u8).eq(whole));
    }

    #[test]
    fn trailers_come_again_for_every_attempt() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "7".parse().unwrap());
        let frames = VecDeque::from([Frame::data(Bytes::from_static(b"body")), Frame::trailers(trailers)]);
        let recording = Recording::new(Chunks(frames), BodyLimits { held: 9, most: 9 }, Clock::start());
        let first = read(&mut recording.next_turn(), 9).unwrap();
        assert_eq!(first, r#"body{"x-sum": "7"}"#);
        assert_eq!(read(&mut recording.next_turn(), 9).unwrap(), first);
    }

    #[test]
    fn the_client_is_awaited_only_while_all_that_it_sent_was_read() {
        let source = Chunks([Frame::data(Bytes::from_static(b"one"))].into());
        let recording = Recording::new(Unfinished(source), BodyLimits { held: 9, most: 9 }, Clock::start());
        let mut body = recording.next_turn();
        assert!(matches!(recording.awaits(), Awaited::Backend(_)), "nobody has asked the client yet");
        assert_eq!(read_any(&mut body), Some("one".into()));
        assert!(matches!(recording.awaits(), Awaited::Backend(_)), "the backend may be busy with the first part");
        assert_eq!(read_any(&mut body), None);
        assert!(matches!(recording.awaits(), Awaited::Client(_)));
        let _next = recording.next_turn();
        assert!(matches!(recording.awaits(), Awaited::Backend(_)), "the next attempt reads what is held first");
    }

    /// Never says that it has ended.
    struct Unfinished(Chunks);

    impl Body for Unfinished {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Pin::new(&mut self.0).poll_frame(cx)
        }
    }

    fn read_any(body: &mut RequestBody<Unfinished>) -> Option<Bytes> {
        match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
            _ => None,
        }
    }
}
