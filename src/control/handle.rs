//! How other parts talk to control: messages over a bounded channel, each with a reply.

use tokio::sync::{broadcast, mpsc, oneshot};

use crate::model::{BackendName, DecisionView, PoolName, PoolView, ReloadOutcome};

/// What control is asked.
#[derive(Debug)]
pub enum Command {
    /// All pools, in order of the config.
    Pools(Reply<Vec<PoolView>>),
    /// Whether the first round of probes is over, and the config serves.
    Ready(Reply<bool>),
    /// Take a backend out: no new request goes to it; those under way end.
    Drain(Order),
    /// Put a backend back.
    Resume(Order),
    /// Read the config again.
    Reload(Reply<ReloadOutcome>),
}

/// An operator's order about one backend.
#[derive(Debug)]
pub struct Order {
    /// The pool.
    pub pool: PoolName,
    /// The backend.
    pub backend: BackendName,
    /// Who gave it: a token's name, or the local user.
    pub by: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// The pool afterwards.
    pub reply: Reply<PoolView>,
}

/// Where the answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, ControlError>>;

/// Why control refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// No such pool.
    #[error("there is no pool {name:?}; the pools are: {}", known.join(", "))]
    UnknownPool {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No such backend in the pool.
    #[error("pool {pool:?} has no backend {name:?}; its backends are: {}", known.join(", "))]
    UnknownBackend {
        /// The pool.
        pool: String,
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The order cannot be carried out as things stand.
    #[error("{0}")]
    Refused(String),
    /// Control is not running, or too busy to take another command.
    #[error("the control task does not answer: {0}")]
    Unavailable(&'static str),
}

/// A way to talk to control; cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    events: broadcast::Sender<DecisionView>,
}

impl Handle {
    /// A handle that sends on these channels.
    pub fn new(commands: mpsc::Sender<Command>, events: broadcast::Sender<DecisionView>) -> Self {
        Self { commands, events }
    }

    /// Sends what `command` makes of a reply channel, and waits for the answer.
    ///
    /// # Errors
    /// What control answers, or [`ControlError::Unavailable`].
    pub async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, ControlError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.try_send(command(reply));
        sent.map_err(|_| ControlError::Unavailable("its queue is full or closed"))?;
        answer.await.map_err(|_| ControlError::Unavailable("it stopped before it answered"))?
    }

    /// Every decision from now on. A slow receiver loses the oldest.
    pub fn events(&self) -> broadcast::Receiver<DecisionView> {
        self.events.subscribe()
    }
}
