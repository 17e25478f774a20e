//! The outermost part of every request: it is counted as under way, a panic in it is caught, and while draining an
//! HTTP/1 client is told to connect anew.
//!
//! A tower stack would box the future of every request (its `Future` must have a name) and clone the stack per call;
//! these few lines do neither.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::body::Incoming;

use super::activity::{Activity, UnderWay};
use super::serve::{BoxError, Serve};
use crate::proxy::Client;
use crate::telemetry::{ListenerStats, WorkerId};

/// What answers the requests of one connection.
pub(super) struct Edge<S> {
    pub(super) serve: S,
    pub(super) client: Rc<Client>,
    pub(super) activity: Arc<Activity>,
    pub(super) stats: Arc<ListenerStats>,
    pub(super) worker: WorkerId,
}

impl<S: Serve> Edge<S> {
    pub(super) async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Answer<S::Body> {
        let under_way = self.activity.request_begun();
        let version = request.version();
        let served = AssertUnwindSafe(self.serve.serve(request, &self.client)).catch_unwind().await;
        let panicked = served.is_err();
        let mut response = match served {
            Ok(response) => response.map(Either::Left),
            Err(_) => {
                self.stats.cells.of(self.worker).panics.increment();
                // The panic hook has said what and where.
                tracing::error!(peer = %self.client.peer, "a request panicked; its client was answered 500");
                panic_response().map(Either::Right)
            }
        };
        let kept = version >= Version::HTTP_2 || response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if !kept && (panicked || self.activity.draining()) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| EdgeBody { body, under_way }))
    }
}

type Answer<B> = Result<Response<EdgeBody<B>>, Infallible>;

fn panic_response() -> Response<Full<Bytes>> {
    let problem = r#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"the gateway failed to handle this request; this is a bug of the gateway, not of the bot"}"#;
    let mut response = Response::new(Full::new(Bytes::from_static(problem.as_bytes())));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
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
