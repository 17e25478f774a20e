//! What can be wrong with the journal's file, and what to do about it.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

/// A use of the file that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// What happened, where, and what to do.
    pub(super) text: String,
}

/// What the writer does about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// What the file holds cannot be trusted: it is moved aside.
    Corrupt,
    /// There is no room, or another process writes: the connection is good, try again.
    Wait,
    /// Anything else of the disk: try again with a new connection.
    Disk,
}

impl Fault {
    /// From an answer of SQLite about the file at `path`.
    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        let (kind, advice) = match code {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                (FaultKind::Corrupt, "it is moved aside as soon as a new one can be written; check the disk")
            }
            Some(ErrorCode::DiskFull) => (FaultKind::Wait, "free space on its disk, or lower `journal.max_size`"),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                (FaultKind::Wait, "another process holds it locked: end that process")
            }
            Some(ErrorCode::ReadOnly) => (FaultKind::Disk, "make its file system and folder writable"),
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                (FaultKind::Disk, "make it a file in a folder that botgate may write to")
            }
            Some(ErrorCode::SystemIoFailure) => (FaultKind::Disk, "check its disk and the free space there"),
            _ => (FaultKind::Disk, "check its disk"),
        };
        Self { kind, text: format!("the journal {} cannot be used: {error}; {advice}", path.display()) }
    }

    /// From a call on the file system that failed: `doing` completes "cannot …".
    pub(super) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let text = format!(
            "the journal is not kept: cannot {doing} {}: {error}; make `state_dir` a folder on a disk with room that \
             botgate may write to",
            path.display()
        );
        Self { kind: FaultKind::Disk, text }
    }
}

/// Whether an answer of SQLite means that the file cannot be trusted.
pub(super) fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
