//! Counters, events and logs. The `metrics` crate is named only here.

mod access_log;
mod budget;
mod control_stats;
mod describe;
mod export;
mod heartbeats;
mod held;
mod histogram;
mod logs;
mod panics;
mod process;
mod rate_table;
mod sources;
mod stats;
mod tap;
mod under_way;

pub use access_log::{AccessLog, AccessLogGuard, Record};
pub use budget::RetryBudget;
pub use control_stats::{
    AdminRefusal, CertificateStat, ControlStats, JournalCounts, KeyStat, ParityStat, PoolState, SwitchKey,
};
pub use export::render;
pub use heartbeats::{BEAT, Condition, Heartbeats, Part, STUCK_AFTER};
pub use held::HeldBytes;
pub use logs::{LogError, LogFormat, LogGuard, Unlogged};
pub use panics::Panics;
pub use process::ProcessSource;
pub use rate_table::RateTable;
pub use sources::{BackendSource, LedgerLevels, PoolSource};
pub use stats::{
    BackendCell, BackendStats, ClientCell, Counter, LATENCY_BOUNDS, ListenerStats, PerWorker, PoolCell, PoolStats,
    WorkerId,
};
pub use tap::{ActivityTap, Watching};
pub use under_way::UnderWay;
