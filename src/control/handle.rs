//! How other parts talk to control: messages over a bounded channel, each with a reply.

use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::config::KeySourceConfig;
use crate::model::{
    BackendName, DecisionView, DrillReport, ExplainView, JournalEntry, JournalQuery, OrderView, PoolName, PoolView,
    Readiness, ReloadOutcome, Window,
};
use crate::snapshot::PublishedKeys;

/// What control is asked.
#[derive(Debug)]
pub enum Command {
    /// All pools, in order of the config.
    Pools(Reply<Vec<PoolView>>),
    /// Whether the first round of probes is over, and what does not work as it should.
    Ready(Reply<Readiness>),
    /// An operator's order to one pool.
    Order(PoolOrder),
    /// Why a pool is as it is, what would make it move, and what to do.
    Explain {
        /// The pool.
        pool: PoolName,
        /// Where the answer goes.
        reply: Reply<ExplainView>,
    },
    /// Entries of the journal, newest first.
    Journal(JournalQuery, Reply<Vec<JournalEntry>>),
    /// Write no more decisions to the journal: a successor does.
    Retire(Reply<()>),
    /// Read the config again. Where somebody ordered it, the journal says who.
    Reload(Option<String>, Reply<ReloadOutcome>),
    /// About drills.
    Drill(DrillCommand),
}

/// What control is asked about drills.
#[derive(Debug)]
pub enum DrillCommand {
    /// Begin one, or plan it. Answered once the pool has moved, or once it is planned.
    Start(DrillOrder, Reply<DrillReport>),
    /// End the one with this name, or call it off. Answered once the pool has moved back.
    Stop {
        /// Its name.
        id: String,
        /// Who says so.
        by: String,
        /// Why, in their words.
        reason: Option<String>,
        /// The report by then.
        reply: Reply<DrillReport>,
    },
    /// The report of one; of the latest, when none is named.
    Find(Option<String>, Reply<Option<DrillReport>>),
    /// The latest so many reports, newest first; 200 at most.
    List(usize, Reply<Vec<DrillReport>>),
}

/// An order to rehearse a failover.
#[derive(Debug)]
pub struct DrillOrder {
    /// The pool.
    pub pool: PoolName,
    /// Where to; none: to the best that is ready.
    pub to: Option<BackendName>,
    /// For so long; none: as the config says.
    pub lasts: Option<Duration>,
    /// Once, at the next opening of this window; none: now.
    pub window: Option<Window>,
    /// Who gave it.
    pub by: String,
    /// Why, in their words.
    pub reason: Option<String>,
}

/// An operator's order to one pool.
#[derive(Debug)]
pub struct PoolOrder {
    /// The pool.
    pub pool: PoolName,
    /// What is to be done.
    pub what: Action,
    /// Who gave it: a token's name, or the local user.
    pub by: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Whether it is to be done although something speaks against it.
    pub force: bool,
    /// What came of it: once it is durable, or known that it cannot be made so.
    pub reply: Reply<OrderView>,
}

/// What is to be done, with backends by name. Drills are ordered by [`DrillCommand`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Move away from the active backend.
    Failover {
        /// Where to; none: to the best that is ready.
        to: Option<BackendName>,
    },
    /// Move back to the first priority; releases a latch, ends a drill.
    Failback,
    /// Hold a backend active.
    Pin {
        /// Which.
        backend: BackendName,
        /// For so long; none: until released.
        lasts: Option<Duration>,
        /// Whether it gives way when its backend becomes unavailable; none: as the config says.
        yield_when_down: Option<bool>,
    },
    /// Release a pin, or else a latch.
    Unpin,
    /// Take a backend out: no new request goes to it; those under way end.
    Drain {
        /// Which.
        backend: BackendName,
    },
    /// Put a backend back.
    Resume {
        /// Which.
        backend: BackendName,
    },
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
    #[error("{}{}", .reasons.join("; "), if *.forcible { "; --force does it all the same" } else { "" })]
    Refused {
        /// What speaks against it, one sentence each.
        reasons: Vec<String>,
        /// Whether it could be forced.
        forcible: bool,
    },
    /// What was asked for could not be read.
    #[error("{0}")]
    Unreadable(String),
    /// Control is not running, or too busy to take another command.
    #[error("the control task does not answer: {0}")]
    Unavailable(&'static str),
}

/// A way to talk to control; cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    events: broadcast::Sender<DecisionView>,
    keys: watch::Receiver<Option<OperatorKeys>>,
}

/// The keys that tokens of operators are checked with.
#[derive(Clone, Debug)]
pub struct OperatorKeys {
    /// Where they are published: of use only to who trusts that place.
    pub source: KeySourceConfig,
    /// The keys, and where one is asked for that is not among them.
    pub published: PublishedKeys,
}

impl Handle {
    /// A handle that sends on these channels.
    pub fn new(commands: mpsc::Sender<Command>, events: broadcast::Sender<DecisionView>) -> Self {
        Self { commands, events, keys: watch::channel(None).1 }
    }

    /// The same, with these keys of operators.
    pub fn with_keys(self, keys: watch::Receiver<Option<OperatorKeys>>) -> Self {
        Self { keys, ..self }
    }

    /// The keys that tokens of operators are checked with now; none where no issuer of such tokens is known.
    pub fn operator_keys(&self) -> Option<OperatorKeys> {
        self.keys.borrow().clone()
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
