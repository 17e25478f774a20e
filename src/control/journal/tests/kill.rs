//! kill -9 at any moment: what was acknowledged is there.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::fixture::*;

/// Where the child writes its journal. Without it the child's test does nothing.
const FOLDER: &str = "BOTGATE_TEST_JOURNAL";
/// The first epoch that it writes.
const FIRST: &str = "BOTGATE_TEST_FIRST";
const ME: &str = "control::journal::tests::kill::the_process_that_is_killed";

#[tokio::test]
async fn the_process_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let (mut journal, _) = open(folder.as_ref());
    let mut out = std::io::stdout().lock();
    // For ever, but for a parent that died.
    for n in 0..200_000 {
        journal.submit(record("bot", first + n));
        // Up to eight wait at a time: some batches are larger than one.
        if n % 8 == 7 {
            for epoch in n - 7..=n {
                assert!(acknowledged(&mut journal).await.durable);
                writeln!(out, "durable {}", first + epoch).unwrap();
            }
            out.flush().unwrap();
        }
    }
}

#[tokio::test]
async fn whatever_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut durable = HashSet::new();
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", ME, "--nocapture", "--test-threads=1"])
            .envs([(FOLDER, folder.path().as_os_str()), (FIRST, (round * 1_000_000).to_string().as_ref())])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        let wanted = fastrand::usize(1..1_500);
        let mut killed = false;
        while let Some(Ok(line)) = lines.next() {
            // The first comes behind the name of the test; the last may have been cut off by the kill.
            let Some((_, epoch)) = line.rsplit_once("durable ") else { continue };
            let Ok(epoch) = epoch.parse::<u64>() else { continue };
            if epoch / 1_000_000 == round && (epoch % 1_000_000) as usize == seen {
                durable.insert(epoch);
                seen += 1;
            }
            if seen >= wanted && !killed {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "it wrote {seen} of {wanted}");

        let (journal, restored) = open_well(folder.path());
        let file = sqlite(folder.path());
        let mut epochs = file.prepare("SELECT epoch FROM entries").unwrap();
        let there: Vec<u64> =
            epochs.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(|n| n.unwrap() as u64).collect();
        let unique: HashSet<u64> = there.iter().copied().collect();
        assert_eq!(unique.len(), there.len(), "none twice");
        assert!(durable.is_subset(&unique), "lost: {:?}", durable.difference(&unique));
        assert_eq!(restored.pools["bot"], record("bot", *there.iter().max().unwrap()).saved);
        drop(journal);
    }
}
