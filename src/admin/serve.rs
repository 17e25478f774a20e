//! The admin listener: bound early, so that a port in use is found before anything starts; drained at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::access::Access;
use super::credential::Peer;
use super::crowd::Crowd;
use super::router::router;
use super::state::AdminState;
use super::tls::{Shown, Tls};
use crate::telemetry::AdminRefusal;

/// Most connections at once; more wait in the accept queue.
const MAX_CONNECTIONS: usize = 256;
/// Of these, most of one address (IPv6: of one /64); more are closed at once.
const MAX_OF_ONE: usize = 64;
/// Deadline of a request head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Deadline of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
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

/// Serves until the state's shutdown; then takes no more connections, lets requests under way end for 5 s, and returns.
///
/// # Errors
/// None today: an accept that fails is logged and tried again. The type leaves room for a listener that is gone.
pub async fn serve(listener: TcpListener, state: AdminState) -> io::Result<()> {
    let (shutdown, router) = (state.shutdown.clone(), router(state.clone()));
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (connections, crowd) = (TaskTracker::new(), Crowd::new(MAX_OF_ONE));
    let cut = CancellationToken::new();
    loop {
        let accept = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, remote)| (stream, remote, place))
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((stream, remote, place)) => {
                let Some(entered) = crowd.enter(remote.ip()) else {
                    state.stats.admin_refused(AdminRefusal::Rate);
                    continue;
                };
                let (state, router, cut) = (state.clone(), router.clone(), cut.clone());
                connections.spawn(async move {
                    tokio::select! {
                        () = connection(stream, remote, state, router) => {}
                        () = cut.cancelled() => {}
                    }
                    drop((place, entered));
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

/// One connection: TLS where the rules want it, then requests.
async fn connection(stream: TcpStream, remote: SocketAddr, state: AdminState, router: Router) {
    let began = state.guard.rules.now();
    // The address that was called is a name of this listener: one that is gone by now called nobody.
    let Ok(local) = stream.local_addr() else { return };
    let peer = |shown| Peer { remote, local: local.ip().to_canonical(), shown };
    let Some(realm) = began.tls.as_ref().map(Tls::realm) else {
        return speak(stream, peer(None), began, state, router).await;
    };
    // Small answers are whole messages. Failing to set it harms nobody.
    let _ = stream.set_nodelay(true);
    let accepted = async {
        let stream = TlsAcceptor::from(realm.config()).accept(stream).await?;
        let shown = Shown::of(stream.get_ref().1, realm).map_err(io::Error::other)?;
        Ok::<_, io::Error>((stream, shown))
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, accepted).await {
        Ok(Ok((stream, shown))) => speak(stream, peer(shown), began, state, router).await,
        Ok(Err(error)) => {
            state.stats.admin_refused(AdminRefusal::Tls);
            tracing::debug!(%remote, %error, "a TLS handshake with the admin API failed");
        }
        Err(_) => state.stats.admin_refused(AdminRefusal::Tls),
    }
}

/// Serves the requests of a connection that `began` under these rules.
async fn speak<S>(stream: S, peer: Peer, began: Arc<Access>, state: AdminState, router: Router)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = outlived(&state, &began) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an admin connection ended badly");
    }
}

/// Waits for the shutdown, or until a connection could not begin any more as it did: without TLS, or under another CA.
async fn outlived(state: &AdminState, began: &Access) {
    let mut changes = state.guard.rules.changes();
    // They may have changed during the handshake.
    changes.mark_changed();
    let rules = async {
        while changes.changed().await.is_ok() {
            if !began.admits_connections_of(&changes.borrow_and_update()) {
                return;
            }
        }
    };
    tokio::select! {
        () = rules => {}
        () = state.shutdown.cancelled() => {}
    }
}
