//! A file that cannot be trusted.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::fixture::*;
use crate::control::journal::Restored;

const PAGE: u64 = 4_096;

/// Writes garbage over part of the file.
fn scribble(folder: &Path, at: u64, length: usize) {
    let garbage: Vec<u8> = (0..length).map(|n| u8::try_from(n * 7 % 251).unwrap() | 1).collect();
    let file = OpenOptions::new().write(true).open(folder.join("journal.db")).unwrap();
    file.write_all_at(&garbage, at).unwrap();
}

/// Opens a broken journal: it is moved aside, and a new one works. Gives what was restored and the epochs that are left.
async fn opened(folder: &Path, label: &str) -> (Restored, Vec<u64>) {
    let (mut journal, restored) = open(folder);
    assert_eq!(journal.trouble(), None);
    assert_eq!(restored.notes.len(), 1, "{:?}", restored.notes);
    let aside = named(folder, &format!("journal.db.{label}-"));
    assert_eq!(aside.iter().filter(|name| name.ends_with('Z')).count(), 1, "{aside:?}");
    assert!(named(folder, "journal.db.new").is_empty() && named(folder, "journal.db.mended").is_empty());
    let left = epochs(&journal).await;
    write(&mut journal, "new", 9_000..=9_000).await;
    drop(journal);
    let (_, again) = open_well(folder);
    assert_eq!(again.pools.len(), restored.pools.len() + 1);
    (restored, left)
}

#[tokio::test]
async fn a_garbage_header_costs_nothing() {
    let folder = filled(300).await;
    checkpoint(folder.path());
    scribble(folder.path(), 0, 100);
    let (restored, left) = opened(folder.path(), "corrupt").await;
    assert!(restored.notes[0].contains("300 decisions and 1 drill reports"), "{:?}", restored.notes);
    assert_eq!(left, (1..=300).rev().collect::<Vec<_>>());
    assert_eq!(restored.pools["bot"], record("bot", 300).saved);
}

#[tokio::test]
async fn a_garbage_first_page_costs_nothing() {
    let folder = filled(300).await;
    checkpoint(folder.path());
    scribble(folder.path(), 0, PAGE as usize);
    let (_, left) = opened(folder.path(), "corrupt").await;
    assert_eq!(left, (1..=300).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn garbage_in_the_middle_costs_only_what_was_there() {
    let folder = filled(900).await;
    checkpoint(folder.path());
    let pages = std::fs::metadata(folder.path().join("journal.db")).unwrap().len() / PAGE;
    scribble(folder.path(), pages / 2 * PAGE, 2 * PAGE as usize);
    let (restored, left) = opened(folder.path(), "corrupt").await;
    assert!(left.len() < 900 && left.len() > 880, "{}", left.len());
    assert!(restored.notes[0].contains("the rest could not be read"), "{:?}", restored.notes);
    assert!(left.contains(&1), "before the damage");
    assert_eq!(restored.pools["bot"], record("bot", 900).saved, "behind the damage");
}

#[tokio::test]
async fn a_file_that_was_cut_off_gives_what_is_left() {
    let folder = filled(900).await;
    checkpoint(folder.path());
    let file = OpenOptions::new().write(true).open(folder.path().join("journal.db")).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2 + 100).unwrap();
    let (restored, left) = opened(folder.path(), "corrupt").await;
    assert!(left.len() > 300 && left.len() < 700, "{}", left.len());
    assert_eq!(restored.pools["bot"], record("bot", left[0]).saved);
}

#[tokio::test]
async fn an_empty_file_is_begun_anew_and_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("journal.db"), "").unwrap();
    let (mut journal, restored) = open(folder.path());
    assert!(restored.notes[0].contains("was empty"), "{:?}", restored.notes);
    write(&mut journal, "bot", 1..=1).await;
}

#[tokio::test]
async fn a_file_emptied_under_its_log_is_read_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (mut journal, _) = open_well(&state);
    write(&mut journal, "bot", 1..=20).await;
    // As a process that was killed leaves it: all in the log.
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::write(copy.join("journal.db"), "").unwrap();
    std::fs::copy(state.join("journal.db-wal"), copy.join("journal.db-wal")).unwrap();
    let (_, left) = opened(&copy, "corrupt").await;
    assert_eq!(left, (1..=20).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_of_garbage_is_moved_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("journal.db"), "not a database at all ".repeat(5_000)).unwrap();
    let (restored, left) = opened(folder.path(), "corrupt").await;
    assert!(left.is_empty() && restored.pools.is_empty());
    assert!(restored.notes[0].contains("0 decisions"), "{:?}", restored.notes);
}

