//! Reading the last states from a journal that cannot be opened to write: its disk is full, or read-only.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::files::{self, Files};
use super::types::Record;
use super::{rows, schema};
use crate::model::Utc;

/// The newest record of every pool that can be read. Where even reading needs to write (a log must be taken in), a copy
/// in the folder for temporary files is read.
pub(super) fn newest(files: &Files) -> Vec<Record> {
    let journal = files.journal();
    // SQLite would delete the log of a file without a byte.
    if fs::metadata(&journal).map_or(0, |about| about.len()) == 0 {
        return Vec::new();
    }
    if let Some(found) = read(&journal) {
        return found;
    }
    let name = format!("botgate-journal-{}-{}", std::process::id(), Utc::now().millis());
    let folder = std::env::temp_dir().join(name);
    if DirBuilder::new().mode(0o700).create(&folder).is_err() {
        return Vec::new();
    }
    let found = copy(&journal, &folder).ok().and_then(|copy| read(&copy));
    if let Err(error) = fs::remove_dir_all(&folder) {
        tracing::warn!(%error, folder = %folder.display(), "a copy of the journal was left: remove it");
    }
    found.unwrap_or_default()
}

fn read(path: &Path) -> Option<Vec<Record>> {
    let file = schema::connect_to_read(path).ok()?;
    rows::newest(&file).ok().map(|(newest, _)| newest)
}

fn copy(journal: &Path, folder: &Path) -> io::Result<PathBuf> {
    let copy = folder.join("journal.db");
    fs::copy(journal, &copy)?;
    let log = files::beside(journal, "-wal");
    if log.exists() {
        fs::copy(log, files::beside(&copy, "-wal"))?;
    }
    Ok(copy)
}
