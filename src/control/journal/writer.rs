//! The thread that owns the connection that writes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Result as SqliteResult, TransactionBehavior};
use tokio::sync::mpsc;

use super::fault::{Fault, FaultKind};
use super::files::{self, Files};
use super::opening::{self, Opened, Trust};
use super::queue::{Item, Next, Queue, Work};
use super::types::{Ack, Record, Restored};
use super::{rescue, retention, rows};
use crate::config::JournalConfig;
use crate::model::{PoolName, Utc};

/// A disk that is not well is tried again after this long …
const RETRY: Duration = Duration::from_secs(1);
/// … a file that was never opened since the start after this long …
const RECHECK: Duration = Duration::from_secs(5);
/// … and a file that breaks again and again, or cannot be replaced, after this long.
const REPLACE: Duration = Duration::from_secs(60);
/// Old entries are looked for this often.
const KEEP: Duration = Duration::from_secs(60);
/// Rows that still have to be marked late, at most.
const TO_MARK: usize = 4_096;

/// The writer's own state.
pub(super) struct Writer {
    files: Files,
    rules: JournalConfig,
    queue: Arc<Queue>,
    acks: mpsc::Sender<Ack>,
    open: Option<Opened>,
    /// The newest record of every pool that is known to be on disk, to be put back if the file is lost.
    newest: HashMap<PoolName, Arc<Record>>,
    /// The highest id that was written.
    last: i64,
    /// Rows that took effect while they were being written.
    to_mark: Vec<i64>,
    /// How far the file is to be trusted when it is opened the next time.
    trust: Trust,
    /// When a broken file was last replaced.
    replaced: Option<Instant>,
    /// When to try a disk again that is not well; none while it is.
    retry: Option<Instant>,
    keep: Instant,
    /// When the writer began, on both clocks.
    began: (Instant, Utc),
}

impl Writer {
    pub(super) fn new(files: Files, rules: JournalConfig, queue: Arc<Queue>, acks: mpsc::Sender<Ack>) -> Self {
        Self {
            files,
            rules,
            queue,
            acks,
            open: None,
            newest: HashMap::new(),
            last: 0,
            to_mark: Vec::new(),
            trust: Trust::Check,
            replaced: None,
            retry: None,
            keep: Instant::now(),
            began: (Instant::now(), Utc::now()),
        }
    }

    /// Opens the file, tells `first` what it held, and writes until the queue stops.
    pub(super) fn run(mut self, first: &SyncSender<Restored>) {
        let restored = self.start();
        // Nobody listens any more: opening took too long.
        let _ = first.send(restored);
        loop {
            match self.queue.next(self.retry.unwrap_or(self.keep)) {
                Next::Write(batch) => {
                    if let Err(fault) = self.write(&batch) {
                        self.broke(&fault);
                    }
                }
                Next::Rules(rules) => {
                    self.rules = rules;
                    self.keep = Instant::now();
                }
                Next::Look => self.look(),
                Next::Due if self.retry.is_some() => self.retry(),
                Next::Due => self.keep(),
                Next::Stop => break,
            }
        }
        if self.retry.is_some() {
            self.retry();
        }
        let lost = self.queue.give_up();
        if lost > 0 {
            tracing::error!(lost, "the journal could not be written before the end: decisions are lost");
        }
    }

    fn start(&mut self) -> Restored {
        match self.reopen(&Trust::Check) {
            Ok(notes) => {
                let restored = Restored { pools: self.saved(), notes };
                self.retry();
                restored
            }
            Err(fault) => {
                for record in rescue::newest(&self.files) {
                    self.newest.insert(record.entry.pool.clone(), Arc::new(record));
                }
                let known = if self.newest.is_empty() { "not known" } else { "taken from it as far as it can be read" };
                let note = format!("{}; pins, latches, drains and phases from before are {known}", fault.text);
                self.broke(&fault);
                Restored { pools: self.saved(), notes: vec![note] }
            }
        }
    }

    fn saved(&self) -> HashMap<PoolName, String> {
        self.newest.values().map(|record| (record.entry.pool.clone(), record.saved.clone())).collect()
    }

