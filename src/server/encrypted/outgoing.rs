//! Records that were sealed and are not yet written.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::spare::{self, WRITE};
use crate::tls::session::Fault;

#[derive(Default)]
pub(super) struct Outgoing {
    /// Records of data. Nothing is sealed before they are written.
    records: Vec<u8>,
    unwritten: Range<usize>,
    /// Short messages, to be written behind them.
    short: Vec<u8>,
    /// So many bytes of them, at their front, can wait for what is written next.
    patient: usize,
}

impl Outgoing {
    /// Begins with short messages that can wait for what is written next, and go out with it.
    pub(super) fn of(patient: Vec<u8>) -> Self {
        Self { patient: patient.len(), short: patient, ..Self::default() }
    }

    /// Whether a short message waits that cannot, and for which nobody else will come.
    pub(super) fn owes(&self) -> bool {
        self.short.len() > self.patient
    }

    /// Whether records of data wait: who wrote them is woken for them, and writes what is behind them too.
    pub(super) fn is_awaited(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Where short messages are added.
    pub(super) fn behind(&mut self) -> &mut Vec<u8> {
        &mut self.short
    }

    /// Has records written into a large buffer from some place on, once there is nothing that waits but what can.
    pub(super) fn fill(
        &mut self,
        seal: impl FnOnce(&mut Vec<u8>, usize) -> Result<(usize, usize), Fault>,
    ) -> Result<usize, Fault> {
        let mut large = spare::for_writing();
        let before = self.short.len();
        large[..before].copy_from_slice(&self.short);
        match seal(&mut large, before) {
            Ok((taken, length)) => {
                (self.records, self.unwritten) = (large, 0..length);
                (self.short, self.patient) = (Vec::new(), 0);
                Ok(taken)
            }
            Err(fault) => {
                spare::give_back(large);
                Err(fault)
            }
        }
    }

    /// Writes what waits. Ready when there is nothing more, but for what can wait.
    pub(super) fn poll(&mut self, io: &mut (impl AsyncWrite + Unpin), cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_records(io, cx))?;
        if self.owes() { self.poll_short(io, cx) } else { Poll::Ready(Ok(())) }
    }

    /// Writes all that waits.
    pub(super) fn poll_all(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.patient = 0;
        self.poll(io, cx)
    }

    fn poll_records(&mut self, io: &mut (impl AsyncWrite + Unpin), cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            let records = &self.records[self.unwritten.clone()];
            let length = if self.short.is_empty() {
                written(ready!(Pin::new(&mut *io).poll_write(cx, records))?)?
            } else {
                let both = [IoSlice::new(records), IoSlice::new(&self.short)];
                written(ready!(Pin::new(&mut *io).poll_write_vectored(cx, &both))?)?
            };
            let of_records = length.min(records.len());
            self.unwritten.start += of_records;
            self.short.drain(..length - of_records);
        }
        if !self.records.is_empty() {
            spare::give_back(std::mem::take(&mut self.records));
            if self.short.is_empty() {
                self.short = Vec::new();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_short(&mut self, io: &mut (impl AsyncWrite + Unpin), cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.patient = 0;
        while !self.short.is_empty() {
            let length = written(ready!(Pin::new(&mut *io).poll_write(cx, &self.short))?)?;
            self.short.drain(..length);
            if self.short.is_empty() {
                self.short = Vec::new();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes that are taken from the others.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.records.capacity() + self.short.capacity()
    }

    /// The socket takes no more at present: gives the large buffer back where less than half of it waits.
    pub(super) fn park(&mut self) {
        if self.unwritten.len() <= WRITE / 2 && self.records.len() == WRITE {
            let few = self.records[self.unwritten.clone()].to_vec();
            self.unwritten = 0..few.len();
            spare::give_back(std::mem::replace(&mut self.records, few));
        }
    }
}

fn written(length: usize) -> io::Result<usize> {
    if length == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(length) }
}
