//! Questions to the journal.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Result, params_from_iter};

use super::rows;
use crate::model::{JournalEntry, JournalQuery};

/// Entries given in one answer, at most.
pub(super) const ENTRIES: usize = 1_000;

/// The entries asked for, newest first. Rows that cannot be understood are left out, and told in the log.
pub(super) fn entries(connection: &Connection, query: &JournalQuery) -> Result<Vec<JournalEntry>> {
    let JournalQuery { pool, before, since, limit } = query;
    let mut sql = format!("SELECT {} FROM entries WHERE id < ?1", rows::COLUMNS);
    // What waits to be written has no number yet: older than it is all that is here.
    let mut values = vec![Value::Integer(before.filter(|id| *id != 0).unwrap_or(i64::MAX))];
    if let Some(pool) = pool {
        values.push(Value::Text(pool.as_str().to_owned()));
        sql += &format!(" AND pool = ?{}", values.len());
    }
    if let Some(since) = since {
        values.push(Value::Integer(since.millis()));
        sql += &format!(" AND at >= ?{}", values.len());
    }
    values.push(Value::Integer(i64::try_from(*limit.min(&ENTRIES)).unwrap_or(i64::MAX)));
    sql += &format!(" ORDER BY id DESC LIMIT ?{}", values.len());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(values))?;
    let mut entries = Vec::new();
    while let Some(row) = found.next()? {
        match rows::entry(row) {
            Ok(entry) => entries.push(entry),
            Err(error) if error.sqlite_error_code().is_none() => {
                let id: i64 = row.get(0)?;
                tracing::warn!(id, %error, "an entry of the journal cannot be understood: it is left out");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

/// The document of a drill: of the latest, when none is named.
pub(super) fn drill(connection: &Connection, id: Option<&str>) -> Result<Option<String>> {
    let document = |row: &rusqlite::Row<'_>| row.get(0);
    match id {
        Some(id) => connection.query_row("SELECT document FROM drills WHERE id = ?1", [id], document),
        None => connection.query_row("SELECT document FROM drills ORDER BY n DESC LIMIT 1", [], document),
    }
    .optional()
}

/// Id and document of the latest drills, newest first.
pub(super) fn drills(connection: &Connection, limit: usize) -> Result<Vec<(String, String)>> {
    let mut statement = connection.prepare("SELECT id, document FROM drills ORDER BY n DESC LIMIT ?1")?;
    let limit = i64::try_from(limit.min(ENTRIES)).unwrap_or(i64::MAX);
    statement.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
