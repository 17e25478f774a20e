//! An activity is delivered once: its resends get the outcome of the first delivery.

use std::rc::Rc;
use std::sync::Arc;

use http::HeaderValue;
use http_body::Body;

use super::delivery;
use super::exchange::Exchange;
use super::log::Ended;
use super::refuse::Refusal;
use super::response::ResponseBody;
use super::target::PoolRef;
use super::worker::Worker;
use crate::bot::{DeliveryMode, Facts};
use crate::ledger::{ActivityId, Answer, Entry, Key, Need};
use crate::model::Replay;
use crate::snapshot::Pool;
use crate::telemetry::PoolCell;
use crate::wire::{Known, Response};

/// An activity that can be told from all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activity {
    key: Key,
    /// What a resend of it needs.
    pub(super) need: Need,
}

/// How a resend was answered: the value of `Botgate-Resend`, and the outcome in the access log.
#[derive(Clone, Copy)]
enum Resend {
    Answered,
    Waited,
}

impl Resend {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Answered => ("answered", "resend-answered"),
            Self::Waited => ("waited", "resend-waited"),
        }
    }
}

/// The activity that a request carries, where its pool replays by key; its `Idempotency-Key` is seen to.
///
/// None without an activity id (typing has none), and where nothing is remembered.
pub(super) fn identify(exchange: &mut Exchange, pool: &Pool) -> Option<Activity> {
    if pool.config.replay != Replay::Keyed || exchange.upgrade.is_some() {
        return None;
    }
    let facts = exchange.activity.as_ref()?;
    let id = facts.id.as_deref().filter(|id| !id.is_empty())?;
    let keyed = exchange.fields.get(Known::IdempotencyKey).is_some_and(|key| !key.is_empty());
    let remembered = pool.config.ledger.entries > 0;
    if keyed && !remembered {
        // Nobody would be told what it is.
        return None;
    }
    let body = exchange.body.as_ref()?.whole()?;
    let id = ActivityId::new(&facts.channel_id, &facts.conversation_id, id, &body);
    let need = need(facts);
    if !keyed {
        exchange.fields.put(Known::IdempotencyKey, id.idempotency_key());
    }
    remembered.then(|| Activity { key: id.within(scope(exchange)), need })
}

fn need(facts: &Facts) -> Need {
    let replies_within = matches!(facts.delivery_mode, DeliveryMode::ExpectReplies | DeliveryMode::Stream);
    if replies_within || &*facts.kind == "invoke" { Need::Body } else { Need::Status }
}

/// An answer goes only to who got it first, and is only for the address that it came from. Who that is, a token says that was
/// checked here; where none was, the backend checks it, and only the very same credentials are known to pass.
fn scope(exchange: &Exchange) -> impl Iterator<Item = &[u8]> {
    let said = |field| exchange.fields.get(field).unwrap_or_default();
    let (how, sender): (&[u8], &[u8]) = match exchange.sender {
        Some(sender) => (b"sender", sender.as_bytes()),
        None => (b"credentials", said(Known::Authorization)),
    };
    [how, sender, said(Known::XForwardedHost), exchange.target.as_str().as_bytes()].into_iter()
}

/// Delivers an activity, or answers its resend.
///
/// # Errors
/// The request, when the ledger is full: it is to be tried like any other.
pub(super) async fn serve(
    worker: &Rc<Worker>,
    mut exchange: Exchange,
    pool: &PoolRef,
    activity: Activity,
    http1: bool,
) -> Result<Response<ResponseBody>, Box<Exchange>> {
    let cell: &PoolCell = pool.get().stats.cells.of(worker.id);
    let mut waited = false;
    loop {
        let (ledger, limits) = (&pool.get().ledger, &pool.get().config.ledger);
        match ledger.enter(activity.key, worker.clock.now(), limits) {
            Entry::First(ticket) => {
                if waited {
                    cell.resends_delivered.increment();
                }
                exchange.may_replay = true;
                let delivery = delivery::Delivery { exchange, pool: pool.clone(), ticket, need: activity.need, http1 };
                return Ok(delivery::first(worker, delivery).await);
            }
            Entry::InFlight(waiting) => {
                waited = true;
                let left = exchange.deadline.since(worker.clock.now());
                match tokio::time::timeout(left, waiting.outcome()).await {
                    Ok(Some(answer)) => {
                        cell.resends_waited.increment();
                        return Ok(answered(&mut exchange, &answer, Resend::Waited, worker));
                    }
                    // The first delivery failed: this one is a first now.
                    Ok(None) => {}
                    Err(_) => {
                        cell.resends_late.increment();
                        return Ok(worker.give_up(Refusal::TooLate, &mut exchange, pool, http1));
                    }
                }
            }
            Entry::Done(answer) => {
                cell.resends_answered.increment();
                return Ok(answered(&mut exchange, &answer, Resend::Answered, worker));
            }
            Entry::Full => {
                cell.ledger_full.increment();
                return Err(Box::new(exchange));
            }
        }
    }
}

/// The response to a resend.
fn answered(exchange: &mut Exchange, answer: &Arc<Answer>, how: Resend, worker: &Worker) -> Response<ResponseBody> {
    let body = match &answer.body {
        Some(body) if !body.is_empty() => ResponseBody::full(body.clone()),
        _ => ResponseBody::empty(),
    };
    let bytes = body.size_hint().exact().unwrap_or(0);
    let mut response = Response::new(body);
    response.status = answer.status;
    answer.headers.put(&mut response.fields);
    let (word, outcome) = how.words();
    response.fields.put(Known::BotgateResend, HeaderValue::from_static(word));
    response.fields.put(Known::XRequestId, exchange.request_id.clone());
    if let Some(log) = &mut exchange.log {
        let came = exchange.body.as_ref().map_or(0, |body| body.received());
        let (now, status) = (worker.clock.now(), answer.status);
        log.end(Ended { now, status, bytes: (came, bytes), target: None, outcome });
    }
    response
}
