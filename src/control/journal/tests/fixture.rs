//! Records to write, files to break, and conditions to wait for.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use crate::config::JournalConfig;
use crate::control::journal::{Ack, Journal, Record, Restored};
use crate::model::{Cause, Direction, JournalEntry, JournalQuery, Phase, Utc};

/// Longer than anything takes on a machine that works.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// A record of a pool; `n` is its epoch and its time in seconds from now.
pub(super) fn record(pool: &str, n: u64) -> Record {
    let entry = JournalEntry {
        id: 0,
        at: Utc::from_millis(Utc::now().millis() / 1_000_000 * 1_000_000 + i64::try_from(n).unwrap() * 1_000),
        pool: pool.into(),
        phase_before: Phase::Steady,
        phase: Phase::FailedOver,
        before: Some("westeurope".into()),
        after: Some("northeurope".into()),
        epoch: n,
        direction: Some(Direction::Failover),
        cause: Cause::Probes,
        actor: "steering".to_owned(),
        reason: format!("decision {n}: \"westeurope\" is unhealthy"),
        evidence: json!({ "probes": { "failed": n }, "padding": "x".repeat(500) }),
        late: false,
    };
    Record { entry, saved: json!({ "epoch": n }).to_string() }
}

pub(super) fn open(folder: &Path) -> (Journal, Restored) {
    Journal::open(folder, &JournalConfig::default())
}

/// Opens a journal that must be in order.
pub(super) fn open_well(folder: &Path) -> (Journal, Restored) {
    let (journal, restored) = open(folder);
    assert_eq!(restored.notes, Vec::<String>::new());
    assert_eq!(journal.trouble(), None);
    (journal, restored)
}

pub(super) async fn acknowledged(journal: &mut Journal) -> Ack {
    tokio::time::timeout(LONG, journal.acknowledged()).await.expect("an acknowledgement")
}

/// Writes the records `range` of a pool, durably.
pub(super) async fn write(journal: &mut Journal, pool: &str, range: std::ops::RangeInclusive<u64>) {
    for n in range.clone() {
        journal.submit(record(pool, n));
    }
    for _ in range {
        assert!(acknowledged(journal).await.durable);
    }
}

/// Makes a folder whose journal has the records 1 to `count` of the pool `bot`.
pub(super) async fn filled(count: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open_well(folder.path());
    write(&mut journal, "bot", 1..=count).await;
    journal.put_drill("drill-1", json!({ "moved": true }).to_string());
    drop(journal);
    folder
}

pub(super) async fn entries(journal: &Journal) -> Vec<JournalEntry> {
    journal.query(JournalQuery { limit: 1_000, ..JournalQuery::default() }).await.unwrap()
}

/// The epochs in the journal, newest first.
pub(super) async fn epochs(journal: &Journal) -> Vec<u64> {
    entries(journal).await.into_iter().map(|entry| entry.epoch).collect()
}

pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The file, from outside.
pub(super) fn sqlite(folder: &Path) -> Connection {
    Connection::open(folder.join("journal.db")).unwrap()
}

/// Carries the log over into the file, so that what is broken there is broken.
pub(super) fn checkpoint(folder: &Path) {
    sqlite(folder).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

/// Names in the folder that begin so.
pub(super) fn named(folder: &Path, start: &str) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(start)).collect()
}
