//! The delivery of an activity, which outlives its client: channels give up after some seconds and send again, and the
//! resend is to get the outcome of this delivery.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::future::LocalBoxFuture;

use super::attempts;
use super::exchange::Exchange;
use super::record;
use super::response::ResponseBody;
use super::target::PoolRef;
use super::worker::Worker;
use crate::ledger::{Need, Ticket};
use crate::wire::Response;

/// An activity that is delivered for the first time, and what a resend of it will need.
pub(super) struct Delivery {
    pub(super) exchange: Exchange,
    pub(super) pool: PoolRef,
    pub(super) ticket: Ticket,
    pub(super) need: Need,
    pub(super) http1: bool,
}

/// Delivers it; when this is dropped, the client has left, and the delivery goes on to its end without it.
pub(super) async fn first(worker: &Rc<Worker>, delivery: Delivery) -> Response<ResponseBody> {
    let delivering: LocalBoxFuture<'static, _> = Box::pin(deliver(worker.clone(), delivery));
    Outliving { worker: worker.clone(), delivering: Some(delivering) }.await
}

async fn deliver(worker: Rc<Worker>, delivery: Delivery) -> Response<ResponseBody> {
    let Delivery { mut exchange, pool, ticket, need, http1 } = delivery;
    match attempts::run(&worker, &mut exchange, pool.clone()).await {
        Ok(response) => record::begin(response, ticket, need, &worker),
        Err(refusal) => {
            // The channel's resend is its retry.
            ticket.forget();
            worker.give_up(refusal, &mut exchange, &pool, http1)
        }
    }
}

struct Outliving {
    worker: Rc<Worker>,
    /// Out while it is polled: one that panics is not polled again.
    delivering: Option<LocalBoxFuture<'static, Response<ResponseBody>>>,
}

impl Future for Outliving {
    type Output = Response<ResponseBody>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<ResponseBody>> {
        let Some(mut delivering) = self.delivering.take() else { return Poll::Pending };
        let polled = delivering.as_mut().poll(cx);
        if polled.is_pending() {
            self.delivering = Some(delivering);
        }
        polled
    }
}

impl Drop for Outliving {
    fn drop(&mut self) {
        if let Some(delivering) = self.delivering.take() {
            self.worker.go_on(async move {
                // Dropped, it reads on by itself as far as its body is kept.
                delivering.await.body.client_left();
            });
        }
    }
}
