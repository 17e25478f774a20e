//! Counters, events and logs. The `metrics` crate is named only here.

mod budget;
mod stats;

pub use budget::RetryBudget;
pub use stats::{
    BackendCell, BackendStats, ClientCell, Counter, LATENCY_BOUNDS, ListenerStats, PerWorker, PoolCell, PoolStats,
    WorkerId,
};
