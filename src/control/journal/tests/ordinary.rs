//! A disk that works.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::fixture::*;
use crate::control::journal::{Journal, Ticket};
use crate::model::{JournalEntry, JournalQuery, Utc};

#[tokio::test]
async fn what_is_acknowledged_is_there_after_a_restart_word_for_word() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("deep/state");
    let (mut journal, restored) = open_well(&state);
    assert!(restored.pools.is_empty());
    let mut written = record("bot", 5);
    (written.entry.at, written.entry.epoch) = (Utc::from_millis(7), u64::MAX);
    let mut bare = record("qna", 7);
    (bare.entry.before, bare.entry.after, bare.entry.direction) = (None, None, None);
    let tickets = [journal.submit(written.clone()), journal.submit(bare.clone())];
    assert_eq!(tickets, [Ticket(1), Ticket(2)]);
    for ticket in tickets {
        let ack = acknowledged(&mut journal).await;
        assert_eq!((ack.ticket, ack.durable), (ticket, true));
    }
    assert_eq!((journal.written(), journal.late(), journal.lost()), (2, 0, 0));
    drop(journal);

    let (journal, restored) = open_well(&state);
    assert_eq!(restored.pools["bot"], written.saved);
    assert_eq!(restored.pools["qna"], bare.saved);
    let all = entries(&journal).await;
    let expected = [JournalEntry { id: 2, ..bare.entry }, JournalEntry { id: 1, ..written.entry }];
    assert_eq!(all, expected);

    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(state.clone()), 0o700);
    assert_eq!(mode(state.join("journal.db")), 0o600);
}

/// What every journal answers.
async fn answers(mut journal: Journal) {
    write(&mut journal, "bot", 1..=5).await;
    write(&mut journal, "qna", 6..=8).await;
    assert_eq!(epochs(&journal).await, [8, 7, 6, 5, 4, 3, 2, 1]);
    let all = JournalQuery { limit: 1_000, ..JournalQuery::default() };
    let bot = JournalQuery { pool: Some("bot".into()), ..all.clone() };
    let some = |query: JournalQuery| {
        let found = journal.query(query);
        async move { found.await.unwrap().into_iter().map(|entry| entry.epoch).collect::<Vec<_>>() }
    };
    assert_eq!(some(bot.clone()).await, [5, 4, 3, 2, 1]);
    assert_eq!(some(JournalQuery { limit: 2, ..bot.clone() }).await, [5, 4]);
    assert_eq!(some(JournalQuery { before: Some(4), ..bot.clone() }).await, [3, 2, 1]);
    assert_eq!(some(JournalQuery { since: Some(record("bot", 4).entry.at), ..bot }).await, [5, 4]);
    assert_eq!(some(JournalQuery { limit: 0, ..all }).await, [0; 0]);

    assert_eq!(journal.drill(None).await.unwrap(), None);
    for (id, document) in [("a", "1"), ("b", "2"), ("a", "3")] {
        journal.put_drill(id, json!(document).to_string());
    }
    assert_eq!(journal.drill(Some("a")).await.unwrap().as_deref(), Some("\"3\""));
    assert_eq!(journal.drill(Some("c")).await.unwrap(), None);
    write(&mut journal, "bot", 9..=9).await;
    assert_eq!(journal.drill(None).await.unwrap().as_deref(), Some("\"2\""), "the latest begun");
    assert_eq!(journal.drills(10).await.unwrap(), ["\"2\"", "\"3\""]);
    assert_eq!(journal.drills(1).await.unwrap(), ["\"2\""]);
    assert_eq!(journal.written(), 9);
}

#[tokio::test]
async fn a_journal_on_disk_answers_questions() {
    let folder = tempfile::tempdir().unwrap();
    answers(open_well(folder.path()).0).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_in_memory_answers_the_same_and_takes_no_time() {
    let begin = tokio::time::Instant::now();
    answers(Journal::in_memory().0).await;
    assert!(begin.elapsed().is_zero());
}

#[tokio::test]
async fn an_acknowledgement_is_not_lost_with_a_wait_that_is_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open_well(folder.path());
    for n in 1..=200 {
        let ticket = journal.submit(record("bot", n));
        loop {
            tokio::select! {
                biased;
                ack = journal.acknowledged() => break assert_eq!(ack.ticket, ticket),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    assert_eq!(journal.try_acknowledged(), None);
}

#[tokio::test]
async fn two_processes_write_at_once_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (mut old, _) = open_well(folder.path());
    let (mut new, _) = open_well(folder.path());
    tokio::join!(write(&mut old, "bot", 1..=200), write(&mut new, "qna", 201..=400));
    let mut all = epochs(&old).await;
    all.sort_unstable();
    assert_eq!(all, (1..=400).collect::<Vec<_>>());
    drop(old);
    write(&mut new, "qna", 401..=401).await;
    drop(new);
    let (_, restored) = open_well(folder.path());
    assert_eq!(restored.pools["bot"], record("bot", 200).saved);
    assert_eq!(restored.pools["qna"], record("qna", 401).saved);
}

#[tokio::test]
async fn a_decision_that_went_ahead_is_marked_late_even_while_it_is_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open_well(folder.path());
    let other = sqlite(folder.path());
    // For less than the writer waits for another process: it has the first record in its hands.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let first = journal.submit(record("bot", 1));
    until("the writer took it", || journal.queue().is_writing()).await;
    let second = journal.submit(record("bot", 2));
    journal.went_ahead(first);
    journal.went_ahead(second);
    journal.submit(record("bot", 3));
    other.execute_batch("COMMIT").unwrap();
    for _ in 1..=3 {
        acknowledged(&mut journal).await;
    }
    // The mark of the first is written behind it.
    write(&mut journal, "bot", 4..=4).await;
    let late: Vec<_> = entries(&journal).await.into_iter().map(|entry| (entry.epoch, entry.late)).collect();
    assert_eq!(late, [(4, false), (3, false), (2, true), (1, true)]);
    assert_eq!(journal.late(), 2);
}
