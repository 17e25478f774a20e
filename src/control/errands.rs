//! What runs beside the loop: probes, parity questions, look-ups and the reading of files, each a task that ends by itself.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout};

use super::certificates::Question;
use super::outside::{Addresses, Loaded, Outside, ParityTarget, ProbeError, ProbeTarget, Unloadable};
use super::parity::Tag;
use crate::config::{DnsConfig, KeySourceConfig};
use crate::model::BackendId;
use crate::steering::Sample;

/// What an errand came back with.
#[derive(Debug)]
pub(super) enum Done {
    /// A probe ended.
    Probe {
        /// Of this backend.
        backend: BackendId,
        /// How.
        result: Result<(), ProbeError>,
        /// After this long.
        took: Duration,
    },
    /// A question of a parity check was answered, or not.
    Parity {
        /// About this backend.
        backend: BackendId,
        /// Of this round.
        tag: Tag,
        /// How.
        result: Result<Sample, String>,
    },
    /// A look-up ended.
    Lookup {
        /// Of this host.
        host: String,
        /// How.
        answer: Result<Addresses, String>,
    },
    /// The keys of an issuer were fetched, or not.
    Keys {
        /// From this place.
        source: KeySourceConfig,
        /// The text of the set.
        result: Result<String, String>,
    },
    /// A responder has answered whether a certificate was revoked, or not.
    Ocsp {
        /// The certificate.
        fingerprint: [u8; 32],
        /// The answer, DER.
        result: Result<Vec<u8>, String>,
    },
    /// The config was read again.
    Load(Result<Loaded, Unloadable>),
}

/// This many probes begin at once, the others one after the other. All of them run on one thread: a thousand TLS
/// handshakes begun together take longer than a probe may, and healthy backends would be found wanting.
const AT_ONCE: usize = 32;

/// A probe that takes longer waits for its backend, not for this thread, and makes room for the next one.
const BEGINS: Duration = Duration::from_millis(50);

/// The resolver bounds each question by `dns.timeout` itself, and may then answer with what it has: past this it did not
/// come back at all.
const LOOKUP_MARGIN: Duration = Duration::from_millis(500);

/// The metadata and the keys of an issuer, over two connections at most, are fetched within this.
const KEYS: Duration = Duration::from_secs(15);

/// The errands under way: at most one probe per backend, one look-up per host, and one reading of the config.
#[derive(Debug)]
pub(super) struct Errands {
    tasks: JoinSet<Done>,
    about: HashMap<Id, About>,
    room: Arc<Semaphore>,
}

