//! One try of a request at one backend: connection → send → wait for the head.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::exchange::Exchange;
use super::recording::{Awaited, ClientFault, RequestBody};
use super::refuse::Refusal;
use super::target::Target;
use super::waits::{Terms, Verdict, Wait};
use super::worker::Worker;
use crate::model::{AttemptPhase, Failure, Fate, Side, Sign};
use crate::upstream::{Alpn, Body, Lease, Opening, Want, take_over_or_open};
use crate::wire::Response;

/// How one attempt is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Which attempt of the request this is, from 1.
    pub(super) number: u32,
    /// Whether to dial although there may be a connection to use again.
    pub(super) fresh: bool,
    /// Whether another backend could have the request if this one is given up.
    pub(super) rescuable: bool,
}

/// A response; its body has the connection that it comes over.
pub(super) struct Answer {
    pub(super) response: Response<Body<RequestBody>>,
    /// Whether the connection had been open before.
    pub(super) reused: bool,
}

/// Why there is no response head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed {
    /// Whose fault, in which phase, and what is known of the backend.
    pub(super) failure: Failure,
    /// What the client is told if nobody else is tried.
    pub(super) refusal: Refusal,
    /// Whether the connection had been open before.
    pub(super) reused: bool,
    /// Whether it was cut short because its backend was given up.
    pub(super) rescued: bool,
}

impl Failed {
    pub(super) fn backend(phase: AttemptPhase, fate: Fate, refusal: Refusal) -> Self {
        let failure = Failure { side: Side::Backend, phase, fate };
        Self { failure, refusal, reused: false, rescued: false }
    }

    /// What it says against the backend, if it is the backend's fault.
    pub(super) fn sign(&self) -> Option<Sign> {
        let Failure { side, phase, fate } = self.failure;
        // A kept connection that its backend has closed since says nothing.
        let stale = self.reused && fate == Fate::Unsent;
        if side != Side::Backend || stale || self.rescued {
            return None;
        }
        Some(match phase {
            AttemptPhase::Dial => Sign::Dial,
            AttemptPhase::Tls => Sign::Tls,
            _ if self.refusal == Refusal::TooLate => Sign::Timeout,
            AttemptPhase::Send | AttemptPhase::Wait => Sign::Broken,
            AttemptPhase::Stream => Sign::Stream,
        })
    }

    fn client(phase: AttemptPhase, refusal: Refusal) -> Self {
        let failure = Failure { side: Side::Client, phase, fate: Fate::Begun };
        Self { failure, refusal, reused: false, rescued: false }
    }
}

/// Makes one attempt.
///
/// # Errors
/// [`Failed`], which says whether another may be made.
pub(super) async fn attempt(
    worker: &Worker,
    exchange: &Exchange,
    target: &Target,
    manner: Manner,
) -> Result<Answer, Failed> {
    let pool = &target.pool().config;
    let terms = Terms {
        backend: target.backend().id,
        deadline: exchange.deadline,
        attempt_timeout: pool.attempt_timeout,
        body_timeout: exchange.body_timeout,
        body_rate: exchange.body_rate,
        // A stranger's request may be slow of itself.
        suspect_after: if exchange.authentic { pool.evidence.suspect_after } else { Duration::MAX },
        replayable: exchange.may_replay,
        rescuable: manner.rescuable,
    };
    let wait = worker.waits.watch(terms, exchange.body.clone(), worker.clock.now());
    let mut exchanged = pin!(exchange_once(worker, exchange, target, manner, &wait));
    let outcome = poll_fn(|cx| {
        // Nothing is sent any more to a backend that was given up while it was dialed.
        if wait.phase() < AttemptPhase::Send
            && let Poll::Ready(verdict) = wait.poll(cx)
        {
            return Poll::Ready(Err(verdict));
        }
        match exchanged.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Ok(outcome)),
            Poll::Pending => wait.poll(cx).map(Err),
        }
    });
    match outcome.await {
        Ok(outcome) => outcome,
        Err(verdict) => {
            let fair = wait.waited(worker.clock.now()) >= pool.evidence.fair_wait(pool.deadline);
            Err(cut_short(verdict, wait.phase(), fair, exchange))
        }
    }
}

