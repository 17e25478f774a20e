//! Opening the journal: as it is, or a new one in the place of one that cannot be trusted.

use std::fs;

use rusqlite::{Connection, Result as SqliteResult};

use super::fault::{Fault, is_corrupt};
use super::files::{self, Files};
use super::{salvage, schema};

/// How far the file is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// It was checked before.
    Known,
    /// Its structure is checked: all of it is read.
    Check,
    /// It is known to be broken, and how.
    None(String),
}

/// An open journal.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// Which file it is, to notice when another takes its name.
    pub(super) identity: Option<(u64, u64)>,
    /// What was wrong, and what was done.
    pub(super) notes: Vec<String>,
}

/// What is there.
enum Found {
    Nothing,
    /// A file without a byte, and without a log that could fill it.
    Empty,
    Good(Connection),
    /// `label` goes into the name that it gets.
    Bad {
        label: String,
        why: String,
    },
}

/// Opens the journal; makes the folder and the file where there is none.
///
/// Nothing is lost if the process dies meanwhile: a broken file stays in its place until a new one is complete.
pub(super) fn open(files: &Files, trust: &Trust) -> Result<Opened, Fault> {
    files.create_folder()?;
    let _alone = files.lock()?;
    let journal = files.journal();
    let mut notes = Vec::new();
    finish_replacement(files)?;
    let good = match find(files, trust)? {
        Found::Good(connection) => Some(connection),
        Found::Nothing => None,
        Found::Empty => {
            notes.push(format!("the journal {} was empty (0 bytes): it is begun anew", journal.display()));
            None
        }
        Found::Bad { label, why } => {
            notes.push(replace(files, &label, &why)?);
            None
        }
    };
    let told = |error| Fault::sqlite(&journal, &error);
    let connection = match good {
        Some(connection) => connection,
        None => {
            files::create(&journal)?;
            let connection = begin(files).map_err(told)?;
            files.sync()?;
            connection
        }
    };
    schema::set_up(&connection).map_err(told)?;
    Ok(Opened { connection, identity: files::identity(&journal), notes })
}

fn begin(files: &Files) -> SqliteResult<Connection> {
    let mut connection = schema::connect(&files.journal())?;
    schema::set_up(&connection)?;
    schema::create(&mut connection)?;
    Ok(connection)
}

/// A process that died while it replaced a broken journal left the new one either complete or worthless.
fn finish_replacement(files: &Files) -> Result<(), Fault> {
    let (journal, new) = (files.journal(), files.new_journal());
    if !new.exists() {
        return Ok(());
    }
    let complete = || schema::version(&schema::connect(&new)?);
    if !journal.exists() && complete().is_ok_and(|version| version == schema::VERSION) {
        // What is left of the broken one's log must not be taken for the new one's.
        files.set_aside("corrupt")?;
        fs::rename(&new, &journal).map_err(|error| Fault::io("rename", &new, &error))?;
        return files.sync();
    }
    files::remove(&new)
}

fn find(files: &Files, trust: &Trust) -> Result<Found, Fault> {
    let journal = files.journal();
    let bad = |why: String| Ok(Found::Bad { label: "corrupt".to_owned(), why });
    let size = fs::metadata(&journal).ok().map(|about| about.len());
    let log = fs::metadata(files::beside(&journal, "-wal")).is_ok_and(|about| about.len() > 0);
    match (size, trust) {
        (None, _) => {
            // A log without its file is of no use, and must not be taken for that of a new one.
            files.set_aside("left")?;
            Ok(Found::Nothing)
        }
        (Some(0), _) if log => bad("has no byte left, only a log".to_owned()),
        (Some(0), _) => Ok(Found::Empty),
        (Some(_), Trust::None(why)) => bad(format!("is damaged ({why})")),
        (Some(_), _) => match inspect(files, *trust == Trust::Check) {
            Ok(found) => Ok(found),
            Err(error) if is_corrupt(&error) => bad(format!("is damaged ({error})")),
            Err(error) => Err(Fault::sqlite(&journal, &error)),
        },
    }
}

fn inspect(files: &Files, check: bool) -> SqliteResult<Found> {
    let mut connection = schema::connect(&files.journal())?;
    let version = schema::version(&connection)?;
    if version == 0 && schema::is_blank(&connection)? {
        // The process that made it died before it had tables.
        schema::set_up(&connection)?;
        schema::create(&mut connection)?;
        return Ok(Found::Good(connection));
    }
    if version == 0 {
        let why = "is a database of something else".to_owned();
        return Ok(Found::Bad { label: "foreign".to_owned(), why });
    }
    if version != schema::VERSION {
        let why = format!("was written by another botgate (tables of version {version}, not {})", schema::VERSION);
        return Ok(Found::Bad { label: format!("version-{version}"), why });
    }
    if check && let Some(damage) = damage(&connection)? {
        return Ok(Found::Bad { label: "corrupt".to_owned(), why: format!("is damaged ({damage})") });
    }
    Ok(Found::Good(connection))
}

/// What is wrong with the structure of the file, if anything. Reads all of it.
pub(super) fn damage(connection: &Connection) -> SqliteResult<Option<String>> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then(|| found.replace('\n', " ")))
}

/// Copies what can be read into a new file, moves the old one aside, and puts the new one into its place. Says so.
fn replace(files: &Files, label: &str, why: &str) -> Result<String, Fault> {
    let (journal, new) = (files.journal(), files.new_journal());
    let told = |error| Fault::sqlite(&new, &error);
    files::remove(&new)?;
    files::create(&new)?;
    let mut connection = schema::connect(&new).map_err(told)?;
    schema::create_unfinished(&mut connection).map_err(told)?;
    let salvaged = salvage::copy(files, &mut connection)?;
    connection.close().map_err(|(_, error)| told(error))?;
    let aside = files.set_aside(label)?.unwrap_or_else(|| journal.clone());
    fs::rename(&new, &journal).map_err(|error| Fault::io("rename", &new, &error))?;
    files.sync()?;
    Ok(format!("the journal {} {why}: it was moved to {}, and {salvaged}", journal.display(), aside.display()))
}
