//! A connection that its one owner asks over, question after question: what control keeps to a backend.
//!
//! Unlike what a worker has it may move between threads, and it is in no count of connections: no client's request goes
//! over it.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::AbortHandle;

use super::counted::Counted;
use super::dial::Dialed;
use super::failure::{ExchangeError, SendFailure};
use super::h1;
use super::outgoing::Outgoing;
use super::reach::{Made, Reach};
use crate::wire::Response;

/// A connection with at most one exchange on it.
#[derive(Debug)]
pub struct Line {
    way: Way,
    made: Made,
    /// Whether the last response broke off.
    broken: bool,
}

#[derive(Debug)]
enum Way {
    H1(Box<h1::Connection<Full<Bytes>>>),
    H2(Driven),
}

/// HTTP/2, driven by a task that ends with it.
#[derive(Debug)]
struct Driven {
    sender: http2::SendRequest<Full<Bytes>>,
    incoming: Option<Incoming>,
    driver: AbortHandle,
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Line {
    /// Speaks HTTP over a connection that was dialed by the rules of `reach`.
    ///
    /// # Errors
    /// When the HTTP/2 preface cannot be written.
    pub async fn start(dialed: Dialed, reach: Reach<'_>) -> Result<Self, ExchangeError> {
        let peer: SocketAddr = dialed.peer;
        let way = if dialed.http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(dialed.stream)).await?;
            // What goes wrong on it is told to the request on it.
            let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
            Way::H2(Driven { sender, incoming: None, driver })
        } else {
            Way::H1(Box::new(h1::Connection::new(dialed.stream, Counted::nowhere())))
        };
        Ok(Self { way, made: Made::new(reach, peer), broken: false })
    }

    /// Whether the connection speaks HTTP/2.
    pub const fn is_http2(&self) -> bool {
        matches!(self.way, Way::H2(_))
    }

    /// Whether it still leads where it should, made by the rules of now.
    pub fn fits(&self, reach: Reach<'_>) -> bool {
        reach.covers(&self.made)
    }

    /// Sends a request and waits for the head of its response. That of the one before must have been read to its end.
    ///
    /// # Errors
    /// [`SendFailure`]. The connection is of no use then.
    pub async fn send(&mut self, request: Outgoing<'_, Full<Bytes>>) -> Result<Response<()>, SendFailure> {
        let driven = match &mut self.way {
            Way::H1(connection) => {
                connection.begin(request)?;
                return connection.answer().await;
            }
            Way::H2(driven) => driven,
        };
        let sent = driven.sender.try_send_request(request.into_http2()).await;
        let response = sent.map_err(|mut failure| {
            let unsent = failure.take_message().is_some();
            SendFailure { unsent, error: failure.into_error().into() }
        })?;
        let response = Response::from(response);
        Ok(response.map(|incoming| driven.incoming = Some(incoming)))
    }

    /// The next bytes of the response's body; none when it has ended. Trailers are passed over. Cancel-safe.
    pub async fn data(&mut self) -> Option<Result<Bytes, ExchangeError>> {
        loop {
            let frame = match &mut self.way {
                Way::H1(connection) => std::future::poll_fn(|cx| connection.poll_frame(cx)).await,
                Way::H2(driven) => driven.incoming.as_mut()?.frame().await.map(|frame| frame.map_err(Into::into)),
            };
            self.broken |= matches!(frame, Some(Err(_)));
            match frame?.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => return Some(Ok(data)),
                Ok(Err(_trailers)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Whether the last response broke off.
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// The response was read: whether another question may be asked over this connection.
    pub fn settle(&mut self) -> bool {
        match &mut self.way {
            Way::H1(connection) => connection.settle(),
            Way::H2(driven) => {
                let over = driven.incoming.take().is_none_or(|incoming| http_body::Body::is_end_stream(&incoming));
                over && !self.broken && !driven.sender.is_closed()
            }
        }
    }

    /// Says goodbye on a connection that is about to be closed unused.
    pub fn hang_up(&mut self) {
        if let Way::H1(connection) = &mut self.way {
            connection.hang_up();
        }
    }
}
