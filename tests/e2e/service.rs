//! A server as a child process of its own, so that it can be killed, stopped and started again alone.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A server that tells its port in a line of JSON when it listens. Killed, by its own process id, when dropped.
pub struct Service {
    /// The command that starts it on a port; 0 lets the system pick.
    command: Box<dyn Fn(u16) -> Command + Send + Sync>,
    child: Child,
    port: u16,
}

impl Service {
    /// Starts it on a port that the system picks and waits until it listens.
    pub fn start(command: impl Fn(u16) -> Command + Send + Sync + 'static) -> Self {
        let (child, port) = spawn(command(0));
        Self { command: Box::new(command), child, port }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// SIGKILL: as if the machine lost power.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether it ends within a second: a process that dies of a request has closed its connections before.
    pub fn until_ended(&mut self) -> bool {
        for _ in 0..100 {
            if self.child.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        false
    }

    /// SIGSTOP: connections stay open, and the kernel goes on accepting new ones; nothing answers.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it again, on the port that it had, after it ended.
    pub fn restart(&mut self) {
        let (child, port) = spawn((self.command)(self.port));
        assert_eq!(port, self.port);
        self.child = child;
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(mut command: Command) -> (Child, u16) {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{command:?} did not start: {line}"));
    (child, u16::try_from(said["port"].as_u64().unwrap()).unwrap())
}
