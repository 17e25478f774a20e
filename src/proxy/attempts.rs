//! The attempts of one request: the active backend first, then, where it is allowed, the others, within one deadline.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;

use super::attempt::{Answer, Failed, Manner, attempt};
use super::exchange::Exchange;
use super::flight::Flight;
use super::headers::prepare_response;
use super::limits;
use super::plan::{self, Next, Situation};
use super::refuse::Refusal;
use super::response::{Relay, ResponseBody};
use super::target::{PoolRef, Target};
use super::tried::Tried;
use super::tunnel;
use super::worker::Worker;
use crate::config::EvidenceConfig;
use crate::model::{EvidenceKind, Fate, Moment};
use crate::steering::Rounds;
use crate::telemetry::{Counter, WorkerId};
use crate::wire::Response;

/// Most bytes read of a refused response so that its connection can be used again.
const MOST_DRAINED: usize = 64 * 1024;
/// Longest time spent on that.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Tries a request until a backend answers or nothing may be tried any more.
///
/// # Errors
/// What the client is told: the failure of the last attempt.
pub(super) async fn run(
    worker: &Rc<Worker>,
    exchange: &mut Exchange,
    mut pool: PoolRef,
) -> Result<Response<ResponseBody>, Refusal> {
    let mut tried = Tried::default();
    // Its body was read, or an earlier delivery waited for: the pool may have moved meanwhile.
    pool = pool.in_view(worker.view());
    let mut target = pool.choose(|_| false).ok_or(Refusal::AllDown)?;
    let mut manner = Manner { number: 1, fresh: false, rescuable: true };
    let mut rounds = Rounds::new(pool.get().config.retry.rounds);
    // How the last attempt failed that a backend may have acted on.
    let mut ambiguous: Option<Refusal> = None;
    let elsewhere = |pool: &PoolRef, tried: &Tried| another(pool, tried, worker.id, worker.clock.now());
    loop {
        limits::has_room(&target, worker.id, worker.clock.now()).map_err(|busy| busy.after(ambiguous))?;
        tried.push(target.backend().id);
        manner.rescuable = !rounds.is_last() || elsewhere(&pool, &tried).is_some();
        if let Some(log) = &mut exchange.log {
            log.attempt(manner.number);
        }
        let flight = Flight::begin(worker, &target, exchange);
        let outcome = attempt(worker, exchange, &target, manner).await;
        note(worker, exchange, &target, &outcome);
        if let Ok(answer) = outcome.as_ref()
            && !target.pool().config.retry.status.contains(answer.response.status.as_u16())
        {
            return outcome
                .map_err(|failed| failed.refusal)
                .map(|answer| respond(worker, exchange, answer, flight, &target));
        }
        // The next decision is made from what holds now, not from what held when the attempt began.
        pool = pool.in_view(worker.view());
        let rescued = outcome.as_ref().is_err_and(|failed| failed.rescued);
        let left = exchange.deadline.since(worker.clock.now());
        let again = rounds.another(fate(&outcome), left);
        let left_to_try = again || elsewhere(&pool, &tried).is_some();
        let next = match next(exchange, &outcome, manner, left_to_try) {
            next if next == Next::GiveUp || rescued || worker.may_retry(pool.get()) => next,
            _ => Next::GiveUp,
        };
        if next != Next::GiveUp
            && let Some(body) = &exchange.body
        {
            // From here on the attempt before reads nothing more of the body: what it let go would be missing for the next,
            // which may have to dial first.
            drop(body.next_turn());
        }
        if let Some(failed) = outcome.as_ref().err().filter(|failed| failed.failure.fate == Fate::Ambiguous) {
            ambiguous = Some(failed.refusal);
            if next != Next::GiveUp {
                pool.get().stats.cells.of(worker.id).replayed.increment();
            }
        }
        match (next, elsewhere(&pool, &tried)) {
            (Next::Redial, _) => {
                tried.pop();
                manner.fresh = true;
            }
            (Next::Elsewhere, Some(other)) => {
                if rescued {
                    pool.get().stats.cells.of(worker.id).rescued.increment();
                }
                if let Ok(refused) = outcome {
                    drain(worker, refused);
                }
                target = other;
                manner.fresh = false;
            }
            (Next::Elsewhere, None) if again => {
                drop(flight);
                let pause = rounds.begin();
                if rescued {
                    // There is a backend that is better, and this request has been there before.
                    pool.get().stats.cells.of(worker.id).rescued.increment();
                } else {
                    worker.pause(pause).await;
                    pool = pool.in_view(worker.view());
                }
                tried.clear();
                target = pool.choose(|_| false).ok_or(Refusal::AllDown.after(ambiguous))?;
                manner.fresh = false;
            }
            _ => {
                return match outcome {
                    Ok(answer) => Ok(respond(worker, exchange, answer, flight, &target)),
                    Err(failed) => {
                        target.backend().stats.cells.of(worker.id).failed.increment();
                        Err(failed.refusal.after(ambiguous))
                    }
                };
            }
        }
        manner.number += 1;
    }
}

