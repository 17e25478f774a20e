//! What the handlers share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::guard::Guard;
use super::problem::{Kind, Problem};
use super::rules::Rules;
use crate::control::{Command, ControlError, Handle, Reply};
use crate::telemetry::{ActivityTap, ControlStats, Heartbeats};

/// Renders the metrics in Prometheus' text format. Called for every scrape; must not block for long.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Most event streams at once.
pub(super) const MAX_SUBSCRIBERS: usize = 32;

/// What the handlers of one admin listener share; cheap to clone.
#[derive(Clone)]
pub struct AdminState {
    pub(super) control: Handle,
    pub(super) guard: Guard,
    pub(super) stats: Arc<ControlStats>,
    pub(super) render: RenderMetrics,
    pub(super) subscribers: Arc<Semaphore>,
    pub(super) shutdown: CancellationToken,
    pub(super) tap: ActivityTap,
    /// None: nobody watches the threads.
    pub(super) hearts: Option<Arc<Heartbeats>>,
}

impl AdminState {
    /// The state of a listener with these rules, which counts what it refuses in `stats`. `shutdown` ends [`super::serve`],
    /// and the event streams, which would else hold the listener open for ever.
    pub fn new(
        control: Handle,
        rules: Rules,
        stats: Arc<ControlStats>,
        render: RenderMetrics,
        tap: ActivityTap,
        shutdown: CancellationToken,
    ) -> Self {
        let guard = Guard::new(rules, control.clone(), stats.clone());
        let subscribers = Arc::new(Semaphore::new(MAX_SUBSCRIBERS));
        Self { control, guard, stats, render, subscribers, shutdown, tap, hearts: None }
    }

    /// The same with an eye on the threads that serve.
    pub fn watching(self, hearts: Arc<Heartbeats>) -> Self {
        Self { hearts: Some(hearts), ..self }
    }

    /// Asks control, and waits no longer than `patience`.
    pub(super) async fn ask<T>(
        &self,
        patience: Duration,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Problem> {
        Ok(self.try_ask(patience, command).await??)
    }

    /// The same for who wants to know why control refused.
    pub(super) async fn try_ask<T>(
        &self,
        patience: Duration,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<Result<T, ControlError>, Problem> {
        tokio::time::timeout(patience, self.control.ask(command)).await.map_err(|_| {
            let detail = format!(
                "control did not answer within {} s; traffic goes on as it was, and what was asked may still happen",
                patience.as_secs_f32()
            );
            Problem::new(Kind::ControlUnavailable, detail)
        })
    }
}
