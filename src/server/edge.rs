//! The outermost part of every request, as a tower layer around the handler: it is counted as under way, and a panic in it is
//! caught.
//!
//! tower-http's own `CatchPanic` boxes every response body, which must then be `Send`; the bodies here are not, and are not
//! boxed. Nor are the futures: each layer's has a name.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use tower::{Layer, Service};

use super::activity::{Activity, UnderWay};
use super::serve::BoxError;
use crate::proxy::Client;
use crate::telemetry::{ListenerStats, WorkerId};
use crate::wire::{Known, Request, Response};

/// What the requests of one connection share.
pub(super) struct Shared {
    pub(super) client: Rc<Client>,
    pub(super) activity: Rc<Activity>,
    pub(super) stats: Arc<ListenerStats>,
    pub(super) worker: WorkerId,
    /// `Strict-Transport-Security`, where the listener has it.
    pub(super) hsts: Option<HeaderValue>,
}

/// Wraps the handler of one connection in its edge.
pub(super) struct EdgeLayer(pub(super) Rc<Shared>);

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge { inner, shared: self.0.clone() }
    }
}

/// A handler within its edge.
#[derive(Clone)]
pub(super) struct Edge<S> {
    inner: S,
    shared: Rc<Shared>,
}

impl<S, T, B> Service<Request<T>> for Edge<S>
where
    S: Service<Request<T>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<EdgeBody<B>>;
    type Error = Infallible;
    type Future = EdgeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<T>) -> Self::Future {
        EdgeFuture {
            under_way: Some(self.shared.activity.request_begun()),
            shared: self.shared.clone(),
            inner: self.inner.call(request),
        }
    }
}

pin_project_lite::pin_project! {
    /// A request in the handler.
    pub(super) struct EdgeFuture<F> {
        #[pin]
        inner: F,
        // Taken by the response.
        under_way: Option<UnderWay>,
        shared: Rc<Shared>,
    }
}

impl<F, B> Future for EdgeFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<EdgeBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match catch_unwind(AssertUnwindSafe(|| this.inner.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => response.map(Either::Left),
            Err(_) => {
                this.shared.stats.cells.of(this.shared.worker).panics.increment();
                this.shared.activity.panic();
                // The panic hook has said what and where.
                tracing::error!(peer = %this.shared.client.peer, "a request panicked; its client was answered 500");
                panic_response().map(Either::Right)
            }
        };
        if let Some(hsts) = &this.shared.hsts {
            // One field, in place of what a backend may have said (RFC 6797, section 7.1).
            response.fields.put(Known::StrictTransportSecurity, hsts.clone());
        }
        // A future that has ended is not polled again: it is always there.
        let under_way = this.under_way.take().unwrap_or_else(|| this.shared.activity.request_begun());
        Poll::Ready(Ok(response.map(|body| EdgeBody { body, under_way })))
    }
}

fn panic_response() -> Response<Full<Bytes>> {
    let problem = r#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"the gateway failed to handle this request; this is a bug of the gateway, not of the bot"}"#;
    let mut response = Response::new(Full::new(Bytes::from_static(problem.as_bytes())));
    response.status = StatusCode::INTERNAL_SERVER_ERROR;
    response.fields.append(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

pin_project_lite::pin_project! {
    /// A response body; its request is under way until it is dropped.
    pub(super) struct EdgeBody<B> {
        #[pin]
        body: Either<B, Full<Bytes>>,
        under_way: UnderWay,
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Body for EdgeBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        this.under_way.asked();
        let frame = this.body.poll_frame(cx);
        if matches!(frame, Poll::Ready(Some(Ok(_)))) {
            this.under_way.handed_out();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