/// The next backend that may be tried: one that has as many requests as it may take is left alone.
pub(super) fn another(pool: &PoolRef, tried: &Tried, worker: WorkerId, now: Moment) -> Option<Target> {
    pool.choose(|backend| tried.contains(backend.id) || limits::is_full(pool.get(), backend, worker, now))
}

fn next(exchange: &Exchange, outcome: &Result<Answer, Failed>, manner: Manner, another: bool) -> Next {
    let reused = match outcome {
        Ok(answer) => answer.reused,
        Err(failed) => failed.reused,
    };
    plan::next(Situation {
        fate: fate(outcome),
        may_replay: exchange.may_replay,
        body_is_whole: exchange.body_is_whole(),
        reused: reused && !manner.fresh,
        another,
    })
}

/// What is known of the backend after an attempt that is no answer yet.
pub(super) fn fate<A>(outcome: &Result<A, Failed>) -> Fate {
    outcome.as_ref().err().map_or(Fate::Refused, |failed| failed.failure.fate)
}

/// Counts how an attempt ended, and tells control what it says about the backend.
fn note(worker: &Worker, exchange: &Exchange, target: &Target, outcome: &Result<Answer, Failed>) {
    let cell = target.backend().stats.cells.of(worker.id);
    let config = &target.pool().config;
    let status = outcome.as_ref().map(|answer| answer.response.status);
    if let Some(kind) = evidence(&config.evidence, exchange.authentic, status) {
        worker.tell(target, kind);
    }
    let counter: &Counter = match outcome {
        Ok(answer) if config.retry.status.contains(answer.response.status.as_u16()) => &cell.refused,
        Ok(_) => &cell.answered,
        Err(failed) if failed.rescued => &cell.rescued,
        Err(failed) if failed.failure.fate == Fate::Unsent => &cell.unsent,
        Err(_) => &cell.ambiguous,
    };
    counter.increment();
}

/// What an attempt says against its backend: the table of README, "What counts as evidence".
pub(super) fn evidence(
    rules: &EvidenceConfig,
    authentic: bool,
    outcome: Result<StatusCode, &Failed>,
) -> Option<EvidenceKind> {
    match outcome.map(|status| status.as_u16()) {
        Ok(status) => (authentic && rules.status.contains(status)).then_some(EvidenceKind::Status(status)),
        Err(failed) => failed.sign().filter(|sign| rules.counts(*sign, authentic)).map(EvidenceKind::Failed),
    }
}

/// Hands a backend's response to the client.
fn respond(
    worker: &Rc<Worker>,
    exchange: &mut Exchange,
    answer: Answer,
    mut flight: Flight,
    target: &Target,
) -> Response<ResponseBody> {
    let Answer { mut response, .. } = answer;
    flight.answered(response.status, exchange);
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        return tunnel::switch(worker, exchange, target, response, flight);
    }
    let version = response.version;
    prepare_response(&mut response.fields, version, &exchange.request_id);
    response.map(|incoming| {
        ResponseBody::relay(Relay {
            incoming,
            request_body: exchange.body.take(),
            flight,
            stream_timeout: target.pool().config.stream_timeout,
            wait: None,
            record: None,
        })
    })
}

/// Reads the rest of a response that nobody will see, so that its connection can carry the next request.
fn drain(worker: &Worker, refused: Answer) {
    let clock = worker.clock.clone();
    tokio::task::spawn_local(async move {
        let mut body = refused.response.body;
        let rest = async {
            let mut read = 0;
            while let Some(frame) = body.frame().await {
                read += frame.ok()?.data_ref().map_or(0, Bytes::len);
                if read > MOST_DRAINED {
                    return None;
                }
            }
            Some(())
        };
        if let Ok(Some(())) = tokio::time::timeout(DRAIN_TIME, rest).await {
            body.give_back(clock.now());
        }
    });
}
