//! The one way to open a connection to a backend: dial, TLS, and the beginning of HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::dial::{Alpn, DialError, dial};
use super::reach::{Made, Reach};
use super::request_body::RequestBody;
use super::sender::Sender;
use crate::telemetry::{BackendStats, WorkerId};

/// What is needed to open a connection.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// To whom.
    pub reach: Reach<'a>,
    /// Offering what: a tunnel begins on HTTP/1.1.
    pub alpn: Alpn,
    /// Bounds TCP and TLS together.
    pub timeout: Duration,
    /// Where it is counted for as long as it is open …
    pub stats: &'a Arc<BackendStats>,
    /// … in the cell of this worker.
    pub worker: WorkerId,
}

/// A connection that was just opened, ready for its first request.
#[derive(Debug)]
pub struct Opened<B> {
    pub(super) sender: Sender<B>,
    pub(super) made: Made,
}

/// Opens a connection. No request is sent on it.
///
/// # Errors
/// [`DialError`].
pub async fn open<B: RequestBody>(opening: Opening<'_>) -> Result<Opened<B>, DialError> {
    let Opening { reach, alpn, timeout, stats, worker } = opening;
    let dialed = dial(reach.addresses, reach.tls, alpn, timeout).await?;
    let peer: SocketAddr = dialed.peer;
    let sender = Sender::start(dialed, stats.clone(), worker).await;
    let sender = sender.map_err(|error| DialError::Preface { peer, error })?;
    Ok(Opened { sender, made: Made::new(reach, peer) })
}
