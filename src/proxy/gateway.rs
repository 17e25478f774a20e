//! One worker's data plane: a request from its head to its response.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Version};
use http_body::Body;
use tokio::sync::mpsc;

use super::client::Client;
use super::client_body::ClientBody;
use super::exchange::{Exchange, target_of};
use super::forwarding::{Origin, Told};
use super::headers::{is_request_id, prepare_request};
use super::limits::{Holding, Slot};
use super::log::Line;
use super::recording::{BodyLimits, Recording};
use super::refuse::Refusal;
use super::response::ResponseBody;
use super::rest::read_rest;
use super::target::PoolRef;
use super::voice::Voice;
use super::worker::Worker;
use super::worker_clock::WorkerClock;
use super::{attempts, background, fields, guard, head, limits, plan, tracking};
use crate::model::{Clock, Evidence, Moment};
use crate::snapshot::{Miss, SnapshotCell};
use crate::telemetry::{AccessLog, ActivityTap, ListenerStats, WorkerId};
use crate::upstream::Seat;
use crate::wire::{Head, Known, Request, Response, ascii};

/// The data plane of one worker; a clone is another handle on it.
#[derive(Clone)]
pub struct Gateway(Rc<Worker>);

pin_project_lite::pin_project! {
    /// A request under way: the clock stands while it is polled.
    struct Serving<'a, F> {
        clock: &'a WorkerClock,
        #[pin]
        answer: F,
    }
}

impl<F: Future> Future for Serving<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _held = this.clock.hold();
        this.answer.poll(cx)
    }
}

/// What a request was found to be for.
struct Admitted {
    pool: PoolRef,
    origin: Rc<Origin>,
    most_body: u64,
    /// Its place among the guards of the snapshot.
    guard: Option<usize>,
    slot: Option<Slot>,
}

impl Gateway {
    /// The data plane of a worker, with its place among its siblings: it reads snapshots from `cell`, tells `evidence`, and
    /// counts in its own cells.
    pub fn new(
        worker: (WorkerId, Seat),
        clock: Clock,
        cell: Arc<SnapshotCell>,
        evidence: mpsc::Sender<Evidence>,
        client_stats: Arc<ListenerStats>,
        access_log: Option<AccessLog>,
        tap: ActivityTap,
    ) -> Self {
        Self(Rc::new(Worker::new(worker, clock, cell, evidence, client_stats, access_log, tap)))
    }

    /// Runs beside the requests, for as long as the worker does: deadlines, rescues, upkeep.
    pub async fn background(&self) {
        background::run(&self.0).await;
    }

    /// Nothing more is accepted, and the process ends within `grace`. Half of it goes into telling the tunnels, the rest
    /// is theirs to end in.
    pub fn retire(&self, grace: Duration) {
        self.0.tunnels.retire(grace / 2, self.0.clock.now());
    }

