//! This test binary once more, as a process of its own: what holds thousands of sockets, or attacks, is not to be measured
//! together with botgate, nor with the client whose latency counts.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A child that runs one ignored test of this binary until it is dropped.
pub struct Role {
    child: Child,
    out: BufReader<ChildStdout>,
    stdin: Option<ChildStdin>,
}

/// Whether this process is a child in a role; the tests that are roles do nothing else when they are called by hand.
pub fn told(name: &str) -> Option<String> {
    std::env::var(format!("BOTGATE_ROLE_{name}")).ok()
}

/// Says a number to the parent.
pub fn say(word: &str, number: usize) {
    println!("\n@{word} {number}");
    let _ = std::io::stdout().flush();
}

/// Waits until the parent has no more use for this process.
pub async fn until_released() {
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
}

impl Role {
    /// Starts `test` in a process of the lowest priority, with these things told to it.
    pub fn start(test: &str, told: &[(&str, String)]) -> Self {
        let this = std::env::current_exe().unwrap();
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(this);
        command.args(["--ignored", "--exact", test, "--nocapture", "--test-threads=1"]);
        for (name, value) in told {
            command.env(format!("BOTGATE_ROLE_{name}"), value);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, out) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, out, stdin }
    }

    /// Waits until it says a number under this word.
    pub fn said(&mut self, word: &str) -> usize {
        let mut line = String::new();
        while self.out.read_line(&mut line).unwrap() > 0 {
            if let Some(number) = line.trim().strip_prefix('@').and_then(|rest| rest.strip_prefix(word)) {
                return number.trim().parse().unwrap();
            }
            line.clear();
        }
        panic!("the child ended before it said {word:?}");
    }

    /// Releases it.
    pub fn release(&mut self) {
        drop(self.stdin.take());
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.release();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number from the environment, or what a short run takes.
pub fn size(name: &str, short: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(short)
}
