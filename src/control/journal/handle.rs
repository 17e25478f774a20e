//! Control's end of the journal. Nothing here waits for a disk.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::Builder;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::fault::{Fault, FaultKind};
use super::files::Files;
use super::memory::Memory;
use super::queue::{Queue, Work};
use super::types::{Ack, Record, Restored, Ticket};
use super::writer::Writer;
use super::{reader, schema};
use crate::config::JournalConfig;
use crate::model::{JournalEntry, JournalQuery, Utc};

/// Acknowledgements that may wait for control.
const ACKS: usize = 1_024;
/// How long a start waits for the file: one that is broken and large takes a while to copy.
const OPENING: Duration = Duration::from_secs(30);
/// How long an end waits for what is not written yet.
const CLOSING: Duration = Duration::from_secs(2);

/// The journal. Dropping it writes what waits, for two seconds at most.
#[derive(Debug)]
pub(in crate::control) struct Journal {
    next: u64,
    /// Acknowledgements that were clear at once: two for each record at most.
    ready: VecDeque<Ack>,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Memory { memory: Option<Memory>, written: u64 },
    File(OnDisk),
}

#[derive(Debug)]
struct OnDisk {
    queue: Arc<Queue>,
    path: PathBuf,
    acks: mpsc::Receiver<Ack>,
    /// Ends with the writer's thread.
    ended: Receiver<()>,
}

impl Journal {
    /// Opens the journal in a folder; makes both where they are not. Blocks until it is read, for 30 s at most: call it
    /// before there is anything to steer. Never fails: what is wrong is in the notes and in [`Journal::trouble`], and
    /// records wait in memory until the disk is well.
    pub(in crate::control) fn open(folder: &Path, rules: &JournalConfig) -> (Self, Restored) {
        let files = Files::in_folder(folder);
        let path = files.journal();
        let queue = Arc::new(Queue::new(format!("the journal {} is still being opened", path.display())));
        let (to_acks, acks) = mpsc::channel(ACKS);
        let (first, opened) = sync_channel(1);
        let (ending, ended) = sync_channel::<()>(0);
        let last_words = LastWords { queue: queue.clone(), acks: to_acks.clone(), path: path.clone() };
        let writer = Writer::new(files, rules.clone(), queue.clone(), to_acks);
        let thread = Builder::new().name("journal".to_owned()).spawn(move || {
            let _last_words = last_words;
            writer.run(&first);
            drop(ending);
        });
        let failed = |why: String| {
            let note = format!("{why}; pins, latches, drains and phases from before are not known");
            Restored { pools: HashMap::new(), notes: vec![note] }
        };
        let restored = match thread {
            Ok(_) => opened.recv_timeout(OPENING).unwrap_or_else(|error| {
                let why = match error {
                    RecvTimeoutError::Timeout => format!("was not open after {} s: check its disk", OPENING.as_secs()),
                    RecvTimeoutError::Disconnected => "could not be opened: its thread died".to_owned(),
                };
                failed(format!("the journal {} {why}", path.display()))
            }),
            Err(error) => {
                let why = format!("the journal {} is not kept: no thread for it: {error}", path.display());
                let _ = queue.broke(&why);
                failed(why)
            }
        };
        (Self { next: 0, ready: VecDeque::new(), kept: Kept::File(OnDisk { queue, path, acks, ended }) }, restored)
    }

    /// A journal that ends with the process. Every record is acknowledged, as durable, when it is submitted.
    pub(in crate::control) fn in_memory() -> (Self, Restored) {
        let memory = Memory::open().inspect_err(|error| tracing::error!(%error, "no memory for the journal")).ok();
        let kept = Kept::Memory { memory, written: 0 };
        (Self { next: 0, ready: VecDeque::new(), kept }, Restored::default())
    }

    /// Takes a record in. Its acknowledgement comes by [`Journal::acknowledged`]; at once, and as not durable, while the
    /// disk is not well.
    pub(in crate::control) fn submit(&mut self, record: Record) -> Ticket {
        let ticket = self.ticket();
        let work = Work::Entry(Arc::new(record));
        match &mut self.kept {
            Kept::File(disk) => self.ready.extend(disk.queue.submit(ticket, work).into_iter().flatten()),
            Kept::Memory { memory, written } => {
                if let Some(Err(error)) = memory.as_mut().map(|memory| memory.write(&work)) {
                    tracing::error!(%error, "a decision is not in the journal");
                }
                *written += 1;
                self.ready.push_back(Ack { ticket, durable: true });
            }
        }
        ticket
    }

    fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    /// Tells that a decision took effect before its record was acknowledged: it is marked late, in the file too.
    pub(in crate::control) fn went_ahead(&mut self, ticket: Ticket) {
        if let Kept::File(disk) = &self.kept {
            disk.queue.went_ahead(ticket);
        }
    }

    /// The next acknowledgement. Cancel-safe; pending for ever while there is none to come.
    pub(in crate::control) async fn acknowledged(&mut self) -> Ack {
        if let Some(ack) = self.ready.pop_front() {
            return ack;
        }
        if let Kept::File(disk) = &mut self.kept
            && let Some(ack) = disk.acks.recv().await
        {
            return ack;
        }
        std::future::pending().await
    }

    /// An acknowledgement that is there already.
    pub(in crate::control) fn try_acknowledged(&mut self) -> Option<Ack> {
        self.ready.pop_front().or_else(|| match &mut self.kept {
            Kept::File(disk) => disk.acks.try_recv().ok(),
            Kept::Memory { .. } => None,
        })
    }

    /// The entries asked for, newest first; those that still wait to be written have the id 0. At most 1,000.
    ///
    /// # Errors
    /// What is wrong with the file, in a sentence.
    pub(in crate::control) fn query(
        &self,
        query: JournalQuery,
    ) -> BoxFuture<'static, Result<Vec<JournalEntry>, String>> {
        let asked = query.clone();
        self.read(
            move |queue| queue.entries(&asked),
            move |file, waiting| {
                let written = file.map(|file| reader::entries(file, &query)).transpose()?.unwrap_or_default();
                // Some were written between the two looks. What tells one from another comes first: none is copied.
                let same = |entry: &JournalEntry, other: &JournalEntry| {
                    (entry.at, entry.epoch, &entry.pool, &entry.reason)
                        == (other.at, other.epoch, &other.pool, &other.reason)
                        && JournalEntry { id: other.id, late: other.late, ..entry.clone() } == *other
                };
                let mut all: Vec<_> =
                    waiting.into_iter().filter(|entry| !written.iter().any(|other| same(other, entry))).collect();
                all.extend(written);
                all.truncate(query.limit);
                Ok(all)
            },
        )
    }

    /// Keeps the report of a drill, a JSON document, or replaces it.
    pub(in crate::control) fn put_drill(&mut self, id: &str, document: String) {
        let ticket = self.ticket();
        let work = Work::Drill { id: id.into(), at: Utc::now(), document: document.into() };
        match &mut self.kept {
            Kept::File(disk) => self.ready.extend(disk.queue.submit(ticket, work).into_iter().flatten()),
            Kept::Memory { memory, .. } => {
                if let Some(Err(error)) = memory.as_mut().map(|memory| memory.write(&work)) {
                    tracing::error!(%error, "the report of a drill is not kept");
                }
            }
        }
    }

    /// The report of a drill; of the latest, when none is named. None when there is none.
    ///
    /// # Errors
    /// What is wrong with the file, in a sentence.
    pub(in crate::control) fn drill(&self, id: Option<&str>) -> BoxFuture<'static, Result<Option<String>, String>> {
        let id = id.map(str::to_owned);
        let named = id.clone();
        self.read(
            move |queue| queue.drills().into_iter().find(|(drill, _)| named.as_ref().is_none_or(|id| id == drill)),
            move |file, waiting| match (waiting, file) {
                (Some((_, document)), _) => Ok(Some(document)),
                (None, Some(file)) => reader::drill(file, id.as_deref()),
                (None, None) => Ok(None),
            },
        )
    }

    /// The reports of the latest drills, newest first; at most 1,000. So many are kept: 200.
    ///
    /// # Errors
    /// What is wrong with the file, in a sentence.
    pub(in crate::control) fn drills(&self, limit: usize) -> BoxFuture<'static, Result<Vec<String>, String>> {
        self.read(Queue::drills, move |file, mut all| {
            all.extend(file.map(|file| reader::drills(file, limit)).transpose()?.unwrap_or_default());
            let mut seen = std::collections::HashSet::new();
            all.retain(|(id, _)| seen.insert(id.clone()));
            Ok(all.into_iter().take(limit).map(|(_, document)| document).collect())
        })
    }

    /// Looks at what waits, then reads the file, on a thread where a disk that hangs holds nothing up. Where the file
    /// cannot be read, what waits is the answer, if it is any.
    fn read<W, T, L, R>(&self, look: L, read: R) -> BoxFuture<'static, Result<T, String>>
    where
        W: Clone + Default + PartialEq + Send + 'static,
        T: Send + 'static,
        L: FnOnce(&Queue) -> W + Send + 'static,
        R: Fn(Option<&Connection>, W) -> rusqlite::Result<T> + Send + 'static,
    {
        match &self.kept {
            Kept::Memory { memory, .. } => {
                let memory = memory.clone();
                async move {
                    let found = match &memory {
                        Some(memory) => memory.with(|connection| read(Some(connection), W::default())),
                        None => read(None, W::default()),
                    };
                    found.map_err(|error| error.to_string())
                }
                .boxed()
            }
            Kept::File(disk) => {
                let (queue, path) = (disk.queue.clone(), disk.path.clone());
                let ask = move || {
                    let waiting = look(&queue);
                    let fault = match schema::connect_to_read(&path).and_then(|file| read(Some(&file), waiting.clone()))
                    {
                        Ok(found) => return Ok(found),
                        Err(error) => Fault::sqlite(&path, &error),
                    };
                    if fault.kind == FaultKind::Corrupt {
                        queue.look();
                    }
                    if waiting == W::default() {
                        return Err(fault.text);
                    }
                    read(None, waiting).map_err(|_| fault.text)
                };
                let asked = tokio::task::spawn_blocking(ask);
                async move { asked.await.unwrap_or_else(|error| Err(format!("the journal was not read: {error}"))) }
                    .boxed()
            }
        }
    }

    /// Keeps entries by other rules from now on.
    pub(in crate::control) fn set_rules(&self, rules: &JournalConfig) {
        if let Kept::File(disk) = &self.kept {
            disk.queue.set_rules(rules.clone());
        }
    }

    /// What is wrong now and what to do about it, in a sentence; none while every decision is durable.
    pub(in crate::control) fn trouble(&self) -> Option<String> {
        match &self.kept {
            Kept::File(disk) => disk.queue.trouble(),
            Kept::Memory { .. } => None,
        }
    }

    /// Decisions written since the start.
    pub(in crate::control) fn written(&self) -> u64 {
        match &self.kept {
            Kept::File(disk) => disk.queue.written.load(Relaxed),
            Kept::Memory { written, .. } => *written,
        }
    }

    /// Those of them that took effect before they were durable.
    pub(in crate::control) fn late(&self) -> u64 {
        match &self.kept {
            Kept::File(disk) => disk.queue.late.load(Relaxed),
            Kept::Memory { .. } => 0,
        }
    }

    /// Decisions that were never written, because more waited for the disk than have room in memory.
    pub(in crate::control) fn lost(&self) -> u64 {
        match &self.kept {
            Kept::File(disk) => disk.queue.lost.load(Relaxed),
            Kept::Memory { .. } => 0,
        }
    }

    #[cfg(test)]
    pub(super) fn queue(&self) -> &Queue {
        match &self.kept {
            Kept::File(disk) => &disk.queue,
            Kept::Memory { .. } => panic!("in memory"),
        }
    }
}

/// Answers all that waits, and whatever comes later, should the writer's thread die: nobody else would.
struct LastWords {
    queue: Arc<Queue>,
    acks: mpsc::Sender<Ack>,
    path: PathBuf,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let path = self.path.display();
        let why = format!("the journal {path} is not kept: its thread died, which is a fault of botgate: restart it");
        for ack in self.queue.broke(&why).0 {
            // Control is gone: nobody waits for it.
            let _ = self.acks.blocking_send(ack);
        }
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        // The writer must not wait for somebody to read these.
        self.acks.close();
        self.queue.stop();
        if self.ended.recv_timeout(CLOSING) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("the journal's disk does not answer: what waits may be lost");
        }
    }
}
