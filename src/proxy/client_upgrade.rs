//! The client's side of an upgrade: ready once its 101 was written.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::tunnel::End;

/// A client's connection, as soon as it speaks another protocol.
#[derive(Debug)]
pub struct ClientUpgrade(oneshot::Receiver<End>);

/// The connection ended, or its request was answered with another status than 101.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection was not upgraded")]
pub struct NotUpgraded;

impl ClientUpgrade {
    /// And by what it is handed over once its 101 was written; dropped, there is none.
    pub fn pending() -> (oneshot::Sender<End>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }
}

impl Future for ClientUpgrade {
    type Output = Result<End, NotUpgraded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| NotUpgraded)
    }
}