    /// Opens the file, and puts back what it lacks.
    fn reopen(&mut self, trust: &Trust) -> Result<Vec<String>, Fault> {
        self.open = None;
        let journal = self.files.journal();
        let mut opened = opening::open(&self.files, trust)?;
        let newest = match rows::newest(&opened.connection) {
            Err(error) if super::fault::is_corrupt(&error) => {
                let before = opened.notes;
                opened = opening::open(&self.files, &Trust::None(error.to_string()))?;
                opened.notes.splice(0..0, before);
                rows::newest(&opened.connection)
            }
            other => other,
        };
        let (newest, unreadable) = newest.map_err(|error| Fault::sqlite(&journal, &error))?;
        let mut notes = std::mem::take(&mut opened.notes);
        if unreadable > 0 {
            notes.push(format!(
                "the last {unreadable} decisions of some pools in {} cannot be understood: older ones count",
                journal.display()
            ));
        }
        for record in newest {
            if let Entry::Vacant(place) = self.newest.entry(record.entry.pool.clone()) {
                place.insert(Arc::new(record));
            }
        }
        let known = self.newest.values().map(|record| &**record);
        let restored = rows::restore(&opened.connection, known).map_err(|error| Fault::sqlite(&journal, &error))?;
        if restored > 0 {
            notes.push(format!("the last state of {restored} pools was put back into {}", journal.display()));
        }
        self.open = Some(opened);
        self.trust = Trust::Known;
        Ok(notes)
    }

    fn reopen_and_tell(&mut self, trust: &Trust) -> Result<(), Fault> {
        for note in self.reopen(trust)? {
            tracing::error!("{note}");
        }
        Ok(())
    }

    /// Writes one batch. A file that turns out broken is replaced, and the batch goes into the new one.
    fn write(&mut self, batch: &[Item]) -> Result<(), Fault> {
        let ids = match self.commit(batch) {
            Err(fault) if fault.kind == FaultKind::Corrupt && self.may_replace() => {
                self.replace(&fault)?;
                self.commit(batch)?
            }
            other => other?,
        };
        let (acks, overtaken) = self.queue.settle(batch, &ids);
        for (item, id) in batch.iter().zip(&ids) {
            if let Work::Entry(record) = &item.work {
                self.newest.insert(record.entry.pool.clone(), record.clone());
                self.last = self.last.max(*id);
            }
        }
        self.answer(acks);
        let room = TO_MARK.saturating_sub(self.to_mark.len());
        self.to_mark.extend(overtaken.into_iter().take(room));
        // What goes wrong here does so again at the next record.
        if !self.to_mark.is_empty() && self.commit(&[]).is_err() {
            tracing::debug!("decisions could not be marked late yet");
        }
        Ok(())
    }

    fn commit(&mut self, batch: &[Item]) -> Result<Vec<i64>, Fault> {
        let journal = self.files.journal();
        let identity = self.open.as_ref().map(|open| open.identity);
        if identity.is_none_or(|identity| identity.is_none() || identity != files::identity(&journal)) {
            if identity.is_some() {
                tracing::error!("the journal {} was removed or replaced while it was in use", journal.display());
                // Ids of another file.
                self.last = 0;
                self.to_mark.clear();
            }
            let trust = self.trust.clone();
            self.reopen_and_tell(&trust)?;
        }
        let Self { open: Some(open), last, to_mark, .. } = self else { return Ok(Vec::new()) };
        #[cfg(test)]
        limit_pages(&self.queue, &open.connection);
        let ids = insert(&mut open.connection, batch, to_mark, *last);
        let ids = ids.map_err(|error| Fault::sqlite(&journal, &error))?;
        to_mark.clear();
        Ok(ids)
    }

    fn may_replace(&self) -> bool {
        self.replaced.is_none_or(|at| at.elapsed() >= REPLACE)
    }

    /// Replaces a file that SQLite called broken, unless another process did so already.
    fn replace(&mut self, fault: &Fault) -> Result<(), Fault> {
        let identity = self.open.as_ref().and_then(|open| open.identity);
        let same = identity.is_some() && identity == files::identity(&self.files.journal());
        let trust = if same { Trust::None(fault.text.clone()) } else { Trust::Check };
        self.replaced = Some(Instant::now());
        self.reopen_and_tell(&trust)
    }

