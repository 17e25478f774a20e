//! HTTP/2 by hyper: what a script can do within a stream.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;

use super::io::{Stream, reset_on_close};
use super::seen::{Seen, hash};
use super::{Answer, Behaviour, Cut, Health, Shared};
use crate::support::client::Body;

type Error = std::io::Error;

/// Serves one connection until it closes or is cut.
pub(super) async fn serve<S: Stream>(stream: S, shared: &Arc<Shared>, cut: &CancellationToken) {
    reset_on_close(stream.tcp());
    let service = service_fn(|request| {
        let shared = Arc::clone(shared);
        async move { exchange(request, &shared).await }
    });
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    // The library takes many small frames that nobody has read yet for a flood, by a budget of half this window; a test that
    // has a busy machine to itself reads late.
    builder.initial_connection_window_size(64 << 20);
    let connection = builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = connection => {}
        () = cut.cancelled() => {}
    }
}

/// Notes that the peer went away when it is dropped before `kept`.
struct Due<'a> {
    shared: &'a Shared,
    kept: bool,
}

impl Drop for Due<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.shared.log.note_gone();
        }
    }
}

async fn exchange(request: Request<Incoming>, shared: &Shared) -> Result<Response<Body>, Error> {
    if request.uri().path() == "/healthz" {
        shared.probes.fetch_add(1, Relaxed);
        let health = *shared.health.lock().unwrap();
        return match health {
            Health::Good => respond(shared, Answer::with(200, "ok\n")).await,
            Health::Status(status) => respond(shared, Answer::status(status)).await,
            Health::Stall => pending().await,
        };
    }
    let behaviour = shared.next();
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    if let Some(authority) = parts.uri.authority() {
        headers.insert("host", HeaderValue::from_str(authority.as_str()).map_err(Error::other)?);
    }
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let place = shared.log.head(Seen {
        method: parts.method.to_string(),
        target,
        http2: true,
        headers: headers.clone(),
        body: Bytes::new(),
        length: 0,
        hash: 0,
        trailers: HeaderMap::new(),
        complete: false,
    });
    let mut due = Due { shared, kept: false };
    let collected = body.collect().await.map_err(Error::other)?;
    due.kept = true;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let whole = collected.to_bytes();
    shared.body_bytes.fetch_add(whole.len(), Relaxed);
    shared.log.amend(place, |seen| {
        seen.length = whole.len();
        seen.hash = hash(&whole);
        seen.body = whole.slice(..whole.len().min(64 * 1024));
        seen.trailers = trailers;
        seen.complete = true;
    });
    match behaviour {
        Behaviour::Echo | Behaviour::StreamEcho => {
            let mut answer = Answer::with(200, whole);
            if let Some(kind) = headers.get("content-type") {
                answer = answer.header("content-type", kind.to_str().unwrap_or_default());
            }
            respond(shared, answer).await
        }
        Behaviour::Answer(answer) => respond(shared, answer).await,
        Behaviour::Stall => {
            let _due = Due { shared, kept: false };
            pending().await
        }
        Behaviour::Reset | Behaviour::ResetAtHead | Behaviour::Close | Behaviour::Raw(_) => {
            Err(Error::other("reset by script"))
        }
    }
}

async fn respond(shared: &Shared, answer: Answer) -> Result<Response<Body>, Error> {
    if !answer.delay.is_zero() {
        let mut due = Due { shared, kept: false };
        tokio::time::sleep(answer.delay).await;
        due.kept = true;
    }
    let mut response = Response::builder().status(answer.status).header("x-backend", &shared.name);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    if answer.cut.is_none() && answer.trailers.is_empty() {
        let body = Full::new(answer.body).map_err(|never: Infallible| match never {}).boxed();
        return response.body(body).map_err(Error::other);
    }
    let (after, how) = answer.cut.unwrap_or((usize::MAX, Cut::Close));
    let cut = answer.cut.is_some();
    let first = answer.body.slice(..after.min(answer.body.len()));
    let mut trailers = HeaderMap::new();
    for (name, value) in &answer.trailers {
        trailers.append(
            HeaderName::from_bytes(name.as_bytes()).map_err(Error::other)?,
            HeaderValue::from_str(value).map_err(Error::other)?,
        );
    }
    let frames = futures_util::stream::unfold(0, move |step| {
        let (first, trailers) = (first.clone(), trailers.clone());
        async move {
            match (step, cut) {
                (0, _) => Some((Ok(Frame::data(first)), 1)),
                (1, false) => Some((Ok(Frame::trailers(trailers)), 2)),
                (1, true) if how == Cut::Stall => pending().await,
                (1, true) => Some((Err(Error::other("cut by script")), 2)),
                _ => None,
            }
        }
    });
    let body = BodyExt::boxed(StreamBody::new(Box::pin(frames) as SyncFrames));
    response.body(body).map_err(Error::other)
}

type SyncFrames = std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, Error>> + Send + Sync>>;
