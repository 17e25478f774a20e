//! A disk that does not take what it is given.

use std::sync::atomic::Ordering::Relaxed;

use super::fixture::*;
use crate::control::journal::queue::CAPACITY;

/// All are answered at once, and written in order and marked late when `heal` was called.
async fn lives_through(folder: &std::path::Path, heal: impl FnOnce()) {
    let (mut journal, restored) = open(folder);
    assert_eq!(restored.notes.len(), 1, "{:?}", restored.notes);
    assert!(journal.trouble().is_some());
    for n in 1..=3 {
        let ticket = journal.submit(record("bot", n));
        let ack = journal.try_acknowledged().expect("at once");
        assert_eq!((ack.ticket, ack.durable), (ticket, false));
    }
    let trouble = journal.trouble().unwrap();
    assert!(trouble.contains("waiting in memory to be written: 3"), "{trouble}");
    let waiting: Vec<_> = entries(&journal).await.into_iter().map(|entry| (entry.id, entry.epoch)).collect();
    assert_eq!(waiting, [(0, 3), (0, 2), (0, 1)]);
    journal.put_drill("a", "{}".to_owned());
    heal();
    until("the disk is well", || journal.trouble().is_none()).await;
    assert_eq!((journal.written(), journal.late(), journal.lost()), (3, 3, 0));
    write(&mut journal, "bot", 4..=4).await;
    let late: Vec<_> = entries(&journal).await.into_iter().map(|entry| (entry.id, entry.epoch, entry.late)).collect();
    assert_eq!(late, [(4, 4, false), (3, 3, true), (2, 2, true), (1, 1, true)]);
    assert_eq!(journal.drill(None).await.unwrap().as_deref(), Some("{}"));
    assert_eq!(journal.try_acknowledged(), None, "one acknowledgement for each");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_made_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let obstacle = folder.path().join("state");
    std::fs::write(&obstacle, "a file").unwrap();
    lives_through(&obstacle.join("journal"), || std::fs::remove_file(&obstacle).unwrap()).await;
}

#[tokio::test]
async fn a_folder_in_the_place_of_the_file_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let obstacle = folder.path().join("journal.db");
    std::fs::create_dir(&obstacle).unwrap();
    lives_through(folder.path(), || std::fs::remove_dir(&obstacle).unwrap()).await;
}

#[tokio::test]
async fn a_disk_that_fills_up_stops_nothing_and_all_is_written_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open_well(folder.path());
    journal.queue().pages.store(20, Relaxed);
    let mut durable = 0;
    for n in 1..=500 {
        journal.submit(record("bot", n));
        durable += u64::from(acknowledged(&mut journal).await.durable);
    }
    assert!((1..500).contains(&durable), "{durable}");
    let trouble = journal.trouble().unwrap();
    assert!(trouble.contains("full") && trouble.contains("free space"), "{trouble}");
    assert_eq!(epochs(&journal).await, (1..=500).rev().collect::<Vec<_>>());
    journal.queue().pages.store(0, Relaxed);
    until("the disk is well", || journal.trouble().is_none()).await;
    let all = entries(&journal).await;
    assert!(all.iter().rev().map(|entry| entry.epoch).eq(1..=500), "once each, in order");
    assert!(all.iter().all(|entry| entry.late == (entry.epoch > durable)));
    assert_eq!((journal.written(), journal.late()), (500, 500 - durable));
}

#[tokio::test]
async fn when_too_much_waits_the_newest_of_every_pool_is_kept_and_the_loss_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let obstacle = folder.path().join("journal.db");
    std::fs::create_dir(&obstacle).unwrap();
    let (mut journal, _) = open(folder.path());
    journal.submit(record("idle", 1));
    for n in 0..CAPACITY as u64 + 9 {
        journal.submit(record("bot", n));
    }
    assert_eq!(journal.lost(), 10);
    let trouble = journal.trouble().unwrap();
    assert!(trouble.contains("lost, because more waited than have room: 10"), "{trouble}");
    std::fs::remove_dir(&obstacle).unwrap();
    until("the disk is well", || journal.trouble().is_none()).await;
    assert_eq!(journal.written(), CAPACITY as u64);
    drop(journal);
    let (_, restored) = open_well(folder.path());
    assert_eq!(restored.pools["idle"], record("idle", 1).saved);
    assert_eq!(restored.pools["bot"], record("bot", CAPACITY as u64 + 8).saved);
}

