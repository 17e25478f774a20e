//! Where connections to a backend lead, and how each was made.

use std::net::SocketAddr;
use std::sync::Arc;

use super::tls::TlsClient;
use crate::model::BackendId;

/// Where connections to a backend must lead, and by which rules they must have been made: others are used no more.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    /// The backend.
    pub backend: BackendId,
    /// Its addresses now.
    pub addresses: &'a [SocketAddr],
    /// TLS to it; none for plain HTTP.
    pub tls: Option<&'a TlsClient>,
}

/// How a connection was made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    peer: SocketAddr,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Made {
    /// By the rules of `reach`, to this address.
    pub(super) fn new(reach: Reach<'_>, peer: SocketAddr) -> Self {
        Self { peer, tls: reach.tls.map(|tls| tls.config.clone()) }
    }
}

impl Reach<'_> {
    /// Whether a connection may still be used.
    pub(super) fn covers(&self, made: &Made) -> bool {
        let same_tls = match (self.tls, &made.tls) {
            (None, None) => true,
            (Some(now), Some(then)) => Arc::ptr_eq(&now.config, then),
            _ => false,
        };
        same_tls && self.addresses.contains(&made.peer)
    }
}
