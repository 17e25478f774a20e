//! A script of faults and orders, for `botgate simulate`.

use std::fmt;
use std::time::Duration;

use crate::model::Utc;

/// What happens to the pools of a config, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// How long the simulation goes on.
    pub lasts: Duration,
    /// What the wall clock shows at its start.
    pub start: Utc,
    /// Makes the chances of flaky backends repeatable.
    pub seed: u64,
    /// Live requests per second, by pool, in order of the config; 0: none.
    pub traffic: Vec<f64>,
    /// In order of time.
    pub events: Vec<ScriptEvent>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptEvent {
    /// When, from the start.
    pub at: Duration,
    /// To which pool, by its place in the config.
    pub pool: usize,
    /// What.
    pub deed: Deed,
}

/// What happens. Backends are meant by their place in the config's pool.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// A backend behaves like this from now on.
    Fault {
        /// Which.
        backend: usize,
        /// How.
        condition: Condition,
        /// Whether its probes are answered as if nothing were wrong.
        spare_probes: bool,
    },
    /// The parity checks of a backend find this.
    Parity {
        /// Which.
        backend: usize,
        /// Whether it is in step.
        in_step: bool,
    },
    /// An operator gives an order.
    Order {
        /// What.
        order: ScriptOrder,
        /// About which backend.
        backend: Option<usize>,
        /// For so long: a pin, a drill.
        lasts: Option<Duration>,
        /// Why, in their words.
        reason: Option<String>,
        /// Whether it is to be done although something speaks against it.
        force: bool,
    },
}

/// How a backend behaves: the faults of `botgate sim`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition {
    /// Every request is answered at once.
    Well,
    /// Connections are reset, new ones refused.
    Down,
    /// Connections are accepted, requests are read, nothing is answered.
    Hang,
    /// Every answer is this late.
    Slow(Duration),
    /// Every answer has this status.
    Status(u16),
    /// Requests are read, then the connection is reset.
    Reset,
    /// This share (0 to 1) of the answers has status 503.
    Flaky(f64),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well => f.write_str("heal"),
            Self::Down => f.write_str("down"),
            Self::Hang => f.write_str("hang"),
            Self::Slow(by) => write!(f, "slow {}", super::values::brief(*by)),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Reset => f.write_str("reset"),
            Self::Flaky(share) => write!(f, "flaky {}%", share * 100.0),
        }
    }
}

/// What an operator orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptOrder {
    /// Move away, to `backend` or to the best.
    Failover,
    /// Move back to the first priority.
    Failback,
    /// Hold `backend` active.
    Pin,
    /// Release a pin or a latch.
    Unpin,
    /// Take `backend` out.
    Drain,
    /// Put `backend` back.
    Resume,
    /// Begin a drill, on `backend` or the best.
    Drill,
    /// End the drill.
    EndDrill,
}

impl ScriptOrder {
    /// All of them, with the words of the script.
    pub(super) const ALL: [(&str, Self); 8] = [
        ("failover", Self::Failover),
        ("failback", Self::Failback),
        ("pin", Self::Pin),
        ("unpin", Self::Unpin),
        ("drain", Self::Drain),
        ("resume", Self::Resume),
        ("drill", Self::Drill),
        ("end-drill", Self::EndDrill),
    ];

    /// The word of the script.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, order)| *order == self).map_or("?", |(word, _)| word)
    }
}
