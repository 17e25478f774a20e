//! What an HTTP/1 connection and the body of its present request share: the socket, and what was read of it.
//!
//! Both live on one thread, and each borrows it only within a poll. The connection reads heads and looks out for the end of
//! its client; between the two only the body reads, and whoever reads it is woken by the socket.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;
use tokio::io::{AsyncReadExt, ReadBuf};
use tokio::sync::oneshot;

use super::out::Out;
use crate::proxy::{BrokenBody, End};
use crate::server::http::Io;
use crate::wire::h1::{BodyReader, Fault, Limits, Part, RequestHead, RequestReader};

/// Bytes that are read at once.
const READ: usize = 16 * 1024;
/// Bytes that a client may send ahead of its answer; what goes beyond stays in its socket.
const MOST_EARLY: usize = 16 * 1024;

thread_local! {
    /// Where heads are read to: a connection has memory of its own only for what has come.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A connection, as its driver and the body of its present request see it.
pub(super) struct Shared<I> {
    pub(super) half: RefCell<Half<I>>,
    /// The number of the present request.
    pub(super) present: Cell<u64>,
    /// Whether nobody reads the body of the present request any more.
    pub(super) let_go: Cell<bool>,
    /// The task that drives the connection, and whether it does so right now.
    task: RefCell<Option<Waker>>,
    driving: Cell<bool>,
    /// Another task that waits for the body of the present request.
    reader: RefCell<Option<Waker>>,
}

/// The socket, and what was read from it and is to be written to it.
pub(super) struct Half<I> {
    /// None once the connection is over, or the socket was handed over.
    pub(super) io: Option<I>,
    /// What was read and is not used yet.
    pub(super) held: BytesMut,
    pub(super) out: Out,
    head: RequestReader,
    pub(super) stage: Stage,
    /// Whether the client is to be told to go on before its body is read.
    pub(super) expects: bool,
    /// Who gets the socket if the present request is answered 101.
    pub(super) upgrade: Upgrade,
}

/// What of the present request was read.
#[derive(Debug)]
pub(super) enum Stage {
    /// The head, in part or not at all.
    Head,
    /// The head, and of the body what lies behind the reader.
    Body(BodyReader),
    /// All of it.
    Whole,
    /// Nothing more of it comes: the client broke off, or broke its framing.
    Broken,
}

/// Whether the present request may take the socket with it.
#[derive(Debug)]
pub(super) enum Upgrade {
    No,
    Possible,
    Wanted(oneshot::Sender<End>),
}

/// What became of a head.
#[expect(clippy::large_enum_variant, reason = "the larger kind is the usual one, and goes no further than one call")]
pub(super) enum Came {
    Head(RequestHead),
    /// It breaks a rule.
    Fault(Fault),
    /// The connection ended, or broke.
    End,
}

impl<I> Shared<I> {
    pub(super) fn new(io: I, limits: Limits) -> Self {
        let half = Half {
            io: Some(io),
            held: BytesMut::new(),
            out: Out::default(),
            head: RequestReader::new(limits),
            stage: Stage::Head,
            expects: false,
            upgrade: Upgrade::No,
        };
        Self {
            half: RefCell::new(half),
            present: Cell::new(0),
            let_go: Cell::new(false),
            task: RefCell::new(None),
            driving: Cell::new(false),
            reader: RefCell::new(None),
        }
    }

    /// The driver begins to look, in this task.
    pub(super) fn driven_by(&self, cx: &Context<'_>) {
        self.driving.set(true);
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
    }

    /// It has looked.
    pub(super) fn driven(&self) {
        self.driving.set(false);
    }

    /// Has the driver look again, where another task has done something.
    pub(super) fn wake_driver(&self) {
        if !self.driving.get()
            && let Some(task) = &*self.task.borrow()
        {
            task.wake_by_ref();
        }
    }

    /// Somebody waits for the body.
    pub(super) fn is_awaited_by(&self, cx: &Context<'_>) {
        if !self.driving.get() {
            *self.reader.borrow_mut() = Some(cx.waker().clone());
        }
    }

    /// The present request is over: whoever still has its body finds it broken. The bodies of those to come are numbered on.
    pub(super) fn over(&self) {
        self.present.set(self.present.get() + 1);
        self.let_go.set(false);
        let reader = self.reader.borrow_mut().take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The connection is over: its socket is closed, or handed over.
    pub(super) fn close(&self) -> Option<(I, Bytes)> {
        self.over();
        let mut half = self.half.borrow_mut();
        let held = std::mem::take(&mut half.held).freeze();
        (half.stage, half.upgrade) = (Stage::Broken, Upgrade::No);
        half.io.take().map(|io| (io, held))
    }
}

impl<I: Io> Half<I> {
    /// Reads the next head. `began` is told when some of it has come, but not all.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>, began: impl Fn()) -> Poll<Came> {
        loop {
            if !self.held.is_empty() {
                if let Some(came) = self.parse() {
                    return Poll::Ready(came);
                }
                began();
            }
            if ready!(self.poll_fill(cx)) == 0 {
                return Poll::Ready(Came::End);
            }
        }
    }

    fn parse(&mut self) -> Option<Came> {
        let made = match self.head.read(&self.held) {
            Ok(None) => return None,
            Ok(Some(length)) => {
                let bytes = self.held.split_to(length);
                self.head.finish(bytes)
            }
            Err(fault) => Err(fault),
        };
        self.free();
        Some(match made {
            Ok(mut head) => {
                self.stage = head.body.take().map_or(Stage::Whole, Stage::Body);
                self.expects = head.expects && !matches!(self.stage, Stage::Whole);
                self.upgrade = if head.upgrade { Upgrade::Possible } else { Upgrade::No };
                Came::Head(head)
            }
            Err(fault) => Came::Fault(fault),
        })
    }

    /// Gives the buffer back when there is nothing in it.
    fn free(&mut self) {
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }

    /// Adds to what is held: how many bytes came, none at the end of the stream or when it broke.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        let Some(io) = &mut self.io else { return Poll::Ready(0) };
        let mut scratch = SCRATCH.take();
        if scratch.is_empty() {
            scratch = vec![0; READ];
        }
        let mut buffer = ReadBuf::new(&mut scratch);
        let polled = Pin::new(io).poll_read(cx, &mut buffer).map(|read| match read {
            Ok(()) => {
                let came = buffer.filled();
                self.held.extend_from_slice(came);
                came.len()
            }
            Err(_) => 0,
        });
        SCRATCH.set(scratch);
        polled
    }

    /// Looks out for the end of the client while its request, of which all was read, is answered. Ready when it has left.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while matches!(self.stage, Stage::Whole) && self.held.len() < MOST_EARLY {
            if ready!(self.poll_fill(cx)) == 0 {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// The next part of the body.
    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        loop {
            let Stage::Body(reader) = &mut self.stage else {
                let broken = !matches!(self.stage, Stage::Whole);
                return Poll::Ready(broken.then_some(Err(BrokenBody)));
            };
            match reader.next(&self.held) {
                Ok(Part::Content(length)) => {
                    let content = self.held.split_to(length).freeze();
                    if reader.has_ended() {
                        self.stage = Stage::Whole;
                    }
                    self.free();
                    return Poll::Ready(Some(Ok(Frame::data(content))));
                }
                Ok(Part::Framing(length)) => drop(self.held.split_to(length)),
                Ok(Part::End(length, trailers)) => {
                    drop(self.held.split_to(length));
                    return Poll::Ready(self.whole(trailers));
                }
                Ok(Part::More) => {
                    let more = reader.left();
                    if ready!(self.poll_more(cx, more)) == 0 {
                        self.stage = Stage::Broken;
                    }
                }
                Err(fault) => {
                    tracing::debug!(fault = fault.as_str(), "a request body breaks its framing");
                    self.stage = Stage::Broken;
                }
            }
        }
    }

    fn whole(&mut self, trailers: Option<HeaderMap>) -> Option<Result<Frame<Bytes>, BrokenBody>> {
        self.stage = Stage::Whole;
        self.free();
        trailers.map(|trailers| Ok(Frame::trailers(trailers)))
    }

    /// Reads more of a body: what is large comes in buffers of its own.
    fn poll_more(&mut self, cx: &mut Context<'_>, left: Option<u64>) -> Poll<usize> {
        let large = left.is_some_and(|left| left > READ as u64 / 2);
        if !large || !self.held.is_empty() {
            return self.poll_fill(cx);
        }
        let Some(io) = &mut self.io else { return Poll::Ready(0) };
        let mut buffer = BytesMut::with_capacity(READ);
        let read = ready!(pin!(io.read_buf(&mut buffer)).poll(cx)).unwrap_or(0);
        // A part keeps the whole buffer alive that it came in.
        self.held = if read < READ / 4 { BytesMut::from(&buffer[..]) } else { buffer };
        Poll::Ready(read)
    }

    /// Writes what is on its way.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Some(io) => self.out.poll_write(io, cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Writes what is on its way, the last of the connection, and the goodbye with it.
    pub(super) fn poll_last(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(io) = &mut self.io else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        io.cork();
        ready!(self.out.poll_hand_over(io, cx))?;
        io.poll_goodbye(cx)
    }
}
