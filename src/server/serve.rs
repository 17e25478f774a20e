//! The seam to the request handler.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;

use crate::proxy::{Client, ClientBody};
use crate::wire::{Request, Response};

/// Why the body of a response ends before its end, whoever makes it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Answers requests on one worker. Cloned per connection, so a clone is a reference count or two.
pub trait Serve: Clone + 'static {
    /// The body of its responses.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + 'static;

    /// Answers one request. Dropped when the client goes away before the response head.
    ///
    /// A panic in it is answered with 500, counted, and disturbs no other request.
    fn serve(&self, request: Request<ClientBody>, client: &Rc<Client>) -> impl Future<Output = Response<Self::Body>>;

    /// Nothing more is accepted, and what is still open after `grace` is cut: whatever would not end by itself must be told.
    fn retire(&self, grace: Duration) {
        let _ = grace;
    }

    /// Waits for what outlives its clients, once a worker that ends has no connection left; within its grace.
    fn settle(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// What runs beside the requests of a worker for as long as it lives: reaping idle connections, say.
    fn background(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
}
