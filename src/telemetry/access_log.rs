//! The access log: JSON lines, written by a thread of their own.
//!
//! A worker serialises one line and puts it into a bounded queue; when the writer cannot keep up, lines are dropped and
//! counted, and no request waits. A record has no room for headers or query strings, so it cannot leak a token.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde::Serialize;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Lines that wait for the writer.
const QUEUE: usize = 16 * 1024;
/// A disk that is not well is told of this often.
const REMIND: Duration = Duration::from_secs(60);

/// One request, at its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record<'a> {
    /// When the head had come (RFC 3339, UTC).
    pub time: &'a str,
    /// The client's address, without a port.
    pub client: std::net::IpAddr,
    /// The host it asked for, lower case.
    pub host: &'a str,
    /// The method.
    pub method: &'a str,
    /// The path, without the query: that may hold credentials.
    pub path: &'a str,
    /// The status that it was answered with.
    pub status: u16,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the response body.
    pub bytes_out: u64,
    /// From the head to the last byte of the response, in milliseconds.
    pub duration_ms: f64,
    /// The pool; none when no route was found.
    pub pool: Option<&'a str>,
    /// The backend that answered, or the last that was tried.
    pub backend: Option<&'a str>,
    /// How many attempts were made.
    pub attempts: u32,
    /// The pool's epoch.
    pub epoch: Option<u64>,
    /// The request's id.
    pub request_id: &'a str,
    /// Whether the client's connection was encrypted.
    pub tls: bool,
    /// Who the client is by its certificate, where one was asked for: its common name, or another of its names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<&'a str>,
    /// What a guard found its token to be: "valid", or what was wrong with it; none where it was not looked at.
    pub token: Option<&'a str>,
    /// How it ended, as the metrics say it.
    pub outcome: &'a str,
}

/// Takes records. Clone one into each worker; `Option<AccessLog>` is the switch.
#[derive(Clone, Debug)]
pub struct AccessLog {
    writer: NonBlocking,
    dropped: ErrorCounter,
    lost: Arc<AtomicU64>,
}

/// Writes what is still queued when it is dropped. Hold it until the workers have ended.
#[derive(Debug)]
pub struct AccessLogGuard(#[expect(dead_code, reason = "held for its drop")] WorkerGuard);

impl AccessLog {
    /// Logs to standard output.
    pub fn stdout() -> (Self, AccessLogGuard) {
        Self::to(io::stdout())
    }

    /// Appends to a file.
    ///
    /// # Errors
    /// A file that cannot be opened for appending; the error names it.
    pub fn file(path: &Path) -> io::Result<(Self, AccessLogGuard)> {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot append to the access log {}: {error}", path.display()))
        };
        Ok(Self::to(opened.map_err(named)?))
    }

    fn to(writer: impl Write + Send + 'static) -> (Self, AccessLogGuard) {
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE);
        let lost = Arc::<AtomicU64>::default();
        let lines = Lines { to: writer, torn: false, told: None, lost: lost.clone() };
        let (writer, guard) = builder.thread_name("botgate-access").finish(lines);
        (Self { dropped: writer.error_counter(), writer, lost }, AccessLogGuard(guard))
    }

    /// Queues one line. Never waits.
    pub fn write(&mut self, record: &Record<'_>) {
        let mut line = Vec::with_capacity(512);
        if serde_json::to_writer(&mut line, record).is_ok() {
            line.push(b'\n');
            // A full queue drops the line and counts it.
            let _ = self.writer.write(&line);
        }
    }

    /// Lines that were not written since the start: for want of room in the queue, or of a disk that takes them.
    pub fn dropped(&self) -> u64 {
        self.dropped.dropped_lines() as u64 + self.lost.load(Relaxed)
    }
}

/// Writes whole lines: on a disk that is full a line may be written in part, and the next one must not continue it.
struct Lines<W> {
    to: W,
    torn: bool,
    /// When it was last said that lines are lost; none while none are.
    told: Option<Instant>,
    lost: Arc<AtomicU64>,
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = if self.torn { self.to.write_all(b"\n") } else { Ok(()) };
        match written.and_then(|()| self.to.write_all(line)) {
            Ok(()) => {
                self.torn = false;
                if self.told.take().is_some() {
                    tracing::info!("the access log is written again");
                }
            }
            Err(error) => {
                self.torn = true;
                self.lost.fetch_add(1, Relaxed);
                if self.told.is_none_or(|told| told.elapsed() >= REMIND) {
                    self.told = Some(Instant::now());
                    tracing::error!(%error, "the access log cannot be written: its lines are lost, requests go on");
                }
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record<'static> {
        Record {
            time: "2026-11-22T05:00:00Z",
            client: "192.0.2.7".parse().unwrap(),
            host: "bot.contoso.com",
            method: "POST",
            path: "/api/\"messages\"",
            status: 200,
            bytes_in: 10,
            bytes_out: 20,
            duration_ms: 1.5,
            pool: Some("bot-api"),
            backend: None,
            attempts: 1,
            epoch: Some(3),
            request_id: "r1",
            tls: true,
            client_name: None,
            token: None,
            outcome: "2xx",
        }
    }

    #[test]
    fn each_record_is_one_json_line_and_dropping_the_guard_writes_them_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let (mut log, guard) = AccessLog::file(&path).unwrap();
        log.write(&record());
        log.write(&record());
        drop(guard);
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["path"], "/api/\"messages\"");
        assert_eq!(lines[1]["backend"], serde_json::Value::Null);
        assert_eq!(log.dropped(), 0);
    }

    /// Takes so many bytes more, as a disk that fills up.
    struct Disk(Vec<u8>, usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = bytes.len().min(self.1);
            if room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.1 -= room;
            self.0.extend_from_slice(&bytes[..room]);
            Ok(room)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_full_disk_cut_short_spoils_no_other_line() {
        let mut lines = Lines { to: Disk(Vec::new(), 6), torn: false, told: None, lost: Arc::default() };
        for line in ["one\n", "two\n", "three\n"] {
            lines.write_all(line.as_bytes()).unwrap();
        }
        lines.to.1 = 100;
        lines.write_all(b"four\n").unwrap();
        assert_eq!(String::from_utf8(lines.to.0).unwrap(), "one\ntw\nfour\n");
        assert_eq!(lines.lost.load(Relaxed), 2);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let error = AccessLog::file(Path::new("/no/such/folder/access.log")).unwrap_err();
        assert!(error.to_string().contains("/no/such/folder/access.log"), "{error}");
    }
}
