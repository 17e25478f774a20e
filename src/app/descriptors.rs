//! How many file descriptors the process may have: each connection needs one, and one more to its backend.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::Config;

/// What else is open: the journal, logs, runtimes, look-ups, probes, the admin API.
const OTHERS: u64 = 256;

/// Raises the soft limit to the hard one, as far as the system lets it, and warns when that is not enough for the
/// connections that the config allows. The soft limit is low for programs that use select(2), which this is not.
pub(super) fn raise(config: &Config) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let now = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!(%error, soft, hard, "the limit of open files cannot be raised");
            soft
        }
    };
    let wanted = wanted(config);
    if now < wanted {
        tracing::warn!(
            limit = now,
            wanted,
            "max_connections allows more connections than there are file descriptors: what is too many waits to be accepted; \
             raise LimitNOFILE= (systemd) or ulimit -Hn"
        );
    }
}

/// Enough for all connections of clients, each with one to a backend.
fn wanted(config: &Config) -> u64 {
    let clients: u64 = config.listeners.iter().map(|listener| listener.max_connections as u64).sum();
    clients.saturating_mul(2).saturating_add(OTHERS)
}
