//! The body of the present request, as who answers it reads it.

use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::shared::{Shared, Stage, Upgrade};
use crate::proxy::{BrokenBody, ClientUpgrade, Http1Source};
use crate::server::http::Io;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl<I: Io> Http1Source for Shared<I> {
    fn poll_part(&self, request: u64, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        if request != self.present.get() {
            return Poll::Ready(Some(Err(BrokenBody)));
        }
        let mut half = self.half.borrow_mut();
        if std::mem::take(&mut half.expects) && half.held.is_empty() {
            half.out.gather().extend_from_slice(CONTINUE);
            // The driver writes it.
            self.wake_driver();
        }
        let polled = half.poll_part(cx);
        if !matches!(half.stage, Stage::Body(_)) {
            // It looks out for the end of the client from now on.
            self.wake_driver();
        } else if polled.is_pending() {
            self.is_awaited_by(cx);
        }
        polled
    }

    fn has_ended(&self, request: u64) -> bool {
        request == self.present.get() && matches!(self.half.borrow().stage, Stage::Whole)
    }

    fn size_hint(&self, request: u64) -> SizeHint {
        match &self.half.borrow().stage {
            Stage::Body(reader) if request == self.present.get() => {
                reader.left().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            _ => SizeHint::default(),
        }
    }

    fn let_go(&self, request: u64) {
        if request == self.present.get() {
            self.let_go.set(true);
            self.wake_driver();
        }
    }

    fn upgrade(&self, request: u64) -> Option<ClientUpgrade> {
        let mut half = self.half.borrow_mut();
        if request != self.present.get() || !matches!(half.upgrade, Upgrade::Possible) {
            return None;
        }
        let (sender, upgrade) = ClientUpgrade::pending();
        half.upgrade = Upgrade::Wanted(sender);
        Some(upgrade)
    }
}