    /// Serves one request.
    pub fn serve<'a>(
        &'a self,
        request: Request<ClientBody>,
        client: &'a Client,
    ) -> impl Future<Output = Response<ResponseBody>> + 'a {
        Serving { clock: &self.0.clock, answer: self.answer(request, client) }
    }

    async fn answer(&self, request: Request<ClientBody>, client: &Client) -> Response<ResponseBody> {
        let worker = &self.0;
        let received = worker.clock.now();
        let Request { head, body } = request;
        let http1 = head.version < Version::HTTP_2;
        let expects = head.fields.has(Known::Expect);
        let log = Line::begin(worker, &head, client, received);
        let admitted = match self.admit(&head, client, received) {
            Ok(admitted) => admitted,
            Err((refusal, pool)) => {
                worker.client_stats.cells.of(worker.id).refused.increment();
                read_rest(body, expects).await;
                let id = head.fields.value(Known::XRequestId).filter(|id| is_request_id(id.as_bytes()));
                let voice = pool.as_ref().map(|pool| Voice::of(&pool.get().config, None));
                return worker.refuse(refusal, voice.as_ref(), log, id.as_ref(), http1);
            }
        };
        let (pool, guard) = (admitted.pool.clone(), admitted.guard);
        pool.get().stats.cells.of(worker.id).requests.increment();
        let mut exchange = self.exchange(head, body, admitted, client, received);
        exchange.log = log;
        if let Some(log) = &mut exchange.log {
            log.has_id(&exchange.request_id);
        }
        let guarded = match guard.and_then(|at| pool.view().guards.get(at)) {
            Some(guard) => guard::check(worker, &mut exchange, pool.get(), guard).await,
            None => Ok(()),
        };
        if guarded.is_ok()
            && let Some(activity) = tracking::identify(&mut exchange, pool.get())
        {
            exchange = match tracking::serve(worker, exchange, &pool, activity, http1).await {
                Ok(response) => return response,
                Err(untracked) => *untracked,
            };
        }
        let answered = match guarded {
            Ok(()) => attempts::run(worker, &mut exchange, pool.clone()).await,
            Err(refusal) => Err(refusal),
        };
        match answered {
            Ok(response) => response,
            Err(refusal) => {
                if let Some(body) = &exchange.body {
                    read_rest(body.next_turn(), expects).await;
                }
                worker.give_up(refusal, &mut exchange, &pool, http1)
            }
        }
    }

    /// Waits for what goes on without its client; nothing new is expected.
    pub async fn settle(&self) {
        self.0.settle().await;
    }

    /// Checks a head and finds its pool. What is refused after that is told in the voice of the pool.
    fn admit(&self, head: &Head, client: &Client, now: Moment) -> Result<Admitted, (Refusal, Option<PoolRef>)> {
        let mut admitted = self.route(head, client).map_err(|refusal| (refusal, None))?;
        let declared = head.fields.get(Known::ContentLength);
        let declared = declared.and_then(|length| ascii(length)?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > admitted.most_body) {
            return Err((Refusal::BodyTooLarge, Some(admitted.pool)));
        }
        match limits::admit(&admitted.pool, self.0.id, client, &head.fields, now) {
            Ok(slot) => admitted.slot = Some(slot),
            Err(refusal) => return Err((refusal, Some(admitted.pool))),
        }
        Ok(admitted)
    }

    fn route(&self, head: &Head, client: &Client) -> Result<Admitted, Refusal> {
        head::method(&head.method)?;
        head::transfer_coding(&head.fields)?;
        if head.version >= Version::HTTP_2 {
            fields::check(head)?;
        }
        let origin = match Told::again(client, head) {
            Some(origin) => origin,
            None => {
                let (host, said) = (head::host(head)?, head.fields.get(Known::Host).unwrap_or_default());
                let told = Told::origin(client, &host, said);
                told.ok_or(Refusal::BadRequest("the Host header is not a host"))?
            }
        };
        let host = origin.host();
        let (_, path) = head::path(head)?;
        head::demands(head)?;
        if !client.may_ask_for(host) {
            return Err(Refusal::Misdirected);
        }
        let view = self.0.view();
        let route = view.routes.find(host, path).map_err(|miss| match miss {
            Miss::Host => Refusal::UnknownHost,
            Miss::Path => Refusal::UnknownPath,
        })?;
        let (pool, most_body, guard) = (route.pool, route.config.max_body, route.guard);
        Ok(Admitted { pool: PoolRef::new(view, pool), origin, most_body, guard, slot: None })
    }

    fn exchange(
        &self,
        mut head: Head,
        body: ClientBody,
        admitted: Admitted,
        client: &Client,
        received: Moment,
    ) -> Exchange {
        let pool = &admitted.pool.get().config;
        let protocol = head::upgrade(&head).and_then(|protocol| HeaderValue::from_bytes(protocol).ok());
        let upgrade = protocol.map(|protocol| (protocol, body.upgrade()));
        let te = head.fields.get(Known::Te);
        let wants_trailers = te.is_some_and(|te| te.eq_ignore_ascii_case(b"trailers"));
        let request_id = prepare_request(&mut head.fields, client, &admitted.origin, head.version);
        let keyed = head.fields.get(Known::IdempotencyKey).is_some_and(|key| !key.is_empty());
        let limits = BodyLimits { held: pool.replay_buffer, most: admitted.most_body };
        Exchange {
            received,
            slot: admitted.slot,
            log: None,
            activity: None,
            authentic: true,
            sender: None,
            deadline: received + pool.deadline,
            target: target_of(head.uri),
            may_replay: upgrade.is_none() && plan::may_replay(pool.replay, &head.method, keyed),
            method: head.method,
            fields: head.fields,
            request_id,
            body: (!body.is_end_stream())
                .then(|| Recording::new(body, limits, self.0.clock.clone(), Holding::of(&self.0.purse))),
            body_timeout: client.body_timeout,
            body_rate: client.body_rate,
            wants_trailers,
            upgrade: upgrade.and_then(|(protocol, on)| Some((protocol, on?))),
        }
    }
}
