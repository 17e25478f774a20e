//! A client that lives through a whole test: one line in, one JSON line out, and events that it tells unasked.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::install::{folder, packages, python};

/// How long such a client may take for an answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// A running client. Killed, by its own process id, when dropped.
pub struct Session {
    child: Child,
    stdin: ChildStdin,
    said: UnboundedReceiver<Value>,
    /// What it told while an answer to something else was awaited.
    told: VecDeque<Value>,
}

impl Session {
    /// A client for Node that trusts this CA.
    pub fn node(program: &str, ca: &Path, arguments: &[&str]) -> Self {
        packages();
        let mut command = Command::new("node");
        command.arg(program).args(arguments).env("NODE_EXTRA_CA_CERTS", ca).current_dir(folder());
        Self::start(command)
    }

    /// A client for Python; it takes the CA as its first argument.
    pub fn python(program: &str, ca: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(python());
        command.arg(folder().join("python").join(program)).arg(ca).args(arguments);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdin, pipe) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (told, said) = unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON from a client: {line}"));
                if told.send(value).is_err() {
                    return;
                }
            }
        });
        Self { child, stdin, said, told: VecDeque::new() }
    }

    /// Says a line: the answer to it, an object with this key or `error`.
    pub async fn ask(&mut self, line: &str, key: &str) -> Value {
        writeln!(self.stdin, "{line}").unwrap();
        self.hear(|value| value.get(key).is_some() || value.get("error").is_some(), key).await
    }

    /// The first event with this key that was not asked for yet, or the next to come.
    pub async fn event(&mut self, key: &str) -> Value {
        if let Some(at) = self.told.iter().position(|value| value.get(key).is_some()) {
            return self.told.remove(at).unwrap();
        }
        self.hear(|value| value.get(key).is_some(), key).await
    }

    async fn hear(&mut self, wanted: impl Fn(&Value) -> bool, what: &str) -> Value {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.said.recv()).await;
            let next = next.unwrap_or_else(|_| panic!("a client told nothing of '{what}' within {PATIENCE:?}"));
            let value = next.unwrap_or_else(|| panic!("a client ended before it told of '{what}'"));
            if wanted(&value) {
                return value;
            }
            self.told.push_back(value);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
