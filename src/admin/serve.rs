//! The admin listener: bound early, so that a port in use is found before anything starts; drained at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Most connections at once; more wait in the accept queue.
const MAX_CONNECTIONS: usize = 256;
/// Deadline of a request head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests under way have at shutdown.
const GRACE: Duration = Duration::from_secs(5);
/// Pause after an accept that failed for want of file descriptors, which would else fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the admin listener cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket has the address.
    #[error(
        "the admin API cannot listen on {addr}: the port is in use, maybe by another botgate; \
         stop it (`ss -ltnp 'sport = :{}'` names it) or change [admin] bind", addr.port()
    )]
    InUse {
        /// The address.
        addr: SocketAddr,
    },
    /// Anything else: no such address on this machine, a port below 1024 without the right to it.
    #[error("the admin API cannot listen on {addr}: {source}; change [admin] bind")]
    Other {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Binds the admin listener, non-blocking, for [`tokio::net::TcpListener::from_std`].
///
/// # Errors
/// [`BindError`], which says what to do.
pub fn bind(addr: SocketAddr) -> Result<std::net::TcpListener, BindError> {
    let bound = std::net::TcpListener::bind(addr).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { addr },
        _ => BindError::Other { addr, source },
    })
}

/// Serves until `shutdown` is cancelled; then takes no more connections, lets requests under way end for 5 s, and returns.
///
/// # Errors
/// None today: an accept that fails is logged and tried again. The type leaves room for a listener that is gone.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let accept = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, _)| (stream, place))
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let (router, shutdown, cut) = (router.clone(), shutdown.clone(), cut.clone());
                connections.spawn(async move {
                    tokio::select! {
                        () = connection(stream, router, shutdown) => {}
                        () = cut.cancelled() => {}
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin listener could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        cut.cancel();
        connections.wait().await;
    }
    Ok(())
}

async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an admin connection ended badly");
    }
}
