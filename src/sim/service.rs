//! One service of one region: who it is, which fault is in force, what it received.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use http::HeaderValue;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::received::Received;
use super::{Distribution, Fault, FaultKind, QnaIdentity, RegionConfig};

/// What a service answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// `/api/messages`.
    Bot,
    /// Both question-answering shapes.
    Qna,
}

impl ServiceKind {
    /// As written in the control API and in `x-sim-service`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::Qna => "qna",
        }
    }
}

/// A fault in force, with what it draws from.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) fault: Fault,
    pub(super) until: Option<Instant>,
    random: Mutex<Rng>,
}

impl Active {
    pub(super) fn new(fault: Fault) -> Self {
        let seed = match fault.kind {
            FaultKind::Slow { seed, .. } | FaultKind::Flaky { seed, .. } => seed,
            _ => 0,
        };
        let until = fault.lasts.map(|span| Instant::now() + span);
        Self { fault, until, random: Mutex::new(Rng::with_seed(seed)) }
    }

    pub(super) fn delay(&self, distribution: Distribution) -> Duration {
        distribution.draw(&mut locked(&self.random))
    }

    pub(super) fn chance(&self, rate: f64) -> bool {
        locked(&self.random).f64() < rate
    }
}

/// What every connection of a service watches.
#[derive(Clone, Debug, Default)]
pub(super) struct Weather {
    pub(super) active: Option<Arc<Active>>,
    /// How often the service went down: a connection from before must die even when the service is already back.
    pub(super) downs: u64,
}

/// A change of fault; `None` heals. `done` is told when it is in force.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) fault: Option<Fault>,
    pub(super) done: oneshot::Sender<Result<(), String>>,
}

/// One service of one region.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) region: String,
    pub(super) kind: ServiceKind,
    pub(super) address: SocketAddr,
    pub(super) region_header: HeaderValue,
    pub(super) weather: watch::Sender<Weather>,
    pub(super) orders: mpsc::Sender<Order>,
    /// What its question answering wants to be asked by.
    pub(super) identity: QnaIdentity,
    latency: Option<Distribution>,
    random: Mutex<Rng>,
    received: Mutex<Received>,
    record: Option<File>,
    answers: AtomicU64,
}

impl Service {
    pub(super) fn new(
        kind: ServiceKind,
        address: SocketAddr,
        region: &RegionConfig,
        record: Option<File>,
        orders: mpsc::Sender<Order>,
    ) -> Self {
        let RegionConfig { name, latency, identity, .. } = region;
        Self {
            region: name.clone(),
            kind,
            address,
            region_header: HeaderValue::from_str(name).unwrap_or(HeaderValue::from_static("?")),
            weather: watch::Sender::new(Weather::default()),
            orders,
            identity: identity.clone(),
            latency: *latency,
            random: Mutex::new(Rng::with_seed(u64::from(address.port()))),
            received: Mutex::default(),
            record,
            answers: AtomicU64::new(0),
        }
    }

    /// How long the next answer takes without a fault.
    pub(super) fn latency(&self) -> Option<Duration> {
        self.latency.map(|latency| latency.draw(&mut locked(&self.random)))
    }

    pub(super) fn received(&self) -> MutexGuard<'_, Received> {
        locked(&self.received)
    }

    /// Whether arrivals are recorded.
    pub(super) fn records(&self) -> bool {
        self.record.is_some()
    }

    /// Appends the id of an activity to the record, in one write: what was written outlives the process.
    pub(super) fn record(&self, id: &str) {
        if let Some(mut file) = self.record.as_ref()
            && let Err(error) = file.write_all(format!("{id}\n").as_bytes())
        {
            tracing::warn!(region = self.region, %error, "cannot record an arrival");
        }
    }

    /// The number of the answer that is about to be given, from 1.
    pub(super) fn next_answer(&self) -> u64 {
        self.answers.fetch_add(1, Relaxed) + 1
    }

    /// The fault in force.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.weather.borrow().active.as_ref().map(|active| active.fault.clone())
    }

    /// Has a fault put in force, or healed; returns when it is.
    pub(super) async fn order(&self, fault: Option<Fault>) -> Result<(), String> {
        let stopped = || "the service has stopped".to_owned();
        let (done, told) = oneshot::channel();
        self.orders.send(Order { fault, done }).await.map_err(|_| stopped())?;
        told.await.map_err(|_| stopped())?
    }
}

/// Counters and random generators are whole after each statement: a panic elsewhere does not spoil them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
