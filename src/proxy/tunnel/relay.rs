//! Both directions of a tunnel: bytes pass unchanged, as they come and no faster than they are taken.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::way::Way;
use crate::model::{Moment, Side, TunnelEnd};

const CLIENT: usize = 0;
const BACKEND: usize = 1;

/// Two ends, and what goes from each to the other. Holds no buffer but what one of them did not take at once: reading
/// goes into a buffer that all tunnels of a worker share, and what was read is written before anything more is read.
pub(super) struct Relay<S> {
    /// The client's end and the backend's.
    ends: [S; 2],
    /// From the client, and from the backend.
    ways: [Way; 2],
    /// An end that cannot be written to any more.
    deaf: [bool; 2],
    /// How long the closing may take from its beginning.
    grace: Duration,
    /// When it is over at the latest; none: it has not begun.
    until: Option<Moment>,
    /// Who or what ended it, or began to.
    end: Option<TunnelEnd>,
    /// Whether any byte came since it was asked last.
    moved: bool,
    /// Whether something changed by which the other direction may go on.
    changed: bool,
}

const fn end_of(side: usize) -> TunnelEnd {
    if side == CLIENT { TunnelEnd::Client } else { TunnelEnd::Backend }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Relay<S> {
    /// Joins a client's end and a backend's.
    pub(super) fn new(client: S, backend: S, websocket: bool, grace: Duration) -> Self {
        Self {
            ends: [client, backend],
            ways: [Way::new(Side::Client, websocket), Way::new(Side::Backend, websocket)],
            deaf: [false; 2],
            grace,
            until: None,
            end: None,
            moved: false,
            changed: false,
        }
    }

    /// Ends it: by a Close to either end at the next border of a frame, and what it then answers within the grace.
    /// Without frames, by the end of both streams. Only the first reason counts.
    pub(super) fn close(&mut self, end: TunnelEnd, now: Moment) {
        let end = *self.end.get_or_insert(end);
        self.until.get_or_insert(now + self.grace);
        for way in &mut self.ways {
            way.say_goodbye(end);
        }
        self.changed = true;
    }

    /// When it is over at the latest; none: it is not being closed.
    pub(super) const fn until(&self) -> Option<Moment> {
        self.until
    }

    /// Who or what ended it.
    pub(super) const fn end(&self) -> Option<TunnelEnd> {
        self.end
    }

    /// Bytes that were passed on: from the client, and to it.
    pub(super) const fn bytes(&self) -> (u64, u64) {
        (self.ways[CLIENT].bytes, self.ways[BACKEND].bytes)
    }

    /// Whether any byte came since this was asked last.
    pub(super) const fn has_moved(&mut self) -> bool {
        std::mem::replace(&mut self.moved, false)
    }

    /// Goes on as far as both ends allow; ready when it is over. `buffer` is only used within the call.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Moment, buffer: &mut [u8]) -> Poll<()> {
        loop {
            self.changed = false;
            for from in [CLIENT, BACKEND] {
                self.poll_way(from, cx, now, buffer);
            }
            if self.until.is_none() && self.ways[CLIENT].is_over() && self.ways[BACKEND].is_over() {
                // Both have said their last: nothing is left but that they close.
                self.until = Some(now + self.grace);
                self.changed = true;
            }
            let gone = |side: usize| self.ways[side].has_ended() && (self.ways[1 - side].shut || self.deaf[side]);
            if (gone(CLIENT) && gone(BACKEND)) || self.until.is_some_and(|until| now >= until) {
                return Poll::Ready(());
            }
            if !self.changed {
                return Poll::Pending;
            }
        }
    }

    fn poll_way(&mut self, from: usize, cx: &mut Context<'_>, now: Moment, buffer: &mut [u8]) {
        let to = 1 - from;
        loop {
            let written = self.poll_write(from, cx, now);
            if written && !self.ways[from].shut && !self.deaf[to] && self.is_done_towards(to) {
                if Pin::new(&mut self.ends[to]).poll_shutdown(cx).is_ready() {
                    self.ways[from].shut = true;
                    self.changed = true;
                } else if self.ways[from].has_ended() {
                    return;
                }
            }
            let discards = self.ways[from].discards() || self.deaf[to];
            if self.ways[from].has_ended() || !(written || discards) {
                return;
            }
            let mut read = ReadBuf::new(buffer);
            match Pin::new(&mut self.ends[from]).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    let length = read.filled().len();
                    self.pass(from, &buffer[..length], cx, now);
                }
                Poll::Ready(Ok(())) => self.ended(from, self.deaf[from], now),
                Poll::Ready(Err(_)) => {
                    self.deafen(from, now);
                    self.ended(from, true, now);
                }
                Poll::Pending => {
                    self.poll_flush(from, cx, now);
                    return;
                }
            }
        }
    }

    /// Whether nothing more comes for this end.
    fn is_done_towards(&self, to: usize) -> bool {
        let way = &self.ways[1 - to];
        way.is_spent() || (self.until.is_some() && way.is_final() && self.ways[to].is_heard())
    }

    /// An end sends no more. By half a close the other direction goes on; a WebSocket that ends without a Close of its
    /// sender gets one from botgate. One that broke off ends both.
    fn ended(&mut self, from: usize, broken: bool, now: Moment) {
        let end = *self.end.get_or_insert(end_of(from));
        self.changed = true;
        self.ways[from].end();
        if self.ways[1 - from].is_over() {
            // The other end has sent its Close and waits for no reason: one of botgate's would be taken for the answer.
            self.ways[from].fall_silent();
        }
        if broken {
            self.close(end, now);
        } else {
            self.ways[from].say_goodbye(end);
        }
    }

    /// An end cannot be written to. What it had sent before is still read.
    fn deafen(&mut self, side: usize, now: Moment) {
        self.end.get_or_insert(end_of(side));
        self.until.get_or_insert(now + self.grace);
        self.deaf[side] = true;
        self.ways[1 - side].forget();
        self.changed = true;
    }

    fn pass(&mut self, from: usize, bytes: &[u8], cx: &mut Context<'_>, now: Moment) {
        self.moved = true;
        let was = (self.ways[from].is_closing(), self.ways[from].is_heard());
        let (held, on) = self.ways[from].take(bytes);
        if !held.bytes().is_empty() {
            self.ways[from].keep(held.bytes());
            self.poll_write(from, cx, now);
        }
        let mut rest = on;
        while !rest.is_empty() && !self.deaf[1 - from] && self.ways[from].waiting().is_empty() {
            match Pin::new(&mut self.ends[1 - from]).poll_write(cx, rest) {
                Poll::Ready(Ok(length)) if length > 0 => {
                    rest = &rest[length..];
                    self.ways[from].unflushed = true;
                }
                Poll::Ready(_) => self.deafen(1 - from, now),
                Poll::Pending => self.ways[from].keep(std::mem::take(&mut rest)),
            }
        }
        if !self.deaf[1 - from] {
            self.ways[from].keep(rest);
        }
        self.ways[from].passed();
        let way = &self.ways[from];
        if way.is_broken() && !was.1 {
            self.end.get_or_insert(TunnelEnd::Protocol);
            self.close(TunnelEnd::Protocol, now);
        } else if was != (way.is_closing(), way.is_heard()) {
            self.end.get_or_insert(end_of(from));
            self.changed = true;
        }
    }

    /// Writes what waits; whether nothing does any more.
    fn poll_write(&mut self, from: usize, cx: &mut Context<'_>, now: Moment) -> bool {
        if self.deaf[1 - from] {
            self.ways[from].forget();
        }
        while !self.ways[from].waiting().is_empty() {
            match Pin::new(&mut self.ends[1 - from]).poll_write(cx, self.ways[from].waiting()) {
                Poll::Ready(Ok(length)) if length > 0 => self.ways[from].wrote(length),
                Poll::Ready(_) => self.deafen(1 - from, now),
                Poll::Pending => return false,
            }
        }
        true
    }

    fn poll_flush(&mut self, from: usize, cx: &mut Context<'_>, now: Moment) {
        if self.ways[from].unflushed && !self.deaf[1 - from] {
            match Pin::new(&mut self.ends[1 - from]).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.ways[from].unflushed = false,
                Poll::Ready(Err(_)) => self.deafen(1 - from, now),
                Poll::Pending => {}
            }
        }
    }
}
