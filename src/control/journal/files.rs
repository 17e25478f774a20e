//! The files in the state folder, and the one process at a time that may put others in their place.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::fault::Fault;
use crate::model::Utc;

/// How long a process waits for another that opens the journal, or copies what a broken one held.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Where everything is.
#[derive(Clone, Debug)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The journal.
    pub(super) fn journal(&self) -> PathBuf {
        self.folder.join("journal.db")
    }

    /// The one that is being made to take its place.
    pub(super) fn new_journal(&self) -> PathBuf {
        self.folder.join("journal.db.new")
    }

    /// A copy of a broken journal that was given a new first page.
    pub(super) fn mended(&self) -> PathBuf {
        self.folder.join("journal.db.mended")
    }

    /// Makes the folder, for its owner only.
    pub(super) fn create_folder(&self) -> Result<(), Fault> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|error| Fault::io("create the folder", &self.folder, &error))
    }

    /// Waits until no other process opens or replaces the journal, and keeps others from it. None when another takes very
    /// long, or the file system knows no locks: going on is better than no journal.
    pub(super) fn lock(&self) -> Result<Option<File>, Fault> {
        let path = self.folder.join("journal.lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|error| Fault::io("open", &path, &error))?;
        let end = Instant::now() + LOCK_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < end => sleep(Duration::from_millis(20)),
                Err(_) => return Ok(None),
            }
        }
    }

    /// Makes names that were given in the folder survive a loss of power.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| Fault::io("write to", &self.folder, &error))
    }

    /// Moves the journal, and what SQLite keeps beside it, to `journal.db.LABEL-UTC`. None when there was nothing.
    pub(super) fn set_aside(&self, label: &str) -> Result<Option<PathBuf>, Fault> {
        let journal = self.journal();
        let utc = Utc::now().to_string();
        let second: String = utc.chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
        let mut aside = self.folder.join(format!("journal.db.{label}-{second}Z"));
        for n in 2.. {
            if !aside.exists() {
                break;
            }
            aside = self.folder.join(format!("journal.db.{label}-{second}Z.{n}"));
        }
        let mut moved = false;
        for suffix in ["", "-wal", "-shm"] {
            match std::fs::rename(beside(&journal, suffix), beside(&aside, suffix)) {
                Ok(()) => moved = true,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Fault::io("move aside", &journal, &error)),
            }
        }
        Ok(moved.then_some(aside))
    }
}

/// The file that SQLite keeps beside another.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes an empty file that only its owner may read; one that exists stays as it is.
pub(super) fn create(path: &Path) -> Result<(), Fault> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(Fault::io("create", path, &error)),
        _ => Ok(()),
    }
}

/// Removes a file and what SQLite keeps beside it; none there is fine.
pub(super) fn remove(path: &Path) -> Result<(), Fault> {
    for file in ["", "-wal", "-shm", "-journal"].map(|suffix| beside(path, suffix)) {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Fault::io("remove", &file, &error)),
            _ => {}
        }
    }
    Ok(())
}

/// Which file is at a path, whatever its name was: device and inode; none when there is none.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.dev(), about.ino()))
}