#[tokio::test]
async fn a_file_of_a_newer_botgate_is_moved_aside_and_what_is_known_is_copied() {
    let folder = filled(5).await;
    sqlite(folder.path()).execute_batch("ALTER TABLE entries ADD COLUMN mood TEXT; PRAGMA user_version = 7").unwrap();
    let (restored, left) = opened(folder.path(), "version-7").await;
    assert!(restored.notes[0].contains("version 7"), "{:?}", restored.notes);
    assert_eq!(left, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_database_of_something_else_is_moved_aside() {
    let folder = tempfile::tempdir().unwrap();
    sqlite(folder.path()).execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    assert!(opened(folder.path(), "foreign").await.1.is_empty());
}

#[tokio::test]
async fn a_state_that_cannot_be_read_gives_way_to_the_one_before() {
    let folder = filled(5).await;
    sqlite(folder.path()).execute_batch("UPDATE entries SET saved = '{' WHERE id = 5").unwrap();
    let (_, restored) = open(folder.path());
    assert_eq!(restored.pools["bot"], record("bot", 4).saved);
    assert!(restored.notes[0].contains("older ones count"), "{:?}", restored.notes);
}

#[tokio::test]
async fn a_file_that_breaks_in_use_is_replaced_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open_well(folder.path());
    write(&mut journal, "idle", 1..=1).await;
    write(&mut journal, "bot", 2..=300).await;
    checkpoint(folder.path());
    // Every page but the first, under the writer's open connection.
    let size = std::fs::metadata(folder.path().join("journal.db")).unwrap().len();
    scribble(folder.path(), PAGE, usize::try_from(size - PAGE).unwrap());
    // Another connection wrote last: the writer's cache of pages is stale, and it reads the file.
    sqlite(folder.path()).execute_batch("PRAGMA user_version = 1").unwrap();
    journal.submit(record("bot", 301));
    acknowledged(&mut journal).await;
    until("it is replaced", || !named(folder.path(), "journal.db.corrupt-").is_empty()).await;
    until("it is well", || journal.trouble().is_none()).await;
    write(&mut journal, "bot", 302..=302).await;
    drop(journal);
    let (_, restored) = open_well(folder.path());
    assert_eq!(restored.pools["idle"], record("idle", 1).saved, "kept in memory, put back");
    assert_eq!(restored.pools["bot"], record("bot", 302).saved);
}

#[tokio::test]
async fn a_question_that_meets_damage_has_the_file_replaced() {
    let folder = filled(900).await;
    let (journal, _) = open_well(folder.path());
    checkpoint(folder.path());
    let pages = std::fs::metadata(folder.path().join("journal.db")).unwrap().len() / PAGE;
    scribble(folder.path(), pages / 2 * PAGE, 2 * PAGE as usize);
    let all = crate::model::JournalQuery { limit: 1_000, ..Default::default() };
    let error = journal.query(all).await.unwrap_err();
    assert!(error.contains("malformed"), "{error}");
    until("it is replaced", || !named(folder.path(), "journal.db.corrupt-").is_empty()).await;
    until("the new one is in place", || folder.path().join("journal.db").exists()).await;
    assert!(epochs(&journal).await.len() > 880);
}

#[tokio::test]
async fn a_file_that_is_removed_in_use_is_made_anew_with_the_last_states() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open_well(folder.path());
    write(&mut journal, "idle", 1..=1).await;
    for file in named(folder.path(), "journal.db") {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    write(&mut journal, "bot", 2..=2).await;
    drop(journal);
    let (_, restored) = open_well(folder.path());
    assert_eq!(restored.pools.len(), 2);
}

#[tokio::test]
async fn a_replacement_that_was_complete_when_the_process_died_is_used() {
    let folder = filled(5).await;
    checkpoint(folder.path());
    std::fs::rename(folder.path().join("journal.db"), folder.path().join("journal.db.new")).unwrap();
    let (journal, _) = open_well(folder.path());
    assert_eq!(epochs(&journal).await, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_replacement_that_was_not_complete_is_made_again() {
    let folder = filled(300).await;
    checkpoint(folder.path());
    scribble(folder.path(), 0, 100);
    std::fs::write(folder.path().join("journal.db.new"), "half").unwrap();
    assert_eq!(opened(folder.path(), "corrupt").await.1.len(), 300);
}
