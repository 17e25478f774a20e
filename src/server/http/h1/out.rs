//! What is on its way to a client.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// Bytes that are gathered before they are written, and parts that are written without being copied: from this size on.
const GATHERED: usize = 16 * 1024;
const LARGE: usize = 8 * 1024;

thread_local! {
    /// The buffer of whoever writes: most responses are gathered and written within one poll.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What is on its way to a client, in this order: gathered bytes, one large part, the bytes that end it.
#[derive(Debug, Default)]
pub(super) struct Out {
    gathered: Vec<u8>,
    /// How many of the gathered bytes are written.
    written: usize,
    part: Bytes,
    end: &'static [u8],
    unflushed: bool,
}

impl Out {
    /// Whether all of it is written.
    pub(super) fn is_empty(&self) -> bool {
        self.gathered.is_empty() && self.part.is_empty() && self.end.is_empty()
    }

    /// Whether more can be added before anything is written.
    pub(super) fn has_room(&self) -> bool {
        self.part.is_empty() && self.end.is_empty() && self.gathered.len() < GATHERED
    }

    /// Where bytes are gathered; only while there is room.
    pub(super) fn gather(&mut self) -> &mut Vec<u8> {
        if self.gathered.capacity() == 0 {
            self.gathered = SPARE.take();
        }
        &mut self.gathered
    }

    /// A part of a body, and what ends it.
    pub(super) fn add(&mut self, part: Bytes, end: &'static [u8]) {
        if part.len() < LARGE {
            let gathered = self.gather();
            gathered.extend_from_slice(&part);
            gathered.extend_from_slice(end);
        } else {
            (self.part, self.end) = (part, end);
        }
    }

    /// Writes all of it, and sees that nothing is held back below.
    pub(super) fn poll_write<I: AsyncWrite + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_hand_over(io, cx))?;
        if self.unflushed {
            ready!(Pin::new(&mut *io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes all of it. Something of it may be held back below, until that is flushed.
    pub(super) fn poll_hand_over<I: AsyncWrite + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let rest = &self.gathered[self.written..];
            let written = if self.part.is_empty() && self.end.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(cx, rest))?
            } else {
                let slices = [IoSlice::new(rest), IoSlice::new(&self.part), IoSlice::new(self.end)];
                let first = slices.iter().position(|slice| !slice.is_empty()).unwrap_or_default();
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices[first..]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.wrote(written);
        }
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, mut bytes: usize) {
        let rest = self.gathered.len() - self.written;
        self.written += bytes.min(rest);
        bytes -= bytes.min(rest);
        if self.written == self.gathered.len() {
            self.written = 0;
            self.gathered.clear();
            if self.gathered.capacity() > 0 && self.gathered.capacity() <= 2 * GATHERED {
                SPARE.set(std::mem::take(&mut self.gathered));
            } else {
                self.gathered = Vec::new();
            }
        }
        let part = bytes.min(self.part.len());
        self.part.advance(part);
        if self.part.is_empty() {
            // What it shared its memory with is not kept.
            self.part = Bytes::new();
        }
        self.end = &self.end[bytes - part..];
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn small_parts_are_gathered_large_ones_are_not_and_all_come_in_order() {
        for room in [1, 100, 1 << 20] {
            let (mut io, mut client) = tokio::io::duplex(room);
            let reading = async {
                let mut text = Vec::new();
                client.read_to_end(&mut text).await.unwrap();
                text
            };
            let writing = async {
                let mut out = Out::default();
                out.gather().extend_from_slice(b"head ");
                out.add(Bytes::from_static(b"small"), b"\r\n");
                assert!(out.has_room() && !out.is_empty());
                out.add(Bytes::from(vec![b'x'; LARGE]), b"\r\n");
                assert!(!out.has_room());
                poll_fn(|cx| out.poll_write(&mut io, cx)).await.unwrap();
                assert!(out.is_empty() && out.has_room());
                drop(io);
            };
            let (text, ()) = tokio::join!(reading, writing);
            assert_eq!(text, [&b"head small\r\n"[..], &[b'x'; LARGE], b"\r\n"].concat(), "{room}");
        }
    }
}
