//! What a service manager is told: sd_notify(3), a datagram to the socket that `NOTIFY_SOCKET` names.

use std::os::unix::net::UnixDatagram;

/// The way to the service manager; without one, nothing is said.
#[derive(Debug)]
pub(super) struct Notify(Option<UnixDatagram>);

impl Notify {
    /// The way that the environment names.
    pub(super) fn from_env() -> Self {
        let Some(address) = std::env::var("NOTIFY_SOCKET").ok().filter(|address| !address.is_empty()) else {
            return Self(None);
        };
        match connect(&address) {
            Ok(socket) => Self(Some(socket)),
            Err(error) => {
                tracing::warn!(%error, address, "NOTIFY_SOCKET: the service manager cannot be told anything");
                Self(None)
            }
        }
    }

    /// Says one thing. One that the manager has no room for is lost: the next says the same.
    pub(super) fn say(&self, what: &str) {
        if let Some(socket) = &self.0 {
            let _ = socket.send(what.as_bytes());
        }
    }
}

fn connect(address: &str) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A manager that hangs must not hang this process.
    socket.set_nonblocking(true)?;
    match address.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)?;
        }
        _ => socket.connect(address)?,
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_what_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        Notify(Some(connect(path.to_str().unwrap()).unwrap())).say("READY=1");
        let mut heard = [0; 32];
        let length = manager.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1");
    }
}