impl Default for Errands {
    fn default() -> Self {
        Self { tasks: JoinSet::new(), about: HashMap::new(), room: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

#[derive(Debug)]
enum About {
    Probe(BackendId),
    Parity(BackendId, Tag),
    Lookup(String),
    Keys(KeySourceConfig),
    Ocsp([u8; 32]),
    Load,
}

impl Errands {
    /// Probes a backend, as soon as there is room; its time runs from then on.
    pub(super) fn probe(&mut self, outside: &Arc<dyn Outside>, backend: BackendId, target: ProbeTarget) {
        let limit = target.probe.timeout;
        let (probe, room) = (outside.probe(target), self.room.clone());
        let task = self.tasks.spawn(async move {
            let place = room.acquire().await;
            let started = Instant::now();
            let late = |_| Err(ProbeError::Bad(format!("no answer within {limit:?}")));
            let result = holding(place, timeout(limit, probe)).await.unwrap_or_else(late);
            Done::Probe { backend, result, took: started.elapsed() }
        });
        self.about.insert(task.id(), About::Probe(backend));
    }

    /// Asks one question of a parity check, as soon as there is room; its time runs from then on.
    pub(super) fn parity(&mut self, outside: &Arc<dyn Outside>, backend: BackendId, tag: Tag, target: ParityTarget) {
        let (question, room, about) = (outside.parity(target), self.room.clone(), tag.clone());
        let task = self.tasks.spawn(async move {
            let place = room.acquire().await;
            let result = holding(place, question).await;
            Done::Parity { backend, tag: about, result }
        });
        self.about.insert(task.id(), About::Parity(backend, tag));
    }

    /// Asks for the addresses of a host.
    pub(super) fn lookup(&mut self, outside: &Arc<dyn Outside>, host: String, dns: &DnsConfig) {
        let limit = dns.timeout.saturating_add(LOOKUP_MARGIN);
        let (lookup, name) = (outside.lookup(host.clone(), dns), host.clone());
        let task = self.tasks.spawn(async move {
            let late = |_| Err(format!("no answer within {limit:?}"));
            let answer = timeout(limit, lookup).await.unwrap_or_else(late);
            Done::Lookup { host: name, answer }
        });
        self.about.insert(task.id(), About::Lookup(host));
    }

    /// Fetches the keys of an issuer, as soon as there is room; its time runs from then on.
    pub(super) fn keys(&mut self, outside: &Arc<dyn Outside>, source: KeySourceConfig, dns: &DnsConfig) {
        let (fetch, room, about) = (outside.keys(source.clone(), dns), self.room.clone(), source.clone());
        let task = self.tasks.spawn(async move {
            let place = room.acquire().await;
            let late = |_| Err(format!("no answer within {KEYS:?}"));
            let result = holding(place, timeout(KEYS, fetch)).await.unwrap_or_else(late);
            Done::Keys { source, result }
        });
        self.about.insert(task.id(), About::Keys(about));
    }

    /// Asks a responder about a certificate, as soon as there is room; its time runs from then on.
    pub(super) fn ocsp(&mut self, outside: &Arc<dyn Outside>, question: Question, dns: &DnsConfig) {
        let Question { fingerprint, responder, request } = question;
        let (fetch, room) = (outside.ocsp(responder, request, dns), self.room.clone());
        let task = self.tasks.spawn(async move {
            let place = room.acquire().await;
            let late = |_| Err(format!("no answer within {KEYS:?}"));
            let result = holding(place, timeout(KEYS, fetch)).await.unwrap_or_else(late);
            Done::Ocsp { fingerprint, result }
        });
        self.about.insert(task.id(), About::Ocsp(fingerprint));
    }

    /// Reads the config again, on a thread where a file system that hangs holds nothing up.
    pub(super) fn load(&mut self, outside: &Arc<dyn Outside>) {
        let outside = outside.clone();
        let task = self.tasks.spawn_blocking(move || Done::Load(outside.load()));
        self.about.insert(task.id(), About::Load);
    }

    /// The next errand that came back; none when none is under way. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Done> {
        let ended = self.tasks.join_next_with_id().await?;
        self.settle(ended)
    }

    /// One that is back already.
    pub(super) fn try_next(&mut self) -> Option<Done> {
        let ended = self.tasks.try_join_next_with_id()?;
        self.settle(ended)
    }

    fn settle(&mut self, ended: Result<(Id, Done), JoinError>) -> Option<Done> {
        match ended {
            Ok((id, done)) => {
                self.about.remove(&id);
                Some(done)
            }
            // An errand that panicked is an errand that failed: its schedule must go on.
            Err(error) => {
                let why = || format!("the task failed: {error}");
                Some(match self.about.remove(&error.id())? {
                    About::Probe(backend) => {
                        Done::Probe { backend, result: Err(ProbeError::Bad(why())), took: Duration::ZERO }
                    }
                    About::Parity(backend, tag) => Done::Parity { backend, tag, result: Err(why()) },
                    About::Lookup(host) => Done::Lookup { host, answer: Err(why()) },
                    About::Keys(source) => Done::Keys { source, result: Err(why()) },
                    About::Ocsp(fingerprint) => Done::Ocsp { fingerprint, result: Err(why()) },
                    About::Load => Done::Load(Err(Unloadable { errors: vec![why()], files: Vec::new() })),
                })
            }
        }
    }
}

/// Runs an errand to its end, in its place only for as long as it may be this thread that it waits for.
async fn holding<P, T>(place: P, errand: impl Future<Output = T>) -> T {
    let mut errand = pin!(errand);
    match timeout(BEGINS, &mut errand).await {
        Ok(result) => result,
        Err(_) => {
            drop(place);
            errand.await
        }
    }
}
