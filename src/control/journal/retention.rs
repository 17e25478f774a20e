//! What is dropped from the journal, in steps small enough for a decision to come between.

use rusqlite::{Connection, Result, params};

use crate::config::JournalConfig;
use crate::model::Utc;

/// Entries dropped in one step, at most.
const ENTRIES: i64 = 500;
/// Pages given back to the file system in one step, at most.
const PAGES: i64 = 2_000;
/// Reports of drills that are kept.
const DRILLS: i64 = 200;

/// The newest entry of a pool is what a restart goes on from: it is kept whatever its age.
const NEWEST: &str = "SELECT max(id) FROM entries GROUP BY pool";

/// Drops some of what is too old or too much. Says whether there may be more to drop.
pub(super) fn step(connection: &Connection, rules: &JournalConfig, now: Utc) -> Result<bool> {
    let oldest = now.before(rules.max_age).millis();
    let aged = format!(
        "DELETE FROM entries WHERE id IN \
         (SELECT id FROM entries WHERE at < ?1 AND id NOT IN ({NEWEST}) ORDER BY at LIMIT ?2)"
    );
    let mut dropped = connection.prepare_cached(&aged)?.execute(params![oldest, ENTRIES])?;
    const REPORTS: &str = "DELETE FROM drills WHERE (at < ?1 AND n < (SELECT max(n) FROM drills)) OR n <= \
                           (SELECT n FROM drills ORDER BY n DESC LIMIT 1 OFFSET ?2)";
    dropped += connection.prepare_cached(REPORTS)?.execute(params![oldest, DRILLS])?;

    let excess = excess(connection, rules.max_size)?;
    if excess > 0 {
        let sized = format!(
            "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE id NOT IN ({NEWEST}) ORDER BY id LIMIT ?1)"
        );
        dropped += connection.prepare_cached(&sized)?.execute([excess])?;
    }
    give_back(connection)?;
    Ok(dropped > 0)
}

/// How many of the oldest entries to drop for the size: their share of the excess, or a step's worth.
fn excess(connection: &Connection, max_size: u64) -> Result<i64> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let used = (number("page_count")? - number("freelist_count")?).saturating_mul(number("page_size")?);
    let over = used.saturating_sub(i64::try_from(max_size).unwrap_or(i64::MAX));
    if over <= 0 {
        return Ok(0);
    }
    let count: i64 = connection.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?;
    let share = i128::from(count) * i128::from(over) / i128::from(used.max(1));
    Ok(i64::try_from(share).unwrap_or(ENTRIES).clamp(1, ENTRIES))
}

/// Makes the file as small as what is in it.
fn give_back(connection: &Connection) -> Result<()> {
    let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free == 0 {
        return Ok(());
    }
    // One page at each step of the statement.
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    drop(pages);
    // The file itself shrinks when the log is carried over. Somebody who reads may prevent it: the next time, then.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
