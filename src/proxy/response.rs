//! The response body on its way to the client, and what is counted when it ends.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::flight::Flight;
use super::record::Record;
use super::recording::{Awaited, Recording, RequestBody};
use super::waits::Wait;
use crate::upstream::{self, ExchangeError};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body of a response: botgate's own, or a backend's.
pub struct ResponseBody(Kind);

enum Kind {
    Full(Option<Bytes>),
    /// Boxed: a response is moved a dozen times on its way to the connection.
    Relay(Box<Relay>),
}

/// A backend's body, with all that must happen when it ends.
pub(super) struct Relay {
    pub(super) incoming: upstream::Body<RequestBody>,
    pub(super) request_body: Option<Rc<Recording>>,
    pub(super) flight: Flight,
    pub(super) stream_timeout: Duration,
    /// Held while the body makes the client wait.
    pub(super) wait: Option<Wait>,
    /// What is kept for resends, until that is settled.
    pub(super) record: Option<Box<Record>>,
}

/// Why a response body ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The backend broke off.
    #[error("the backend broke off its response: {0}")]
    Broken(#[from] ExchangeError),
    /// The backend paused for too long.
    #[error("the backend paused its response for more than {0:?}")]
    Stalled(Duration),
}

impl ResponseBody {
    /// A body of botgate's own.
    pub(super) const fn full(bytes: Bytes) -> Self {
        Self(Kind::Full(Some(bytes)))
    }

    /// No body.
    pub(super) const fn empty() -> Self {
        Self(Kind::Full(None))
    }

    /// A backend's body.
    pub(super) fn relay(relay: Relay) -> Self {
        Self(Kind::Relay(Box::new(relay)))
    }

    /// Keeps what passes, from here on.
    pub(super) fn record(&mut self, record: Record) {
        if let Kind::Relay(relay) = &mut self.0 {
            relay.record = Some(Box::new(record));
        }
    }

    /// The client left; what it was owed is read for those who resend.
    pub(super) fn client_left(&mut self) {
        if let Kind::Relay(relay) = &mut self.0 {
            relay.flight.client_left();
        }
    }
}

impl Relay {
    /// The body has come to its end, and is kept.
    fn settle(&mut self) {
        if let Some(record) = self.record.take() {
            record.complete();
        }
    }

    /// No more of the body comes: what is known without the rest is kept.
    fn break_off(&mut self) {
        if let Some(record) = self.record.take() {
            record.broken_off();
        }
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        self.record = self.record.take().and_then(|record| record.take_in(frame));
        // Nobody asks on after the last byte of a body whose length is known.
        if self.incoming.is_end_stream() {
            self.settle();
        }
    }

    /// Reads the rest of a body whose client left, as far as it is kept.
    async fn read_on(mut self) {
        let limit = self.flight.patience();
        let read = poll_fn(|cx| {
            while self.record.is_some() {
                ready!(self.poll(cx));
            }
            Poll::Ready(())
        });
        let _ = tokio::time::timeout(limit, read).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        if let Poll::Ready(mut frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            self.wait = None;
            if let Some(Ok(frame)) = &mut frame
                && let Some(trailers) = frame.trailers_mut()
            {
                super::trailers::strip(trailers);
            }
            if matches!(&frame, Some(Err(_))) {
                // Asked once more, it says that this was all.
                self.break_off();
            }
            match &frame {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.flight.sent(data.len());
                    }
                    self.keep(frame);
                }
                // A client whose own body broke off took the backend's answer with it.
                Some(Err(_)) if self.request_body.as_ref().is_some_and(|body| body.fault().is_some()) => {}
                Some(Err(_)) => self.flight.broken(),
                None => {
                    self.flight.complete();
                    self.settle();
                }
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(StreamError::Broken)));
        }
        let wait = self.wait.get_or_insert_with(|| self.flight.wait_for_part(self.stream_timeout));
        ready!(wait.poll(cx));
        // A backend may wait for the rest of the request before it goes on.
        if !self.request_body.as_ref().is_some_and(|body| matches!(body.awaits(), Awaited::Client(_))) {
            self.flight.broken();
        }
        self.break_off();
        Poll::Ready(Some(Err(StreamError::Stalled(self.stream_timeout))))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.break_off();
        // Nobody asks on after the last byte of a body whose length is known.
        if self.incoming.is_end_stream() {
            self.flight.complete();
        }
        let request_ended = self.request_body.as_ref().is_none_or(|body| body.has_ended());
        if self.flight.is_complete() && request_ended {
            self.incoming.give_back(self.flight.now());
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if matches!(&self.0, Kind::Relay(relay) if relay.record.is_some())
            && let Kind::Relay(mut relay) = std::mem::replace(&mut self.0, Kind::Full(None))
        {
            relay.flight.client_left();
            relay.flight.worker().go_on(relay.read_on());
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        match &mut self.0 {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Relay(relay) => relay.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(bytes) => bytes.is_none(),
            Kind::Relay(relay) => relay.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Relay(relay) => relay.incoming.size_hint(),
        }
    }
}
