//! One HTTP/1 connection: a request is read, answered, and followed by the next, in the task of the connection.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, StatusCode, Version};

use super::encode::{self, Asked};
use super::response::Outgoing;
use super::shared::{Came, Shared, Stage, Upgrade};
use crate::proxy::{ClientBody, End, Http1Body, Http1Source, refused_head};
use crate::server::edge;
use crate::server::http::{Handle, Io, ResponseBody};
use crate::server::linger::Linger;
use crate::wire::h1::{Fault, Limits, RequestHead};
use crate::wire::{Known, Request, Response};

/// Bytes of an unread request body that are thrown away so that the connection can be kept, if they are there.
const MOST_UNREAD: usize = 64 * 1024;

/// A connection, and what it is about.
pub(super) struct Connection<I, S: Handle<B>, B> {
    shared: Rc<Shared<I>>,
    service: S,
    edge: Rc<edge::Shared>,
    state: State<S::Future, B>,
    /// Of the present request.
    asked: Asked,
    /// Whether its client takes trailers.
    trailers: bool,
    /// Whether another request may follow it.
    keeps: bool,
}

/// What is done.
enum State<F, B> {
    /// The next head is read.
    Reading,
    /// The request is answered. Boxed: a connection that idles has no room for it.
    Answering(Pin<Box<F>>),
    /// The response goes out.
    Responding(Box<Outgoing<B>>),
    /// The response is out; of the request, somebody still reads the body.
    Reads,
    /// The last of the connection goes out; whether what still comes is read for a while.
    Ending {
        lingers: bool,
    },
    /// It is shut.
    Lingering(Linger),
    /// A 101 goes out.
    Switching,
    /// It broke in the middle of a response.
    Broken(io::Error),
    Over,
}

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// In good order, or its client left.
    Closed,
    /// In the middle of a response.
    Broken(io::Error),
}

impl<I: Io, S: Handle<B>, B: ResponseBody> Connection<I, S, B> {
    pub(super) fn new(io: I, limits: Limits, service: S, edge: Rc<edge::Shared>) -> Self {
        let (asked, state) = (Asked::default(), State::Reading);
        let shared = Rc::new(Shared::new(io, limits));
        Self { shared, service, edge, state, asked, trailers: false, keeps: false }
    }

