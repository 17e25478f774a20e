//! The requests under way on one connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;

use super::super::ResponseBody;
use super::exchange::Exchange;
use super::novel::Novel;
use super::ready::{Handle, Ready};
use crate::wire::Response;

/// Places that stay when nothing is under way.
const FEW: usize = 16;

/// Requests in numbered places, which are used again.
pub(super) struct Requests<F, B> {
    ready: Arc<Ready>,
    /// The number of the first place.
    first: u32,
    places: Vec<Place<F, B>>,
    free: Vec<u32>,
    novel: Novel,
}

struct Place<F, B> {
    handle: Handle,
    exchange: Option<Exchange<F, B>>,
}

/// A request panicked, and is gone.
pub(super) struct Panicked;

impl<F, B> Requests<F, B> {
    /// None yet; their places are woken by numbers from `first` on.
    pub(super) fn new(ready: &Arc<Ready>, first: u32) -> Self {
        Self { ready: ready.clone(), first, places: Vec::new(), free: Vec::new(), novel: Novel::default() }
    }

    /// Begins a request: it is polled when its turn comes.
    pub(super) fn begin(&mut self, handler: Pin<Box<F>>, respond: SendResponse<Bytes>) {
        let at = self.free.pop().unwrap_or_else(|| {
            let at = self.places.len() as u32;
            self.places.push(Place { handle: Handle::new(&self.ready, self.first + at), exchange: None });
            at
        });
        if let Some(place) = self.places.get_mut(at as usize) {
            place.exchange = Some(Exchange::Asked { handler, respond });
            place.handle.waker.wake_by_ref();
        }
    }
}

impl<F, B, E> Requests<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: ResponseBody + Unpin,
{
    /// Goes on with the request whose place was woken.
    ///
    /// # Errors
    /// [`Panicked`]: the others are as they were.
    pub(super) fn poll(&mut self, number: u32) -> Result<(), Panicked> {
        let at = number - self.first;
        // A waker may outlive its place, and the request that it was for.
        let Some(place) = self.places.get_mut(at as usize) else { return Ok(()) };
        place.handle.polled();
        let Some(exchange) = &mut place.exchange else { return Ok(()) };
        let mut cx = Context::from_waker(&place.handle.waker);
        let novel = &mut self.novel;
        let polled = catch_unwind(AssertUnwindSafe(|| exchange.poll(novel, &mut cx)));
        if matches!(polled, Ok(Poll::Pending)) {
            return Ok(());
        }
        place.exchange = None;
        self.free.push(at);
        if self.free.len() == self.places.len() && self.places.len() > FEW {
            // What a crowd needed is not kept for who is left.
            (self.places, self.free) = (Vec::new(), Vec::new());
        }
        polled.map(drop).map_err(|_| Panicked)
    }
}
