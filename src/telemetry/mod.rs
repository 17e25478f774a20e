//! Counters, events and logs. The `metrics` crate is named only here.

mod budget;
mod control_stats;
mod stats;

pub use budget::RetryBudget;
pub use control_stats::{ControlStats, Histogram, SwitchKey};
pub use stats::{
    BackendCell, BackendStats, ClientCell, Counter, LATENCY_BOUNDS, ListenerStats, PerWorker, PoolCell, PoolStats,
    WorkerId,
};
