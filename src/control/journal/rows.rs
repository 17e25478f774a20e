//! Records as rows of the file.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, IntoDeserializer};

use super::types::Record;
use crate::model::{JournalEntry, PoolName, Utc};

/// The columns that [`entry`] and [`record`] read, in their order.
pub(super) const COLUMNS: &str = "id, at, pool, phase_before, phase, backend_before, backend, epoch, direction, cause, \
                                  actor, reason, late, evidence, saved";

/// Writes a record; with `id` none, behind all others. Gives its id.
pub(super) fn insert(connection: &Connection, id: Option<i64>, record: &Record, late: bool) -> Result<i64> {
    const INSERT: &str = "INSERT INTO entries (id, at, pool, phase_before, phase, backend_before, backend, epoch, \
                          direction, cause, actor, reason, late, evidence, saved) VALUES \
                          (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    let Record { entry, saved } = record;
    connection.prepare_cached(INSERT)?.execute(params![
        id,
        entry.at.millis(),
        entry.pool.as_str(),
        entry.phase_before.as_str(),
        entry.phase.as_str(),
        entry.before.as_ref().map(|name| name.as_str()),
        entry.after.as_ref().map(|name| name.as_str()),
        // SQLite's integers are signed: the bits are kept.
        entry.epoch.cast_signed(),
        entry.direction.map(|direction| direction.as_str()),
        entry.cause.as_str(),
        entry.actor,
        entry.reason,
        late || entry.late,
        entry.evidence.to_string(),
        saved,
    ])?;
    Ok(connection.last_insert_rowid())
}

/// The row that holds just this record, if it is behind the row `after`: a commit whose answer was lost may have been one.
pub(super) fn find(connection: &Connection, record: &Record, after: i64) -> Result<Option<i64>> {
    const FIND: &str = "SELECT id FROM entries WHERE pool = ?1 AND id > ?2 AND at = ?3 AND epoch = ?4 AND cause = ?5 \
                        AND actor = ?6 AND reason = ?7 AND saved = ?8 LIMIT 1";
    let Record { entry, saved } = record;
    let (at, epoch) = (entry.at.millis(), entry.epoch.cast_signed());
    let keys = params![entry.pool.as_str(), after, at, epoch, entry.cause.as_str(), entry.actor, entry.reason, saved];
    connection.prepare_cached(FIND)?.query_row(keys, |row| row.get(0)).optional()
}

/// Marks a row as having taken effect before it was durable.
pub(super) fn mark_late(connection: &Connection, id: i64) -> Result<()> {
    connection.prepare_cached("UPDATE entries SET late = 1 WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Writes the document of a drill, or replaces it.
pub(super) fn put_drill(connection: &Connection, id: &str, at: Utc, document: &str) -> Result<()> {
    const PUT: &str = "INSERT INTO drills (id, at, document) VALUES (?1, ?2, ?3) \
                       ON CONFLICT (id) DO UPDATE SET document = excluded.document";
    connection.prepare_cached(PUT)?.execute(params![id, at.millis(), document])?;
    Ok(())
}

/// Reads an entry from a row of [`COLUMNS`].
///
/// # Errors
/// SQLite's, and a conversion failure where a word is unknown or the evidence is not JSON.
pub(super) fn entry(row: &Row<'_>) -> Result<JournalEntry> {
    let evidence: String = row.get(13)?;
    Ok(JournalEntry {
        id: row.get(0)?,
        at: Utc::from_millis(row.get(1)?),
        pool: word(row, 2)?,
        phase_before: word(row, 3)?,
        phase: word(row, 4)?,
        before: optional_word(row, 5)?,
        after: optional_word(row, 6)?,
        epoch: row.get::<_, i64>(7)?.cast_unsigned(),
        direction: optional_word(row, 8)?,
        cause: word(row, 9)?,
        actor: row.get(10)?,
        reason: row.get(11)?,
        late: row.get(12)?,
        evidence: serde_json::from_str(&evidence).map_err(|error| unreadable(13, error))?,
    })
}

/// Reads a record from a row of [`COLUMNS`].
///
/// # Errors
/// As [`entry`], and where the saved state is not JSON.
pub(super) fn record(row: &Row<'_>) -> Result<Record> {
    let saved: String = row.get(14)?;
    serde_json::from_str::<IgnoredAny>(&saved).map_err(|error| unreadable(14, error))?;
    Ok(Record { entry: entry(row)?, saved })
}

/// The newest record of every pool that can be read, and how many newer ones cannot be.
pub(super) fn newest(connection: &Connection) -> Result<(Vec<Record>, usize)> {
    let mut pools = connection.prepare("SELECT DISTINCT pool FROM entries")?;
    let mut of_pool = connection.prepare(&format!("SELECT {COLUMNS} FROM entries WHERE pool = ?1 ORDER BY id DESC"))?;
    let (mut found, mut unreadable) = (Vec::new(), 0);
    for pool in pools.query_map([], |row| row.get::<_, String>(0))? {
        let mut rows = of_pool.query([pool?])?;
        while let Some(row) = rows.next()? {
            match record(row) {
                Ok(record) => {
                    found.push(record);
                    break;
                }
                Err(error) if error.sqlite_error_code().is_none() => unreadable += 1,
                Err(error) => return Err(error),
            }
        }
    }
    Ok((found, unreadable))
}

/// Puts records back whose pools have nothing as new: of a file that was lost or could not be read in full.
pub(super) fn restore<'a>(connection: &Connection, records: impl Iterator<Item = &'a Record>) -> Result<usize> {
    let mut newer = connection.prepare("SELECT 1 FROM entries WHERE pool = ?1 AND at >= ?2 LIMIT 1")?;
    let mut restored = 0;
    for record in records {
        let pool: &PoolName = &record.entry.pool;
        if !newer.exists(params![pool.as_str(), record.entry.at.millis()])? {
            insert(connection, None, record, record.entry.late)?;
            restored += 1;
        }
    }
    Ok(restored)
}

fn word<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    let text: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(text).map_err(|error| unreadable(column, error))
}

fn optional_word<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<Option<T>> {
    if row.get_ref(column)? == rusqlite::types::ValueRef::Null { Ok(None) } else { word(row, column).map(Some) }
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
