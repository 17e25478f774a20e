//! What is dropped, and what never is.

use std::time::Duration;

use super::fixture::*;
use crate::config::JournalConfig;
use crate::control::journal::Journal;
use crate::model::Utc;

fn aged(pool: &str, n: u64, age: Duration) -> crate::control::journal::Record {
    let mut record = record(pool, n);
    record.entry.at = Utc::now().before(age);
    record
}

#[tokio::test]
async fn what_is_too_old_is_dropped_but_not_the_last_of_a_pool() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open_well(folder.path());
    let hour = Duration::from_secs(3_600);
    journal.submit(aged("idle", 1, hour * 9));
    journal.submit(aged("idle", 2, hour * 8));
    for n in 3..=1_202 {
        journal.submit(aged("bot", n, hour * 7));
    }
    journal.submit(aged("bot", 1_203, hour));
    for _ in 1..=1_203 {
        acknowledged(&mut journal).await;
    }
    journal.set_rules(&JournalConfig { max_age: hour * 2, ..JournalConfig::default() });
    let file = sqlite(folder.path());
    let count = || file.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0)).unwrap_or(-1);
    until("the old are gone", || count() == 2).await;
    assert_eq!(epochs(&journal).await, [1_203, 2]);
    drop(journal);
    let (_, restored) = open_well(folder.path());
    assert_eq!(restored.pools.len(), 2);
}

#[tokio::test]
async fn past_its_size_the_oldest_are_dropped_and_the_file_shrinks() {
    const SIZE: u64 = 256 << 10;
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open_well(folder.path());
    write(&mut journal, "idle", 1..=1).await;
    write(&mut journal, "bot", 2..=2_000).await;
    checkpoint(folder.path());
    let file = folder.path().join("journal.db");
    let size = || std::fs::metadata(&file).unwrap().len();
    assert!(size() > 4 * SIZE);
    journal.set_rules(&JournalConfig { max_size: SIZE, ..JournalConfig::default() });
    until("the file is small", || size() <= SIZE).await;
    let left = epochs(&journal).await;
    assert_eq!(left.last(), Some(&1), "the last of its pool");
    assert!(left.len() > 100, "no more than needed: {}", left.len());
    let rest = &left[..left.len() - 1];
    assert!(rest.iter().copied().eq((0..rest.len() as u64).map(|n| 2_000 - n)), "the newest are left");
}

#[tokio::test]
async fn a_limit_that_cannot_be_kept_leaves_the_last_of_each_pool() {
    let folder = filled(50).await;
    let (journal, _) = Journal::open(folder.path(), &JournalConfig { max_age: Duration::ZERO, max_size: 1 });
    let file = sqlite(folder.path());
    let count = || file.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0)).unwrap_or(-1);
    until("all others are gone", || count() == 1).await;
    assert_eq!(epochs(&journal).await, [50]);
    assert!(journal.drill(None).await.unwrap().is_some(), "the last report");
}
