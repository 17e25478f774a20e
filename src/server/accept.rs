//! Accepts connections on one socket of one worker.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::balance::Handed;
use super::bind::BACKLOG;
use super::connection;
use super::drain::{deafen, settle};
use super::listener::Listener;
use super::serve::Serve;
use super::stream::Place;
use super::worker::Worker;

/// The waits after an accept that failed for want of descriptors or memory.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Accepts until the worker stops, then takes what had begun to connect before and closes the socket.
pub(super) async fn accept<S: Serve>(worker: Rc<Worker<S>>, listener: Arc<Listener>, mut socket: TcpListener) {
    loop {
        tokio::select! {
            biased;
            () = worker.stop.requested() => break,
            () = accept_all(&worker, &listener, &socket) => {}
        }
        socket = match listen_again(socket) {
            Ok(socket) => {
                worker.balance.open(worker.id);
                tracing::warn!(worker = worker.id.0, address = %listener.address, "was stuck: takes connections again");
                socket
            }
            Err(error) => {
                tracing::error!(worker = worker.id.0, address = %listener.address, %error, "cannot listen again: the others do");
                return;
            }
        };
    }
    match deafen(&socket) {
        Ok(()) => {
            let settled = tokio::time::sleep(settle(worker.stop.grace()));
            tokio::select! {
                () = settled => {}
                () = accept_all(&worker, &listener, &socket) => {}
            }
        }
        Err(error) => tracing::debug!(%error, "cannot refuse new connections before closing the socket"),
    }
    drain_queue(&worker, &listener, socket);
}

/// Accepts until the socket is set aside, which it is when this worker is stuck ([`super::thread::Assignment::set_aside`]).
async fn accept_all<S: Serve>(worker: &Rc<Worker<S>>, listener: &Arc<Listener>, socket: &TcpListener) {
    let mut wait = FIRST_WAIT;
    loop {
        match socket.accept().await {
            Ok((io, peer)) => {
                wait = FIRST_WAIT;
                assign(worker, listener, io, peer);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(error) => {
                // EMFILE and its like: the socket stays readable, so trying at once again would spin.
                tracing::warn!(
                    address = %listener.address, %error, ?wait,
                    "cannot accept connections; if it says too many open files, raise the limit (ulimit -n)"
                );
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }
}

/// Takes what other workers hand to this one, until it stops; then what they have handed by then.
pub(super) async fn take_in<S: Serve>(worker: Rc<Worker<S>>) {
    worker.balance.open(worker.id);
    loop {
        tokio::select! {
            biased;
            () = worker.stop.requested() => break,
            handed = worker.balance.next(worker.id) => take(&worker, handed),
        }
    }
    for handed in worker.balance.shut(worker.id) {
        take(&worker, handed);
    }
}

fn take<S: Serve>(worker: &Rc<Worker<S>>, handed: Handed) {
    // It fails for want of memory alone: then the connection is closed.
    if let Ok(io) = TcpStream::from_std(handed.io) {
        admit(worker, &handed.listener, io, handed.peer);
    }
}

/// Takes a connection, or hands it to a worker that has fewer.
fn assign<S: Serve>(worker: &Rc<Worker<S>>, listener: &Arc<Listener>, io: TcpStream, peer: SocketAddr) {
    let Some(other) = worker.balance.better_than(worker.id) else { return admit(worker, listener, io, peer) };
    let Ok(io) = io.into_std() else { return };
    match worker.balance.hand(other, Handed { listener: listener.clone(), io, peer }) {
        Ok(()) => worker.stats.cells.of(worker.id).handed_over.increment(),
        Err(back) => take(worker, back),
    }
}

/// Puts a socket that was set aside back among those that share its port. Its registration with the runtime is made anew:
/// the old one has seen the end of the socket, and would for ever.
fn listen_again(socket: TcpListener) -> io::Result<TcpListener> {
    let socket = socket.into_std()?;
    SockRef::from(&socket).listen(BACKLOG)?;
    TcpListener::from_std(socket)
}

/// Connections in the accept queue have been acknowledged to their clients: closing the socket would reset them.
fn drain_queue<S: Serve>(worker: &Rc<Worker<S>>, listener: &Arc<Listener>, socket: TcpListener) {
    let Ok(socket) = socket.into_std() else { return };
    loop {
        match socket.accept() {
            Ok((io, peer)) => {
                if io.set_nonblocking(true).is_ok()
                    && let Ok(io) = TcpStream::from_std(io)
                {
                    admit(worker, listener, io, peer);
                }
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(_) => return,
        }
    }
}

fn admit<S: Serve>(worker: &Rc<Worker<S>>, listener: &Arc<Listener>, io: TcpStream, peer: SocketAddr) {
    let cell = worker.stats.cells.of(worker.id);
    let config = listener.config.load();
    if !listener.enter(config.max_connections) {
        cell.turned_away.increment();
        return;
    }
    // Who the client is, a PROXY header says later.
    let source = if config.proxy_protocol { Ok(None) } else { listener.enter_from(&config, peer.ip()) };
    let source = match source {
        Ok(source) => source,
        Err(crowded) => {
            listener.leave();
            cell.crowded.increment();
            tracing::debug!(%peer, %crowded, "turned away");
            return;
        }
    };
    cell.accepted.increment();
    let place = Place {
        listener: listener.clone(),
        stats: worker.stats.clone(),
        worker: worker.id,
        source,
        _drain: worker.tracker.token(),
    };
    // On Linux it has it from its listener. It fails only on a socket that is already gone.
    #[cfg(not(target_os = "linux"))]
    let _ = io.set_nodelay(true);
    tokio::task::spawn_local(connection::run(worker.clone(), io, peer, place));
}

/// Errors of the connection that was to be accepted, not of accepting (accept(2)).
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable,
        PermissionDenied,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkUnreachable
            | PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_descriptors_is_not_one_connections_error() {
        for code in [23, 24, 105, 12] {
            assert!(!concerns_one_connection(&io::Error::from_raw_os_error(code)), "{code}");
        }
        assert!(concerns_one_connection(&io::Error::from_raw_os_error(103)));
    }
}