#[tokio::test]
async fn a_process_that_holds_the_file_locked_delays_records_and_doubles_none() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open_well(folder.path());
    let other = sqlite(folder.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    journal.submit(record("bot", 1));
    assert!(!acknowledged(&mut journal).await.durable);
    let trouble = journal.trouble().unwrap();
    assert!(trouble.contains("another process holds it"), "{trouble}");
    other.execute_batch("COMMIT").unwrap();
    until("the file is free", || journal.trouble().is_none()).await;
    assert_eq!(epochs(&journal).await, [1]);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_and_not_written_twice() {
    use crate::control::journal::rows;
    let folder = filled(3).await;
    let file = sqlite(folder.path());
    let stored = rows::newest(&file).unwrap().0.remove(0);
    assert_eq!(rows::find(&file, &stored, 2).unwrap(), Some(3));
    assert_eq!(rows::find(&file, &stored, 3).unwrap(), None, "one of before is another");
    assert_eq!(rows::find(&file, &record("bot", 4), 2).unwrap(), None);
}

/// What a start knows when this name in the folder is a folder itself; it is well when that is gone.
async fn known_in_spite_of(obstacle: &str) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (mut journal, _) = open_well(&state);
    write(&mut journal, "bot", 1..=9).await;
    // As a process that was killed leaves it: the last records are in the log.
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in ["journal.db", "journal.db-wal"] {
        std::fs::copy(state.join(file), copy.join(file)).unwrap();
    }
    std::fs::create_dir(copy.join(obstacle)).unwrap();
    let (mut journal, restored) = open(&copy);
    assert!(restored.notes[0].contains("as far as it can be read"), "{:?}", restored.notes);
    assert_eq!(restored.pools["bot"], record("bot", 9).saved);
    journal.submit(record("bot", 10));
    assert!(!acknowledged(&mut journal).await.durable);
    std::fs::remove_dir(copy.join(obstacle)).unwrap();
    until("the disk is well", || journal.trouble().is_none()).await;
    assert_eq!(epochs(&journal).await, (1..=10).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_journal_that_can_only_be_read_gives_the_last_states() {
    known_in_spite_of("journal.lock").await;
}

#[tokio::test]
async fn a_journal_whose_log_cannot_be_taken_in_where_it_is_gives_the_last_states() {
    known_in_spite_of("journal.db-shm").await;
}

#[tokio::test]
async fn a_disk_that_hangs_is_told_and_holds_nobody_up() {
    use crate::control::journal::Ticket;
    use crate::control::journal::queue::{Queue, Work};
    // Nobody takes anything from this one.
    let queue = Queue::new("being opened".to_owned());
    assert!(queue.is_well());
    assert_eq!(queue.submit(Ticket(1), Work::Entry(record("bot", 1).into())), [None, None]);
    assert_eq!(queue.trouble(), None, "not yet");
    until("it is told", || queue.trouble().is_some_and(|trouble| trouble.contains("has taken nothing"))).await;
}

#[tokio::test]
async fn a_writer_that_dies_is_told_and_what_it_leaves_is_answered() {
    let folder = filled(2).await;
    let (mut journal, _) = open_well(folder.path());
    journal.queue().pages.store(u64::MAX, Relaxed);
    journal.submit(record("bot", 3));
    assert!(!acknowledged(&mut journal).await.durable);
    let trouble = journal.trouble().unwrap();
    assert!(trouble.contains("its thread died") && trouble.contains("to be written: 1"), "{trouble}");
    journal.submit(record("bot", 4));
    assert!(journal.try_acknowledged().is_some_and(|ack| !ack.durable), "at once");
    assert_eq!(epochs(&journal).await, [4, 3, 2, 1]);
}

#[tokio::test]
async fn behind_what_waits_a_page_goes_on_with_what_is_written() {
    use crate::model::JournalQuery;
    let folder = filled(2).await;
    let (mut journal, _) = open_well(folder.path());
    journal.queue().pages.store(1, Relaxed);
    for n in 3.. {
        journal.submit(record("bot", n));
        if !acknowledged(&mut journal).await.durable {
            break;
        }
    }
    let page = async |before| {
        let query = JournalQuery { limit: 1, before, ..JournalQuery::default() };
        journal.query(query).await.unwrap().remove(0).id
    };
    assert_eq!(page(None).await, 0);
    let written = page(Some(0)).await;
    assert!(written >= 2);
    assert_eq!(page(Some(written)).await, written - 1);
}
