//! The client's side of an upgrade: ready once its 101 was written.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::upgrade::OnUpgrade;
use tokio::sync::oneshot;

use super::tunnel::End;

/// A client's connection, as soon as it speaks another protocol.
#[derive(Debug)]
pub struct ClientUpgrade(Kind);

#[derive(Debug)]
enum Kind {
    Own(oneshot::Receiver<End>),
    Hyper(OnUpgrade),
}

/// The connection ended, or its request was answered with another status than 101.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection was not upgraded")]
pub struct NotUpgraded;

impl ClientUpgrade {
    /// And by what it is handed over once its 101 was written; dropped, there is none.
    pub fn pending() -> (oneshot::Sender<End>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(Kind::Own(receiver)))
    }

    /// hyper's.
    pub(super) fn hyper(upgrade: OnUpgrade) -> Self {
        Self(Kind::Hyper(upgrade))
    }
}

impl Future for ClientUpgrade {
    type Output = Result<End, NotUpgraded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Kind::Own(end) => Pin::new(end).poll(cx).map(|end| end.map_err(|_| NotUpgraded)),
            Kind::Hyper(upgrade) => Pin::new(upgrade).poll(cx).map(|end| end.map(End::hyper).map_err(|_| NotUpgraded)),
        }
    }
}