async fn exchange_once(
    worker: &Worker,
    exchange: &Exchange,
    target: &Target,
    manner: Manner,
    wait: &Wait,
) -> Result<Answer, Failed> {
    let lease = connection(worker, exchange, target, manner).await?;
    wait.reached(AttemptPhase::Send, worker.clock.now());
    let request = exchange.request_for(target, manner.number, lease.is_http2()).map_err(|error| {
        tracing::warn!(backend = %target.backend().config.name, %error, "a rewrite rule makes no path of this request's");
        Failed::backend(AttemptPhase::Send, Fate::Unsent, Refusal::Unreachable)
    })?;
    let reused = lease.reused;
    match lease.send(request).await {
        Ok(response) => Ok(Answer { response, reused }),
        Err(sent) => {
            if let Some(fault) = exchange.body.as_ref().and_then(|body| body.fault()) {
                return Err(Failed::client(AttemptPhase::Send, refusal_of(fault)));
            }
            tracing::debug!(backend = %target.backend().config.name, error = ?sent.error, reused, "attempt failed");
            let (fate, refusal) = match sent.unsent {
                true => (Fate::Unsent, Refusal::Unreachable),
                false => (Fate::Ambiguous, Refusal::Broken),
            };
            Err(Failed { reused, ..Failed::backend(phase_of(exchange), fate, refusal) })
        }
    }
}

/// An open connection to the backend, or a new one.
async fn connection(
    worker: &Worker,
    exchange: &Exchange,
    target: &Target,
    manner: Manner,
) -> Result<Lease<RequestBody>, Failed> {
    let backend = target.backend();
    let upgrade = exchange.upgrade.is_some();
    let want = if manner.fresh || upgrade { Want::New } else { Want::Any };
    if want == Want::Any
        && let Some(lease) = worker.connections.take(backend.reach())
    {
        return Ok(lease);
    }
    let opening = Opening {
        reach: backend.reach(),
        alpn: if upgrade { Alpn::Http1 } else { Alpn::Any },
        timeout: target.pool().config.dial_timeout,
        stats: &backend.stats,
        worker: worker.id,
    };
    let lease = take_over_or_open(&worker.connections, opening, want, || worker.clock.now()).await;
    lease.map_err(|error| {
        tracing::debug!(backend = %backend.config.name, %error, "dial failed");
        let failed = Failed::backend(error.phase(), Fate::Unsent, Refusal::Unreachable);
        // Without descriptors no backend can be reached: that says nothing about this one.
        let side = if error.is_own_want() { Side::Gateway } else { Side::Backend };
        Failed { failure: Failure { side, ..failed.failure }, ..failed }
    })
}

/// What a verdict of the sweep makes of an attempt; `fair` is whether the backend had time to do better.
fn cut_short(verdict: Verdict, phase: AttemptPhase, fair: bool, exchange: &Exchange) -> Failed {
    let phase = match phase {
        early @ (AttemptPhase::Dial | AttemptPhase::Tls) => early,
        _ => phase_of(exchange),
    };
    let fate = if phase < AttemptPhase::Send { Fate::Unsent } else { Fate::Ambiguous };
    match verdict {
        Verdict::BodyStalled => Failed::client(phase, Refusal::BodyStalled),
        // The client used up the time: more of its body is to come, and the backend has read what came.
        Verdict::Deadline if phase == AttemptPhase::Send && awaits_client(exchange) => {
            Failed::client(phase, Refusal::BodyStalled)
        }
        Verdict::Deadline => {
            // A slow client, or another backend, has used up what this one had.
            let side = if fair { Side::Backend } else { Side::Gateway };
            let failed = Failed::backend(phase, fate, Refusal::TooLate);
            Failed { failure: Failure { side, fate: Fate::Begun, phase }, ..failed }
        }
        Verdict::AttemptTimeout => Failed::backend(phase, fate, Refusal::TooLate),
        Verdict::Rescue => Failed { rescued: true, ..Failed::backend(phase, fate, Refusal::Broken) },
    }
}

fn phase_of(exchange: &Exchange) -> AttemptPhase {
    let sent = exchange.body.as_ref().is_none_or(|body| body.has_ended());
    if sent { AttemptPhase::Wait } else { AttemptPhase::Send }
}

fn awaits_client(exchange: &Exchange) -> bool {
    exchange.body.as_ref().is_some_and(|body| matches!(body.awaits(), Awaited::Client(_)))
}

fn refusal_of(fault: ClientFault) -> Refusal {
    match fault {
        ClientFault::TooLarge => Refusal::BodyTooLarge,
        ClientFault::Aborted => Refusal::BodyAborted,
        ClientFault::NoRoom => Refusal::Busy,
    }
}
