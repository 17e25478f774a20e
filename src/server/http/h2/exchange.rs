//! One request and its response on their stream.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::{CONTENT_LENGTH, DATE};

use super::super::ResponseBody;
use super::novel::Novel;
use crate::server::http::date;
use crate::wire::Response;

/// A request under way.
pub(super) enum Exchange<F, B> {
    /// The handler has it. Boxed, so that a long response does not carry the room that its handler needed.
    Asked { handler: Pin<Box<F>>, respond: SendResponse<Bytes> },
    /// The head of the response is sent.
    Answered(Sending<B>),
}

/// A response body on its way.
pub(super) struct Sending<B> {
    body: B,
    stream: SendStream<Bytes>,
    /// A part that waits for its window to open, and whether it is the last.
    waiting: Option<(Bytes, bool)>,
}

impl<F, B, E> Exchange<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: ResponseBody + Unpin,
{
    /// Goes on as far as it can; ready when nothing is left to be done.
    pub(super) fn poll(&mut self, novel: &mut Novel, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Asked { handler, respond } = self {
            let Poll::Ready(answered) = handler.as_mut().poll(cx) else {
                // A client that takes its request back is not worked for.
                return respond.poll_reset(cx).map(drop);
            };
            let Ok(response) = answered else {
                respond.send_reset(Reason::INTERNAL_ERROR);
                return Poll::Ready(());
            };
            match answer(respond, response, novel) {
                Some(sending) => *self = Self::Answered(sending),
                None => return Poll::Ready(()),
            }
        }
        match self {
            Self::Answered(sending) => sending.poll(cx),
            Self::Asked { .. } => Poll::Ready(()),
        }
    }
}

/// Sends the head. None when there is no body, or nobody to send it to.
fn answer<B: ResponseBody>(
    respond: &mut SendResponse<Bytes>,
    response: Response<B>,
    novel: &mut Novel,
) -> Option<Sending<B>> {
    let (mut head, body) = response.into_http().into_parts();
    if !head.headers.contains_key(DATE)
        && let Some(now) = date::now()
    {
        head.headers.insert(DATE, now);
    }
    let over = body.is_end_stream();
    if !over
        && let Some(length) = body.size_hint().exact()
        && !head.headers.contains_key(CONTENT_LENGTH)
    {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    novel.mark(&mut head.headers);
    match respond.send_response(http::Response::from_parts(head, ()), over) {
        Ok(_) if over => None,
        Ok(stream) => Some(Sending { body, stream, waiting: None }),
        Err(error) => {
            tracing::debug!(%error, "the head of a response cannot be sent");
            respond.send_reset(Reason::INTERNAL_ERROR);
            None
        }
    }
}

/// The stream is over, or the client does not want it any more.
struct Gone;

impl From<h2::Error> for Gone {
    fn from(error: h2::Error) -> Self {
        tracing::debug!(%error, "a response was broken off");
        Self
    }
}

impl<B: ResponseBody + Unpin> Sending<B> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_send(cx).map(drop)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        loop {
            if self.stream.poll_reset(cx)?.is_ready() {
                return Poll::Ready(Err(Gone));
            }
            if self.waiting.is_some() {
                ready!(self.poll_window(cx))?;
            }
            if let Some((part, last)) = self.waiting.take() {
                self.stream.send_data(part, last)?;
                if last {
                    return Poll::Ready(Ok(()));
                }
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    // Never the reason that a backend gave: what went wrong there is nothing that this client did.
                    tracing::debug!(%error, "a response broke off");
                    self.stream.send_reset(Reason::INTERNAL_ERROR);
                    return Poll::Ready(Err(Gone));
                }
                None => {
                    self.stream.send_data(Bytes::new(), true)?;
                    return Poll::Ready(Ok(()));
                }
            };
            match frame.into_data() {
                Ok(part) if part.is_empty() => {
                    let last = self.body.is_end_stream();
                    self.stream.send_data(part, last)?;
                    if last {
                        return Poll::Ready(Ok(()));
                    }
                }
                Ok(part) => {
                    // One byte is asked for, so that a part that waits does not keep the connection's window from others.
                    self.stream.reserve_capacity(1);
                    self.waiting = Some((part, self.body.is_end_stream()));
                }
                Err(frame) => {
                    let Ok(trailers) = frame.into_trailers() else { continue };
                    self.stream.reserve_capacity(0);
                    self.stream.send_trailers(trailers)?;
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// Waits until the client takes more of this response.
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        while self.stream.capacity() == 0 {
            if ready!(self.stream.poll_capacity(cx)).transpose()?.is_none() {
                return Poll::Ready(Err(Gone));
            }
        }
        Poll::Ready(Ok(()))
    }
}