    /// Whether it waits for a request, or for the rest of one that is answered.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Reading | State::Reads)
    }

    /// Whether it has begun to end.
    pub(super) const fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending { .. } | State::Lingering(_) | State::Over)
    }

    /// Ends it now, while it is idle.
    pub(super) fn finish(&mut self) {
        self.state = State::Ending { lingers: false };
    }

    /// Ends it with these last words.
    pub(super) fn say(&mut self, words: &[u8], lingers: bool) {
        self.shared.half.borrow_mut().out.gather().extend_from_slice(words);
        self.state = State::Ending { lingers };
    }

    /// Goes on as far as it can.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        self.shared.driven_by(cx);
        let polled = self.poll_on(cx);
        self.shared.driven();
        polled
    }

    fn poll_on(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            match &mut self.state {
                State::Reading => {
                    let activity = &self.edge.activity;
                    let came = self.shared.half.borrow_mut().poll_head(cx, || activity.bytes_read());
                    match ready!(came) {
                        Came::Head(head) => self.begin(head, cx),
                        Came::Fault(fault) => self.refuse(fault),
                        Came::End => self.finish(),
                    }
                }
                State::Answering(answering) => match answering.as_mut().poll(cx) {
                    Poll::Ready(Ok(response)) => {
                        self.state = State::Over;
                        self.respond(response, cx);
                    }
                    Poll::Pending => {
                        let mut half = self.shared.half.borrow_mut();
                        let told = half.poll_write(cx);
                        if matches!(told, Poll::Ready(Err(_))) || half.poll_left(cx).is_ready() {
                            return Poll::Ready(Ended::Closed);
                        }
                        return Poll::Pending;
                    }
                },
                State::Responding(outgoing) => match outgoing.poll(&self.shared, cx) {
                    Poll::Ready(Ok(())) => {
                        let closes = outgoing.closes;
                        self.responded(closes);
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Ended::Broken(error)),
                    Poll::Pending => {
                        if self.shared.half.borrow_mut().poll_left(cx).is_ready() {
                            return Poll::Ready(Ended::Closed);
                        }
                        return Poll::Pending;
                    }
                },
                State::Reads => {
                    self.responded(false);
                    if matches!(self.state, State::Reads) {
                        return Poll::Pending;
                    }
                }
                State::Ending { lingers } => {
                    let lingers = *lingers;
                    let mut half = self.shared.half.borrow_mut();
                    let told = ready!(half.poll_write(cx));
                    let Some(io) = &mut half.io else { return Poll::Ready(Ended::Closed) };
                    let shut = match told {
                        Ok(()) => ready!(Pin::new(io).poll_shutdown(cx)),
                        Err(error) => Err(error),
                    };
                    drop(half);
                    if shut.is_err() || !lingers {
                        return Poll::Ready(Ended::Closed);
                    }
                    self.state = State::Lingering(Linger::begin());
                }
                State::Lingering(linger) => {
                    if let Some(io) = &mut self.shared.half.borrow_mut().io {
                        ready!(linger.poll(io, cx));
                    }
                    return Poll::Ready(Ended::Closed);
                }
                State::Switching => {
                    let told = ready!(self.shared.half.borrow_mut().poll_write(cx));
                    if told.is_ok() {
                        self.hand_over();
                    }
                    return Poll::Ready(Ended::Closed);
                }
                State::Broken(_) => {
                    let State::Broken(error) = std::mem::replace(&mut self.state, State::Over) else { continue };
                    return Poll::Ready(Ended::Broken(error));
                }
                State::Over => return Poll::Ready(Ended::Closed),
            }
        }
    }

    /// A request begins.
    fn begin(&mut self, head: RequestHead, cx: &mut Context<'_>) {
        let RequestHead { head, keeps, trailers, .. } = head;
        self.asked = Asked { head: head.method == Method::HEAD, http10: head.version == Version::HTTP_10 };
        (self.keeps, self.trailers) = (keeps, trailers);
        let (has_body, upgrades) = {
            let half = self.shared.half.borrow();
            (!matches!(half.stage, Stage::Whole), !matches!(half.upgrade, Upgrade::No))
        };
        let body = if has_body || upgrades {
            let source: Rc<dyn Http1Source> = self.shared.clone();
            ClientBody::Http1(Http1Body::new(source, self.shared.present.get()))
        } else {
            ClientBody::Empty
        };
        // It has no limit of its own: what limits requests stands behind it.
        let _: Poll<Result<(), Infallible>> = self.service.poll_ready(cx);
        self.state = State::Answering(Box::pin(self.service.call(Request { head, body })));
    }

    /// The next head is no request.
    fn refuse(&mut self, fault: Fault) {
        self.edge.stats.cells.of(self.edge.worker).refused.increment();
        tracing::debug!(fault = fault.as_str(), request = self.shared.present.get() + 1, "refused a malformed head");
        self.say(&refused_head(fault), true);
    }

    /// The request is answered.
    fn respond(&mut self, mut response: Response<B>, cx: &mut Context<'_>) {
        // No handler has an interim response to give.
        if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS {
            response.status = StatusCode::INTERNAL_SERVER_ERROR;
            self.keeps = false;
        }
        let mut half = self.shared.half.borrow_mut();
        // Nobody is told to go on any more.
        half.expects = false;
        if response.status == StatusCode::SWITCHING_PROTOCOLS && matches!(half.upgrade, Upgrade::Wanted(_)) {
            let length = Some(0);
            let coding = encode::coding(response.status, &response.fields, length, self.asked);
            encode::head(half.out.gather(), response.status, &response.fields, coding, length, self.asked, false);
            self.state = State::Switching;
            return;
        }
        half.upgrade = Upgrade::No;
        // A small rest of a body that nobody wants costs less than another connection.
        if self.shared.let_go.get() && matches!(half.stage, Stage::Body(_)) {
            let mut left = MOST_UNREAD;
            while let Poll::Ready(Some(Ok(part))) = half.poll_part(cx)
                && left > 0
            {
                left = left.saturating_sub(part.data_ref().map_or(0, Bytes::len));
            }
        }
        let unread = match half.stage {
            Stage::Body(_) => self.shared.let_go.get(),
            Stage::Broken | Stage::Head => true,
            Stage::Whole => false,
        };
        let activity = &self.edge.activity;
        // The handler asks for the end of a connection only when it did not read the request to its end.
        if response.fields.has(Known::Connection) || unread {
            activity.refuse();
        }
        let keeps = self.keeps && !activity.refused() && !activity.draining() && !activity.panicked();
        drop(half);
        let mut outgoing = Outgoing::begin(&self.shared, response, self.asked, self.trailers, keeps);
        // Most are out at once.
        match outgoing.poll(&self.shared, cx) {
            Poll::Ready(Ok(())) => self.responded(outgoing.closes),
            Poll::Ready(Err(error)) => self.state = State::Broken(error),
            Poll::Pending => self.state = State::Responding(Box::new(outgoing)),
        }
    }

    /// The response is out.
    fn responded(&mut self, closes: bool) {
        let (whole, comes) = match self.shared.half.borrow().stage {
            Stage::Whole => (true, false),
            Stage::Body(_) => (false, !self.shared.let_go.get()),
            Stage::Broken | Stage::Head => (false, false),
        };
        if whole && !closes && !self.edge.activity.panicked() {
            self.shared.over();
            self.shared.half.borrow_mut().stage = Stage::Head;
            self.state = State::Reading;
        } else if comes && !closes {
            self.state = State::Reads;
        } else {
            let lingers = self.edge.activity.refused() || !whole;
            // The goodbye went with a response that closes; then there is only the socket to be closed.
            self.state = if closes && !lingers { State::Over } else { State::Ending { lingers } };
        }
    }

    /// The socket is the tunnel's.
    fn hand_over(&mut self) {
        let upgrade = std::mem::replace(&mut self.shared.half.borrow_mut().upgrade, Upgrade::No);
        if let Upgrade::Wanted(sender) = upgrade
            && let Some((io, ahead)) = self.shared.close()
        {
            // Who asked for it may have left since: then it is closed.
            let _ = sender.send(End::new(Box::new(io), ahead));
        }
    }
}

impl<I, S: Handle<B>, B> Drop for Connection<I, S, B> {
    fn drop(&mut self) {
        // The body of a request can outlive its connection, the socket cannot.
        drop(self.shared.close());
    }
}
