//! The immutable view that a request reads, and its one swap cell.

mod cell;
mod hash;
mod keys;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;

pub use cell::{SnapshotCell, SnapshotReader, View};
use http::HeaderValue;
pub use keys::{GuardKeys, Missed, PublishedKeys};
pub use routes::{Miss, RouteTable};

use crate::config::{BackendConfig, GuardConfig, PoolConfig, RouteConfig};
use crate::ledger::Ledger;
use crate::model::{BackendId, Health};
use crate::telemetry::{BackendStats, PoolStats};
use crate::upstream::{Origin, Reach, TlsClient};

/// All that a request needs, immutable. Published whole by control, read whole by workers.
#[derive(Debug)]
pub struct Snapshot {
    /// Grows by one at each publication.
    pub generation: u64,
    /// Host and path to pool.
    pub routes: RouteTable,
    /// The pools, as [`Route::pool`] numbers them.
    pub pools: Vec<Arc<Pool>>,
    /// The guards, as [`Route::guard`] numbers them.
    pub guards: Arc<[Guard]>,
}

/// A route as a request sees it.
#[derive(Clone, Debug)]
pub struct Route {
    /// As written.
    pub config: RouteConfig,
    /// The index of its pool in [`Snapshot::pools`].
    pub pool: usize,
    /// The index of its guard in [`Snapshot::guards`]; none lets everything through.
    pub guard: Option<usize>,
}

/// What a request must be before a backend sees it.
#[derive(Clone, Debug)]
pub struct Guard {
    /// As written.
    pub config: Arc<GuardConfig>,
    /// What tokens are checked with; none where they are not looked at.
    pub keys: Option<GuardKeys>,
}

impl Guard {
    /// Whether this path is let through unchecked. It must be so as it was sent: what an escape or another case stands
    /// for is the bot's own business, so such a path is checked.
    pub fn is_open(&self, path: &str) -> bool {
        let below =
            |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.config.open.iter().any(|prefix| below(prefix.trim_end_matches('/')))
            && !path.split('/').any(|segment| segment == ".." || segment == "." || segment.contains(['%', '\\', ';']))
    }
}

/// A pool as a request sees it.
#[derive(Debug)]
pub struct Pool {
    /// Its rules.
    pub config: Arc<PoolConfig>,
    /// Grows by one at every switch.
    pub epoch: u64,
    /// The epoch as the value of `Botgate-Epoch`.
    pub epoch_header: HeaderValue,
    /// The backends in order of priority.
    pub backends: Vec<Backend>,
    /// The order in which a request tries the backends, as indices: the active one first, then what else may serve.
    /// Empty when all are down and the policy is to reject.
    pub order: Vec<usize>,
    /// Live counters; they survive a reload.
    pub stats: Arc<PoolStats>,
    /// The activities in flight and done, with `replay = "keyed"`; they survive a reload.
    pub ledger: Arc<Ledger>,
}

/// A backend as a request sees it.
#[derive(Debug)]
pub struct Backend {
    /// Its identity: connections and counters belong to it.
    pub id: BackendId,
    /// Its rules.
    pub config: Arc<BackendConfig>,
    /// How requests name it.
    pub origin: Origin,
    /// TLS to it; none for plain HTTP.
    pub tls: Option<TlsClient>,
    /// Where it is now; empty when its name was never resolved.
    pub addresses: Arc<[SocketAddr]>,
    /// What probes and evidence say. Requests that wait unanswered on an unhealthy backend are rescued.
    pub health: Health,
    /// Live counters; they survive a reload.
    pub stats: Arc<BackendStats>,
}

impl Backend {
    /// Where connections to it must lead now.
    pub fn reach(&self) -> Reach<'_> {
        Reach { backend: self.id, addresses: &self.addresses, tls: self.tls.as_ref() }
    }
}
