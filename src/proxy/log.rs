//! One request as the access log tells it. Exists only while the log is on.

use std::net::IpAddr;
use std::rc::Rc;

use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;

use super::client::Client;
use super::target::Target;
use super::worker::Worker;
use crate::bot::Facts;
use crate::model::{ActivityView, Moment, PoolName};
use crate::telemetry::{AccessLog, Record};
use crate::wire::{Head, Known, ascii};

/// How a request ended whose client did not wait for that.
pub(super) const CLIENT_LEFT: &str = "client-left";

/// Most characters of a name or an id that are told to who watches: anybody can make them as long as a body may be, and a
/// thousand activities are kept for a slow watcher.
const SHOWN: usize = 256;

/// What is known of a request before it ends.
pub(super) struct LogEntry {
    time: Timestamp,
    received: Moment,
    client: IpAddr,
    tls: bool,
    client_name: Option<Box<str>>,
    method: Method,
    host: String,
    path: String,
    request_id: Option<HeaderValue>,
    attempts: u32,
    /// What its token was found to be, in a word; none where nobody looked.
    token: Option<&'static str>,
    /// The activity that it carries, for who watches.
    seen: Option<Seen>,
}

/// An activity, before it is known how it ends.
pub(super) struct Seen {
    pub(super) pool: PoolName,
    pub(super) facts: Facts,
    pub(super) text: Option<String>,
}

/// How it ended.
pub(super) struct Ended<'a> {
    /// When.
    pub(super) now: Moment,
    /// What it was answered with.
    pub(super) status: StatusCode,
    /// Bytes of both bodies.
    pub(super) bytes: (u64, u64),
    /// The last backend tried; none when there was none.
    pub(super) target: Option<&'a Target>,
    /// In one word.
    pub(super) outcome: &'a str,
}

impl LogEntry {
    fn begin(head: &Head, client: &Client, received: Moment) -> Box<Self> {
        let host = head.uri.host().or_else(|| ascii(head.fields.get(Known::Host)?));
        Box::new(Self {
            time: Timestamp::now(),
            received,
            client: client.peer.ip().to_canonical(),
            tls: client.tls,
            client_name: client.certificate.as_ref().map(|certificate| certificate.identity.name().into()),
            method: head.method.clone(),
            host: host.unwrap_or_default().to_ascii_lowercase(),
            path: head.uri.path().to_owned(),
            request_id: None,
            attempts: 0,
            token: None,
            seen: None,
        })
    }

    /// The activity, and how it ended; none when it is none, or nobody watched when it came.
    pub(super) fn activity(&self, ended: &Ended<'_>) -> Option<ActivityView> {
        let Seen { pool, facts, text } = self.seen.as_ref()?;
        let shown = |text: &str| -> String { text.chars().take(SHOWN).collect() };
        let owned = |text: &Option<Box<str>>| text.as_deref().map(shown);
        Some(ActivityView {
            at: self.time.into(),
            pool: pool.clone(),
            backend: ended.target.map(|target| target.backend().config.name.clone()),
            kind: shown(&facts.kind),
            channel: shown(&facts.channel_id),
            conversation: shown(&facts.conversation_id),
            id: owned(&facts.id),
            name: owned(&facts.name),
            text: text.clone(),
            status: ended.status.as_u16(),
            duration_ms: ended.now.since(self.received).as_secs_f64() * 1e3,
            attempts: self.attempts,
            outcome: ended.outcome.to_owned(),
            request_id: self.request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned(),
        })
    }

    /// Writes the line.
    pub(super) fn end(&self, log: &mut AccessLog, ended: &Ended<'_>) {
        let pool = ended.target.map(Target::pool);
        log.write(&Record {
            time: &self.time.to_string(),
            client: self.client,
            host: &self.host,
            method: self.method.as_str(),
            path: &self.path,
            status: ended.status.as_u16(),
            bytes_in: ended.bytes.0,
            bytes_out: ended.bytes.1,
            duration_ms: ended.now.since(self.received).as_secs_f64() * 1e3,
            pool: pool.map(|pool| pool.config.name.as_str()),
            backend: ended.target.map(|target| target.backend().config.name.as_str()),
            attempts: self.attempts,
            epoch: pool.map(|pool| pool.epoch),
            request_id: self.request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default(),
            tls: self.tls,
            client_name: self.client_name.as_deref(),
            token: self.token,
            outcome: ended.outcome,
        });
    }
}

/// The line of a request under way. Dropped before its end, it tells that the client left.
pub(super) struct Line {
    worker: Rc<Worker>,
    /// Taken when it was written.
    entry: Option<Box<LogEntry>>,
    left: bool,
}

/// The status of a request whose client left before there was a response: nginx's word for it.
fn client_left() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

impl Line {
    /// Begins the line of a request whose head has come; none when there is no log.
    pub(super) fn begin(worker: &Rc<Worker>, head: &Head, client: &Client, received: Moment) -> Option<Self> {
        let entry = worker.logs().then(|| LogEntry::begin(head, client, received))?;
        Some(Self { worker: worker.clone(), entry: Some(entry), left: false })
    }

    /// The request has this id.
    pub(super) fn has_id(&mut self, id: &HeaderValue) {
        if let Some(entry) = &mut self.entry {
            entry.request_id = Some(id.clone());
        }
    }

    /// So many attempts so far.
    pub(super) fn attempt(&mut self, number: u32) {
        if let Some(entry) = &mut self.entry {
            entry.attempts = number;
        }
    }

    /// The request carries this activity.
    pub(super) fn carries(&mut self, seen: Seen) {
        if let Some(entry) = &mut self.entry {
            entry.seen = Some(seen);
        }
    }

    /// Its token was found to be so.
    pub(super) fn token_is(&mut self, what: &'static str) {
        if let Some(entry) = &mut self.entry {
            entry.token = Some(what);
        }
    }

    /// The client left; its request goes on.
    pub(super) fn client_left(&mut self) {
        self.left = true;
    }

    /// Writes it.
    pub(super) fn end(&mut self, mut ended: Ended<'_>) {
        if self.left {
            ended.outcome = CLIENT_LEFT;
        }
        if let Some(entry) = self.entry.take() {
            self.worker.log(&entry, &ended);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let now = self.worker.clock.now();
        self.end(Ended { now, status: client_left(), bytes: (0, 0), target: None, outcome: CLIENT_LEFT });
    }
}
