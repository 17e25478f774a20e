//! What has come and was not yet read: what is left of a record that was opened, and records that are still sealed.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::spare::{self, READ};

/// Bytes that are moved to a buffer of their own rather than kept in a large one.
const FEW: usize = 1024;

#[derive(Default)]
pub(super) struct Incoming {
    /// Opened data that the reader had no room for: less than a record.
    data: Vec<u8>,
    /// Bytes of it that were read.
    read: usize,
    buffer: Vec<u8>,
    sealed: Range<usize>,
}

impl Incoming {
    /// Begins with these opened data, and sealed bytes.
    pub(super) fn of(buffer: Vec<u8>, data: Vec<u8>) -> Self {
        Self { data, read: 0, sealed: 0..buffer.len(), buffer }
    }

    /// Gives opened data that are left to the reader, as much as it has room for.
    pub(super) fn hand_over(&mut self, buf: &mut ReadBuf<'_>) {
        let left = &self.data[self.read..];
        let length = left.len().min(buf.remaining());
        if length > 0 {
            buf.put_slice(&left[..length]);
            self.read += length;
            if self.read == self.data.len() {
                (self.data, self.read) = (Vec::new(), 0);
            }
        }
    }

    /// The records that are still sealed; and where a record's data go that the reader has no room for.
    pub(super) fn open(&mut self) -> (&mut [u8], &mut Vec<u8>) {
        (&mut self.buffer[self.sealed.clone()], &mut self.data)
    }

    /// The records that are still sealed.
    pub(super) fn sealed(&mut self) -> &mut [u8] {
        &mut self.buffer[self.sealed.clone()]
    }

    /// So many bytes of them are not needed any more.
    pub(super) fn opened(&mut self, length: usize) {
        self.sealed.start += length;
    }

    /// Reads from the socket, behind a record that is not there whole. How many bytes; none at the end of the stream.
    pub(super) fn poll_fill(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.buffer.len() == READ {
            if self.sealed.start > 0 {
                self.buffer.copy_within(self.sealed.clone(), 0);
            }
        } else {
            let mut large = spare::for_reading();
            // What was left of a handshake may be longer than what is read at once.
            let wanted = self.sealed.len().saturating_add(READ / 2);
            if large.len() < wanted {
                large.resize(wanted, 0);
            }
            large[..self.sealed.len()].copy_from_slice(&self.buffer[self.sealed.clone()]);
            self.buffer = large;
        }
        self.sealed = 0..self.sealed.len();
        let mut room = ReadBuf::new(&mut self.buffer[self.sealed.end..]);
        ready!(Pin::new(io).poll_read(cx, &mut room))?;
        let length = room.filled().len();
        self.sealed.end += length;
        Poll::Ready(Ok(length))
    }

    /// Nothing comes at present: gives the large buffer back.
    pub(super) fn park(&mut self) {
        if self.sealed.is_empty() {
            self.drop_sealed();
        } else if self.buffer.len() == READ {
            let few = self.sealed().to_vec();
            self.sealed = 0..few.len();
            spare::give_back(std::mem::replace(&mut self.buffer, few));
        }
    }

    /// The reader has something to do: gives the large buffer back where little or nothing is left in it.
    pub(super) fn tidy(&mut self) {
        if self.sealed.len() <= FEW {
            self.park();
        }
    }

    /// Bytes that are taken from the others.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.buffer.capacity() + self.data.capacity()
    }

    /// Nothing of it is read any more.
    pub(super) fn clear(&mut self) {
        (self.data, self.read) = (Vec::new(), 0);
        self.drop_sealed();
    }

    fn drop_sealed(&mut self) {
        self.sealed = 0..0;
        spare::give_back(std::mem::take(&mut self.buffer));
    }
}
