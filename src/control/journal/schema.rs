//! The tables of the journal's file, and how a connection to it is set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Result, TransactionBehavior};

/// `user_version` of a file that this botgate writes.
pub(super) const VERSION: i64 = 1;

/// How long a statement waits for another process that writes: they do so for milliseconds.
const BUSY: Duration = Duration::from_millis(500);

/// The write-ahead log is cut down to this many bytes once what is in it has reached the file.
const LOG_SIZE: i64 = 4 << 20;

/// Salvage relies on the order: it is what makes the first page of every journal the same.
const TABLES: &str = "
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        pool TEXT NOT NULL,
        phase_before TEXT NOT NULL,
        phase TEXT NOT NULL,
        backend_before TEXT,
        backend TEXT,
        epoch INTEGER NOT NULL,
        direction TEXT,
        cause TEXT NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT NOT NULL,
        late INTEGER NOT NULL,
        evidence TEXT NOT NULL,
        saved TEXT NOT NULL
    ) STRICT;
    CREATE INDEX entries_by_pool ON entries (pool, id);
    CREATE INDEX entries_by_time ON entries (at);
    CREATE TABLE drills (
        n INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        at INTEGER NOT NULL,
        document TEXT NOT NULL
    ) STRICT;
";

/// Opens a file that exists, to write.
pub(super) fn connect(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Opens a file that exists, to read.
pub(super) fn connect_to_read(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Makes commits survive a loss of power, and pages go back to the file system when entries are dropped. The latter
/// takes effect only in a file that has no table yet.
pub(super) fn set_up(connection: &Connection) -> Result<()> {
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    // Answers with the mode that it took: a file system that cannot share memory keeps another, durable as well.
    let _: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let _: i64 = connection.query_row(&format!("PRAGMA journal_size_limit = {LOG_SIZE}"), [], |row| row.get(0))?;
    Ok(())
}

/// The version of the tables; 0 in a file without any.
pub(super) fn version(connection: &Connection) -> Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether the file has no tables at all.
pub(super) fn is_blank(connection: &Connection) -> Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

/// Creates the tables and the version in one transaction, unless another process just did.
pub(super) fn create(connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if version(&transaction)? == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

/// Creates the tables, and leaves the version 0: the file is not a journal yet.
pub(super) fn create_unfinished(connection: &mut Connection) -> Result<()> {
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_that_create_the_tables_at_once_end_up_with_one_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        std::fs::write(&path, "").unwrap();
        let begin = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    begin.wait();
                    let mut connection = connect(&path).unwrap();
                    connection.busy_timeout(Duration::from_secs(20)).unwrap();
                    set_up(&connection).unwrap();
                    create(&mut connection).unwrap();
                });
            }
        });
        let connection = connect(&path).unwrap();
        assert_eq!(version(&connection).unwrap(), VERSION);
        let vacuum: i64 = connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap();
        assert_eq!(vacuum, 2, "incremental");
    }
}
