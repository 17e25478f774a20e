//! Binds every listening socket before any thread starts: one per listener and worker.
//!
//! The sockets of a listener share its port (SO_REUSEPORT), so the kernel spreads connections over the workers without
//! a lock. The same option would let a second botgate start on the port of the first, unnoticed; so the port is probed
//! with a plain bind first, unless a predecessor that hands over is expected.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::ListenerConfig;

/// Connections that wait to be accepted, per socket; the kernel caps it at `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 4096;

/// Unsent bytes that the kernel holds for one client; below half of it the socket is writable again. Less memory for clients
/// that do not read, and their reading shows in steps of 32 KiB, not of megabytes. Connections have it from their listener.
const NOT_SENT: u32 = 64 << 10;

/// Whether another botgate may hold the ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Takeover {
    /// No: a port in use is an error.
    #[default]
    Never,
    /// Yes: a predecessor listens and is about to drain. Both serve until it stops; no connection is refused between.
    FromPredecessor,
}

/// Why a listener could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("listener {listener} cannot listen on {address}: {source}; {hint}")]
pub struct BindError {
    /// Which listener, counted from 1 in order of the config.
    pub listener: usize,
    /// The address.
    pub address: SocketAddr,
    /// What to do.
    pub hint: &'static str,
    /// What the system said.
    pub source: io::Error,
}

/// The sockets of one listener, one per worker, and the address that they are bound to.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) address: SocketAddr,
    pub(super) sockets: Vec<TcpListener>,
}

/// Binds `workers` sockets for each listener.
pub(super) fn bind_all(
    listeners: &[ListenerConfig],
    workers: usize,
    takeover: Takeover,
) -> Result<Vec<Bound>, BindError> {
    let mut all = Vec::with_capacity(listeners.len());
    for (index, listener) in listeners.iter().enumerate() {
        let only_v6 = shadows_v4(listener.bind, listeners);
        let bound = bind_one(listener.bind, workers, takeover, only_v6).map_err(|source| BindError {
            listener: index + 1,
            address: listener.bind,
            hint: hint(&source),
            source,
        })?;
        all.push(bound);
    }
    Ok(all)
}

fn bind_one(address: SocketAddr, workers: usize, takeover: Takeover, only_v6: bool) -> io::Result<Bound> {
    if takeover == Takeover::Never && address.port() != 0 {
        // Bound without SO_REUSEPORT this fails when anyone listens there. It never listens itself, so no client can
        // connect to it and be lost.
        drop(socket(address, only_v6, false)?);
    }
    // With port 0 one socket picks the port, and those that listen join it: only a port that was asked for by its number
    // stays a socket's own when that is set aside (`Assignment::set_aside`). It never listens, so no client is lost with it.
    let picks = if address.port() == 0 { Some(TcpListener::from(socket(address, only_v6, true)?)) } else { None };
    let bound = picks.as_ref().map_or(Ok(address), TcpListener::local_addr)?;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers.max(1) {
        let socket = socket(bound, only_v6, true)?;
        socket.listen(BACKLOG)?;
        #[cfg(target_os = "linux")]
        {
            socket.set_tcp_notsent_lowat(NOT_SENT)?;
            // Small writes must not wait for the client's acknowledgement. Connections have it from their listener (tcp(7)).
            socket.set_tcp_nodelay(true)?;
        }
        sockets.push(TcpListener::from(socket));
    }
    Ok(Bound { address: bound, sockets })
}

fn socket(address: SocketAddr, only_v6: bool, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a botgate that ended (TIME_WAIT) must not keep the next one from its port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() && only_v6 {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Whether `[::]` would take the IPv4 port of another listener: by default it accepts both families.
fn shadows_v4(address: SocketAddr, listeners: &[ListenerConfig]) -> bool {
    address.ip() == Ipv6Addr::UNSPECIFIED
        && address.port() != 0
        && listeners.iter().any(|other| other.bind.is_ipv4() && other.bind.port() == address.port())
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there: stop it, choose another address in `bind`, or say that it hands over"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE (setcap, or AmbientCapabilities in the systemd unit)"
        }
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has that address: check `bind`",
        _ => "check `bind` in this [[listener]]",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn all_workers_share_the_port_that_the_first_one_picked() {
        let bound = bind_one(any(), 3, Takeover::Never, false).unwrap();
        assert_ne!(bound.address.port(), 0);
        assert_eq!(bound.sockets.len(), 3);
        assert!(bound.sockets.iter().all(|socket| socket.local_addr().unwrap() == bound.address));
    }

    #[test]
    fn a_port_in_use_is_an_error_though_the_other_shares_it() {
        let first = bind_one(any(), 1, Takeover::Never, false).unwrap();
        let second = bind_one(first.address, 1, Takeover::Never, false);
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_successor_binds_beside_its_predecessor() {
        let first = bind_one(any(), 2, Takeover::Never, false).unwrap();
        let second = bind_one(first.address, 2, Takeover::FromPredecessor, false).unwrap();
        assert_eq!(second.address, first.address);
    }

    #[test]
    fn a_bind_error_says_which_listener_where_and_what_to_do() {
        let error = BindError {
            listener: 2,
            address: any(),
            hint: hint(&io::ErrorKind::AddrInUse.into()),
            source: io::ErrorKind::AddrInUse.into(),
        };
        let text = error.to_string();
        assert!(text.contains("listener 2") && text.contains("127.0.0.1:0") && text.contains("stop it"), "{text}");
    }
}