    /// Tries a disk that was not well.
    fn retry(&mut self) {
        loop {
            let batch = self.queue.begin();
            if let Err(fault) = self.write(&batch) {
                return self.broke(&fault);
            }
            if self.queue.is_well() {
                if self.retry.take().is_some() {
                    tracing::info!("the journal is written again, and nothing waits");
                }
                return;
            }
        }
    }

    fn broke(&mut self, fault: &Fault) {
        let (acks, news) = self.queue.broke(&fault.text);
        if news {
            tracing::error!("{}; steering goes on", fault.text);
        }
        self.answer(acks);
        if fault.kind != FaultKind::Wait {
            self.open = None;
        }
        // To check a file, and to copy it, takes long.
        let large = self.trust == Trust::Check && self.files.journal().is_file();
        let wait = match fault.kind {
            FaultKind::Corrupt => REPLACE,
            FaultKind::Wait | FaultKind::Disk if large => RECHECK,
            FaultKind::Wait | FaultKind::Disk => RETRY,
        };
        self.retry = Some(Instant::now() + wait);
    }

    /// Sends acknowledgements. Control reads them at every turn: where it does not, this thread waits, not control.
    fn answer(&self, acks: Vec<Ack>) {
        for ack in acks {
            // Control is gone: nobody waits for it.
            let _ = self.acks.blocking_send(ack);
        }
    }

    /// Follows up what a reader found.
    fn look(&mut self) {
        let Some(open) = &self.open else { return };
        let found = match opening::damage(&open.connection) {
            Ok(None) => return,
            Ok(Some(damage)) => Fault {
                kind: FaultKind::Corrupt,
                text: format!("{} is damaged: {damage}", self.files.journal().display()),
            },
            Err(error) => Fault::sqlite(&self.files.journal(), &error),
        };
        self.replace_or_break(&found);
    }

    fn replace_or_break(&mut self, found: &Fault) {
        if found.kind != FaultKind::Corrupt {
            return tracing::warn!("{}", found.text);
        }
        if self.may_replace() {
            if let Err(fault) = self.replace(found) {
                self.broke(&fault);
            }
        } else {
            self.broke(found);
        }
    }

    /// The wall clock's time, but never further on than this process has lived: a clock that jumps ahead by a year must not
    /// have a year of history dropped.
    fn today(&self) -> Utc {
        let (instant, utc) = self.began;
        let lived = i64::try_from(instant.elapsed().as_millis()).unwrap_or(i64::MAX);
        Utc::now().min(Utc::from_millis(utc.millis().saturating_add(lived)))
    }

    /// Drops what is too old or too much, a step at a time, as long as nothing else is to be done.
    fn keep(&mut self) {
        self.keep = Instant::now() + KEEP;
        let Some(open) = &self.open else { return };
        match retention::step(&open.connection, &self.rules, self.today()) {
            // At once, after what may have come meanwhile.
            Ok(true) => self.keep = Instant::now(),
            Ok(false) => {}
            Err(error) => {
                let fault = Fault::sqlite(&self.files.journal(), &error);
                self.replace_or_break(&fault);
            }
        }
    }
}

/// Writes all or nothing. Gives an id for each item; 0 for one that has none.
fn insert(connection: &mut Connection, batch: &[Item], to_mark: &[i64], last: i64) -> SqliteResult<Vec<i64>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut ids = Vec::with_capacity(batch.len());
    for Item { work, late, retried } in batch {
        let id = match work {
            Work::Entry(record) => match if *retried { rows::find(&transaction, record, last)? } else { None } {
                Some(id) => {
                    rows::mark_late(&transaction, id)?;
                    id
                }
                None => rows::insert(&transaction, None, record, *late)?,
            },
            Work::Drill { id, at, document } => {
                rows::put_drill(&transaction, id, *at, document)?;
                0
            }
        };
        ids.push(id);
    }
    for id in to_mark {
        rows::mark_late(&transaction, *id)?;
    }
    transaction.commit()?;
    Ok(ids)
}

/// A disk that is full in truth, for tests.
#[cfg(test)]
fn limit_pages(queue: &Queue, connection: &Connection) {
    let pages = queue.pages.load(std::sync::atomic::Ordering::Relaxed);
    assert_ne!(pages, u64::MAX, "a test lets this thread die");
    let pages = match pages {
        0 => 0xffff_fffe,
        pages => pages,
    };
    let _: i64 = connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get(0)).unwrap();
}
