//! The door of the fuzz target for rows of the journal.

use std::cell::RefCell;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::{rows, schema};
use crate::model::JournalEntry;

/// What stands in a column.
#[derive(Clone, Debug)]
pub enum Column {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT.
    Text(String),
    /// BLOB.
    Blob(Vec<u8>),
}

thread_local! {
    static FILE: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// Reads a row of these columns (all but its id), as a journal that was damaged or made by somebody else may hold it.
/// None where it cannot be read. What was read is written again and read once more: both, and whether the two are equal.
pub fn row(columns: &[Column; 14]) -> Option<(JournalEntry, String, bool)> {
    FILE.with_borrow_mut(|file| {
        let connection = match file {
            Some(connection) => connection,
            none => none.insert(open()?),
        };
        let result = again(connection, columns);
        connection.execute_batch("DELETE FROM rough; DELETE FROM entries").ok()?;
        result
    })
}

fn open() -> Option<Connection> {
    let mut connection = Connection::open_in_memory().ok()?;
    schema::create(&mut connection).ok()?;
    // Without STRICT and NOT NULL: a file need not be what it says.
    let names = rows::COLUMNS;
    connection.execute_batch(&format!("CREATE TABLE rough ({names})")).ok()?;
    Some(connection)
}

fn again(connection: &Connection, columns: &[Column; 14]) -> Option<(JournalEntry, String, bool)> {
    let values = columns.iter().cloned().map(|column| match column {
        Column::Null => Value::Null,
        Column::Integer(number) => Value::Integer(number),
        Column::Real(number) => Value::Real(number),
        Column::Text(text) => Value::Text(text),
        Column::Blob(bytes) => Value::Blob(bytes),
    });
    let insert = "INSERT INTO rough VALUES (7, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    connection.prepare_cached(insert).ok()?.execute(params_from_iter(values)).ok()?;
    let read = |table: &str| {
        let sql = format!("SELECT {} FROM {table}", rows::COLUMNS);
        connection.prepare_cached(&sql)?.query_row([], rows::record)
    };
    let record = read("rough").ok()?;
    let same =
        rows::insert(connection, Some(7), &record, false).and_then(|_| read("entries")).is_ok_and(|it| it == record);
    Some((record.entry, record.saved, same))
}
