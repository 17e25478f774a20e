//! Reading what can still be read of a journal that is broken.
//!
//! Rows are read in the order of their ids. Where a page is damaged, the scan goes on behind it, id by id, and at last
//! from the other end. A file whose first page is damaged is read through a copy with a new one: in every journal the
//! tables begin at the same pages, for they are created in the same order and never dropped.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::{Connection, Error, ErrorCode, Result as SqliteResult, Row, params};

use super::fault::Fault;
use super::files::{self, Files};
use super::{rows, schema};

/// Ids tried one by one behind damage before the scan begins again from the other end.
const TRIES: u32 = 100_000;

/// What was saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Salvaged {
    pub(super) entries: usize,
    pub(super) drills: usize,
    /// Whether something could not be read.
    pub(super) gaps: bool,
}

impl fmt::Display for Salvaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, drills, gaps } = self;
        let rest = if *gaps { "the rest could not be read" } else { "nothing else was found in it" };
        write!(f, "{entries} decisions and {drills} drill reports were copied from it; {rest}")
    }
}

/// A table to be read by its integer key.
struct Table {
    name: &'static str,
    key: &'static str,
    columns: &'static str,
}

const ENTRIES: Table = Table { name: "entries", key: "id", columns: rows::COLUMNS };
const DRILLS: Table = Table { name: "drills", key: "n", columns: "n, id, at, document" };

/// Copies all that can be read of the journal into `new`, which has the tables but no version yet, and gives it its
/// version: all in one transaction.
///
/// # Errors
/// When `new` cannot be written. What cannot be read is not an error.
pub(super) fn copy(files: &Files, new: &mut Connection) -> Result<Salvaged, Fault> {
    let path = files.new_journal();
    let told = |error| Fault::sqlite(&path, &error);
    let source = open(&files.journal());
    let source = match source {
        Some(source) => Some(source),
        None => mend(files).ok().and_then(|()| open(&files.mended())),
    };
    let transaction = new.transaction().map_err(told)?;
    let salvaged = match &source {
        Some(source) => read(source, &transaction).map_err(told)?,
        None => Salvaged { gaps: true, ..Salvaged::default() },
    };
    transaction.pragma_update(None, "user_version", schema::VERSION).map_err(told)?;
    transaction.commit().map_err(told)?;
    drop(source);
    files::remove(&files.mended())?;
    Ok(salvaged)
}

/// Opens a broken file to read, if its list of tables can be read.
fn open(path: &Path) -> Option<Connection> {
    // SQLite deletes the log of a file without a byte, and the log may be all that there is.
    if fs::metadata(path).is_ok_and(|about| about.len() == 0) {
        return None;
    }
    let source = schema::connect_to_read(path).ok()?;
    // Reads on where the file is shorter than it says, or a table's definition is damaged.
    source.pragma_update(None, "writable_schema", true).ok()?;
    source.prepare("SELECT id FROM entries").ok()?;
    Some(source)
}

/// Makes a copy of the journal that has the first page of the new one.
fn mend(files: &Files) -> io::Result<()> {
    let (journal, mended) = (files.journal(), files.mended());
    let mut size = [0; 18];
    let mut new = File::open(files.new_journal())?;
    new.read_exact(&mut size)?;
    // The file format: <https://www.sqlite.org/fileformat2.html#the_database_header>.
    let page = match u16::from_be_bytes([size[16], size[17]]) {
        1 => 65_536,
        size => usize::from(size),
    };
    let mut first = vec![0; page];
    new.read_exact_at(&mut first, 0)?;
    files::remove(&mended).map_err(|fault| io::Error::other(fault.text))?;
    fs::copy(&journal, &mended)?;
    let log = files::beside(&journal, "-wal");
    if log.exists() {
        fs::copy(log, files::beside(&mended, "-wal"))?;
    }
    let copy = OpenOptions::new().write(true).open(&mended)?;
    let pages = u32::try_from(copy.metadata()?.len() / page as u64).unwrap_or(u32::MAX).max(1);
    // Written and read with a write-ahead log; as many pages as there are; none of them known to be free.
    first[18..20].copy_from_slice(&[2, 2]);
    first[28..32].copy_from_slice(&pages.to_be_bytes());
    first[32..40].fill(0);
    copy.write_all_at(&first, 0)
}

