//! What goes wrong on command.

use std::cell::Cell;
use std::time::Duration;

use tokio::net::TcpStream;

/// Longer than any bot takes, shorter than the proxies' timeouts.
pub(super) const SLOW: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Default)]
pub(super) enum Fault {
    #[default]
    None,
    Status,
    Reset,
    Slow,
}

/// The fault that is in force.
#[derive(Default)]
pub(super) struct Faults(Cell<Fault>);

impl Faults {
    pub(super) fn get(&self) -> Fault {
        self.0.get()
    }

    pub(super) fn set(&self, name: &str) {
        self.0.set(match name {
            "503" => Fault::Status,
            "reset" => Fault::Reset,
            "slow" => Fault::Slow,
            _ => Fault::None,
        });
    }
}

/// Ends a connection with a reset in place of an answer.
pub(super) fn reset(stream: TcpStream) -> std::io::Result<()> {
    stream.set_zero_linger()
}
