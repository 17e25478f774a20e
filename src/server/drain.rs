//! Stopping without losing what was accepted.
//!
//! On a stop each worker makes its listening sockets deaf to new connections, takes those whose TCP handshake had begun,
//! and closes the sockets: closing alone would reset whoever is between SYN and ACK. A client that was not heard tries
//! again by itself after a second, and reaches the successor, or is refused. HTTP/2 clients are told by GOAWAY.
//! An HTTP/1 client cannot be told before its next response, so a kept connection may bring one more request within
//! the linger, and is answered with `Connection: close`. What is still open after the grace is cut.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Longest linger.
const LINGER: Duration = Duration::from_secs(1);

/// Longest wait for the TCP handshakes that had begun: a round trip to the other side of the world.
const SETTLE: Duration = Duration::from_millis(250);

/// How a shutdown ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open after the grace, and were cut.
    pub cut: usize,
    /// Workers that had died before.
    pub dead_workers: usize,
    /// A second signal ended it: nobody knows what was cut.
    pub hurried: bool,
}

/// Tells all workers to stop, and how long they may take.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    token: CancellationToken,
    grace: Arc<OnceLock<Duration>>,
}

impl Stop {
    /// Only the first call counts.
    pub(super) fn request(&self, grace: Duration) {
        let _ = self.grace.set(grace);
        self.token.cancel();
    }

    pub(super) async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// How long the connections may take.
    pub(super) fn grace(&self) -> Duration {
        self.grace.get().copied().unwrap_or_default()
    }
}

/// How long a kept HTTP/1 connection may bring one more request: never more than half of the grace, so that this
/// request has time to be answered.
pub(super) fn linger(grace: Duration) -> Duration {
    LINGER.min(grace / 2)
}

/// How long a deaf socket stays open for the handshakes that had begun.
pub(super) fn settle(grace: Duration) -> Duration {
    SETTLE.min(grace / 4)
}

/// Makes a listening socket drop every SYN that comes from now on; handshakes under way go on, and connections that it
/// gives birth to are not touched, since only a SYN opens one.
#[cfg(target_os = "linux")]
pub(super) fn deafen(socket: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};

    /// Classic BPF (linux/bpf_common.h): load a byte, jump if a bit is set, return. A TCP socket's filter sees the packet
    /// from its TCP header on, where byte 13 holds the flags.
    const DROP_SYN: [SockFilter; 4] = [
        SockFilter::new(0x30, 0, 0, 13),
        SockFilter::new(0x45, 0, 1, 0x02),
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ];
    SockRef::from(socket).attach_filter(&DROP_SYN)
}

/// Elsewhere there is no such filter: what is between SYN and ACK when the socket closes is reset.
#[cfg(not(target_os = "linux"))]
pub(super) fn deafen(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_deaf_socket_hears_no_new_connection_and_keeps_those_that_wait() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut waits = std::net::TcpStream::connect(address).unwrap();
        deafen(&socket).unwrap();
        // Not refused either: its SYN comes again when this socket is gone.
        let late = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let (accepted, _) = socket.accept().await.unwrap();
        // What it has accepted still hears its client, to the end.
        io::Write::write_all(&mut waits, b"hello").unwrap();
        waits.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut { accepted }, &mut text).await.unwrap();
        assert_eq!(text, "hello");
    }
}