/// Copies both tables.
fn read(source: &Connection, new: &Connection) -> SqliteResult<Salvaged> {
    let mut salvaged = Salvaged::default();
    let whole = scan(source, &ENTRIES, |row| match rows::record(row) {
        Ok(record) => copied(rows::insert(new, Some(record.entry.id), &record, false).map(drop), &mut salvaged.entries),
        Err(_) => Ok(false),
    })?;
    salvaged.gaps |= !whole;
    const PUT: &str = "INSERT INTO drills (n, id, at, document) VALUES (?1, ?2, ?3, ?4)";
    let drill = |row: &Row<'_>| -> SqliteResult<(i64, String, i64, String)> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    };
    let whole = scan(source, &DRILLS, |row| match drill(row) {
        Ok((n, id, at, document)) => {
            copied(new.execute(PUT, params![n, id, at, document]).map(drop), &mut salvaged.drills)
        }
        Err(_) => Ok(false),
    })?;
    salvaged.gaps |= !whole;
    Ok(salvaged)
}

/// Counts a row that was copied. One that contradicts another is not to be trusted, and no reason to stop.
fn copied(result: SqliteResult<()>, count: &mut usize) -> SqliteResult<bool> {
    match result {
        Ok(()) => {
            *count += 1;
            Ok(true)
        }
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Why a scan ended before the end of the table.
enum Broken {
    /// The source could not be read behind this key.
    Source(i64),
    /// The target could not be written.
    Target(Error),
}

/// Gives every row that can be read to `take`, each key once; `take` says whether it could use it. Says whether all rows
/// were read and used.
///
/// # Errors
/// Only those of `take`.
fn scan(
    source: &Connection,
    table: &Table,
    mut take: impl FnMut(&Row<'_>) -> SqliteResult<bool>,
) -> SqliteResult<bool> {
    let Table { name, key, columns } = table;
    let up = format!("SELECT {columns} FROM {name} WHERE {key} > ?1 ORDER BY {key}");
    let down = format!("SELECT {columns} FROM {name} WHERE {key} > ?1 ORDER BY {key} DESC");
    let highest = || -> Option<i64> {
        let ends = [
            format!("SELECT {key} FROM {name} ORDER BY {key} DESC LIMIT 1"),
            // The pages of an index may be whole where those of the table are not.
            "SELECT max(id) FROM entries INDEXED BY entries_by_pool".to_owned(),
        ];
        let ends = ends.iter().take(if *name == "entries" { 2 } else { 1 });
        ends.filter_map(|sql| source.query_row(sql, [], |row| row.get(0)).ok()).max()
    };
    let (mut last, mut whole, mut end) = (0, true, None);
    for _ in 0..TRIES {
        match pass(source, &up, last, false, &mut whole, &mut take) {
            Ok(()) => return Ok(whole),
            Err(Broken::Target(error)) => return Err(error),
            Err(Broken::Source(behind)) => {
                whole = false;
                last = behind.saturating_add(1);
                if *end.get_or_insert_with(highest) <= Some(last) && end.flatten().is_some() {
                    return Ok(false);
                }
            }
        }
    }
    match pass(source, &down, last, true, &mut whole, &mut take) {
        Err(Broken::Target(error)) => Err(error),
        _ => Ok(false),
    }
}

/// Reads rows behind the key `last` until there are no more or one cannot be read.
fn pass(
    source: &Connection,
    sql: &str,
    last: i64,
    falling: bool,
    whole: &mut bool,
    take: &mut impl FnMut(&Row<'_>) -> SqliteResult<bool>,
) -> Result<(), Broken> {
    let mut seen = last;
    let mut limit = if falling { i64::MAX } else { last };
    let mut statement = source.prepare_cached(sql).map_err(|_| Broken::Source(seen))?;
    let mut rows = statement.query([last]).map_err(|_| Broken::Source(seen))?;
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(()),
            Err(_) => return Err(Broken::Source(seen)),
        };
        let key: i64 = row.get(0).map_err(|_| Broken::Source(seen))?;
        // Damaged pages can lead in circles.
        let ordered = if falling { key < limit && key > last } else { key > limit };
        if !ordered {
            return Err(Broken::Source(seen));
        }
        (seen, limit) = (key, key);
        *whole &= take(row).map_err(Broken::Target)?;
    }
}
