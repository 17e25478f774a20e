//! What the handlers share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::guard::{Guard, InsecureBind};
use super::problem::{Kind, Problem};
use crate::config::AdminConfig;
use crate::control::{Command, ControlError, Handle, Reply};
use crate::telemetry::{ActivityTap, Heartbeats};

/// Renders the metrics in Prometheus' text format. Called for every scrape; must not block for long.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Most event streams at once.
pub(super) const MAX_SUBSCRIBERS: usize = 32;

/// What the handlers of one admin listener share; cheap to clone.
#[derive(Clone)]
pub struct AdminState {
    pub(super) control: Handle,
    pub(super) guard: Guard,
    pub(super) render: RenderMetrics,
    pub(super) subscribers: Arc<Semaphore>,
    pub(super) shutdown: CancellationToken,
    pub(super) tap: ActivityTap,
    /// None: nobody watches the threads.
    pub(super) hearts: Option<Arc<Heartbeats>>,
}

impl AdminState {
    /// The state of a listener with this config. `shutdown` is the token that [`super::serve`] gets as well: it ends the
    /// event streams, which would else hold the listener open for ever.
    ///
    /// # Errors
    /// [`InsecureBind`] when the address is open to the network and there is no token.
    pub fn new(
        control: Handle,
        config: &AdminConfig,
        render: RenderMetrics,
        tap: ActivityTap,
        shutdown: CancellationToken,
    ) -> Result<Self, InsecureBind> {
        let guard = Guard::new(config)?;
        Ok(Self {
            control,
            guard,
            render,
            subscribers: Arc::new(Semaphore::new(MAX_SUBSCRIBERS)),
            shutdown,
            tap,
            hearts: None,
        })
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
