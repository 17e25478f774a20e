//! What is kept of an answer while it goes to the client.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body, Frame};

use super::limits::Holding;
use super::response::ResponseBody;
use super::worker::Worker;
use crate::ledger::{Answer, KeptHeaders, Need, Ticket};
use crate::wire::{Known, Response, Set};

/// The answer to a first delivery, as far as it came.
pub(super) struct Record {
    ticket: Ticket,
    need: Need,
    status: StatusCode,
    headers: KeptHeaders,
    body: BytesMut,
    /// Its place in the budget of held bytes.
    holding: Holding,
    worker: Rc<Worker>,
}

/// Whether an answer settles the matter. A server error does not, but that nobody implements this (501 is how bots answer an
/// invoke that they do not know); nor do answers that ask for another try, or speak of the credentials and not of the activity.
fn settles(status: StatusCode) -> bool {
    match status {
        StatusCode::NOT_IMPLEMENTED => true,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => false,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => false,
        StatusCode::MISDIRECTED_REQUEST => false,
        status => status.is_success() || status.is_redirection() || status.is_client_error(),
    }
}

/// Not the answer's, but this message's alone.
const OF_THE_MESSAGE: Set =
    Set::of(&[Known::XRequestId, Known::Via, Known::ContentLength, Known::Connection, Known::Trailer]);

/// Begins to keep an answer, or settles at once what is to be remembered of it.
pub(super) fn begin(
    mut response: Response<ResponseBody>,
    ticket: Ticket,
    need: Need,
    worker: &Rc<Worker>,
) -> Response<ResponseBody> {
    let status = response.status;
    if !settles(status) {
        ticket.forget();
        return response;
    }
    let body = &response.body;
    let (ended, least) = (body.is_end_stream(), body.size_hint().lower());
    let mut record = Record {
        status,
        headers: KeptHeaders::copy(&response.fields, OF_THE_MESSAGE),
        body: BytesMut::new(),
        holding: Holding::of(&worker.purse),
        ticket,
        need,
        worker: worker.clone(),
    };
    if ended {
        record.done(true);
    } else if least > record.ticket.most_body() as u64 {
        record.done(false);
    } else {
        record.body.reserve(least as usize);
        response.body.record(record);
    }
    response
}

impl Record {
    /// Takes in a part of the body; none when that was too much, and the matter is settled without it.
    pub(super) fn take_in(mut self: Box<Self>, frame: &Frame<Bytes>) -> Option<Box<Self>> {
        let fits = match frame.data_ref() {
            Some(data) => self.body.len() + data.len() <= self.ticket.most_body() && self.holding.grow(data.len()),
            // Trailers are not kept.
            None => false,
        };
        if !fits {
            self.done(false);
            return None;
        }
        if let Some(data) = frame.data_ref() {
            self.body.extend_from_slice(data);
        }
        Some(self)
    }

    /// The body has come to its end.
    pub(super) fn complete(self) {
        self.done(true);
    }

    /// No more of the body comes, and this is not its end: its head has told the status all the same.
    pub(super) fn broken_off(self) {
        self.done(false);
    }

    fn done(self, whole: bool) {
        let Self { ticket, need, status, headers, body, worker, .. } = self;
        let answer = match whole {
            true => Answer { status, headers, body: Some(tight(body)) },
            false => Answer::bare(status),
        };
        ticket.done(answer, need, worker.clock.now());
    }
}

/// Without the room that a body of unknown length was given to grow in: what is remembered counts by its length.
fn tight(body: BytesMut) -> Bytes {
    if body.capacity() > body.len() { Bytes::copy_from_slice(&body) } else { body.freeze() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_another_try_is_not_remembered() {
        for (status, remembered) in [
            (200, true),
            (201, true),
            (304, true),
            (400, true),
            (404, true),
            (501, true),
            (401, false),
            (403, false),
            (429, false),
            (500, false),
            (503, false),
        ] {
            assert_eq!(settles(StatusCode::from_u16(status).unwrap()), remembered, "{status}");
        }
    }
}
