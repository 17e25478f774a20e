//! The real binary as a child process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::Value;

/// A running `botgate`. Killed, by its own process id, when dropped.
pub struct Process {
    child: Child,
    name: String,
    stdout: Arc<Mutex<Vec<String>>>,
    stderr: PathBuf,
}

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_botgate")
}

/// Runs a command that ends by itself: its exit code, standard output and standard error.
pub fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(binary()).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

impl Process {
    /// Starts `botgate ARGUMENTS…`; `name` is for messages, `dir` takes its standard error.
    pub fn start(name: &str, arguments: &[&str], dir: &Path) -> Self {
        Self::start_with(name, arguments, dir, &[])
    }

    /// The same with further environment variables.
    pub fn start_with(name: &str, arguments: &[&str], dir: &Path, env: &[(&str, &str)]) -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let stderr = dir.join(format!("{name}-{count}.stderr"));
        let file = std::fs::File::create(&stderr).unwrap();
        Self::start_saying(name, arguments, env, file.into(), stderr)
    }

    /// The same with a standard error of the test's own; `stderr` is where it can be read afterwards, if anywhere.
    pub fn start_saying(name: &str, arguments: &[&str], env: &[(&str, &str)], file: Stdio, stderr: PathBuf) -> Self {
        let mut command = Command::new(binary());
        command.args(arguments).envs(env.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().unwrap();
        let stdout = Arc::new(Mutex::new(Vec::new()));
        let pipe = child.stdout.take().unwrap();
        let lines = Arc::clone(&stdout);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        Self { child, name: name.to_owned(), stdout, stderr }
    }

    /// The first JSON object on standard output that has this key.
    ///
    /// # Panics
    /// When the process ends before, or takes longer than 15 s.
    pub async fn announcement(&mut self, key: &str) -> Value {
        let start = Instant::now();
        loop {
            let ended = self.ended();
            let text = self.stdout().join("\n");
            let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Value>().map_while(Result::ok);
            if let Some(value) = values.find(|value| value.get(key).is_some()) {
                return value;
            }
            assert!(ended.is_none(), "{} ended at once ({ended:?}):\n{}", self.name, self.stderr());
            assert!(start.elapsed() < super::wait::SOON, "{} announced nothing:\n{}", self.name, self.stderr());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output so far, by lines.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    /// Its exit status, if it ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it ends.
    ///
    /// # Panics
    /// When it does not within `deadline`.
    pub async fn exit(&mut self, deadline: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(start.elapsed() < deadline, "{} still runs after {deadline:?}:\n{}", self.name, self.stderr());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    /// Gives it another limit, soft and hard: setrlimit(2).
    pub fn limit(&self, resource: Resource, most: u64) {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        prlimit(Some(self.id()), resource, limit).unwrap();
    }

    /// Gives it another soft limit, which can be raised again.
    pub fn limit_softly(&self, resource: Resource, most: u64) {
        // It has the hard limit of this process.
        let limit = Rlimit { current: Some(most), maximum: getrlimit(resource).maximum };
        prlimit(Some(self.id()), resource, limit).unwrap();
    }

    /// How many file descriptors it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// Asks it to stop in good order.
    pub fn sigterm(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to read its config again.
    pub fn sighup(&self) {
        self.signal(Signal::HUP);
    }

    /// Kills it as a machine would that loses power.
    pub fn sigkill(&self) {
        self.signal(Signal::KILL);
    }

    /// Stops it: its sockets stay open and answer nothing.
    pub fn sigstop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn sigcont(&self) {
        self.signal(Signal::CONT);
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let stderr = self.stderr();
            let lines: Vec<&str> = stderr.lines().collect();
            let from = lines.len().saturating_sub(60);
            eprintln!("--- the last of standard error of {}:\n{}\n---", self.name, lines[from..].join("\n"));
        }
    }
}
