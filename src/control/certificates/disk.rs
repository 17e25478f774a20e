//! The answers of last time on the disk. They are signed, and judged again when they are read: who changes them gains nothing.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Largest file that is read.
const LARGEST: u64 = 64 << 10;

/// Where the answer about the certificate with this fingerprint is kept.
pub(super) fn path_of(directory: &Path, fingerprint: &[u8; 32]) -> PathBuf {
    let mut name = String::with_capacity(64);
    for byte in fingerprint {
        // Writing to a string does not fail.
        let _ = write!(name, "{byte:02x}");
    }
    directory.join("ocsp").join(name).with_extension("der")
}

/// What was kept; none when nothing usable was.
pub(super) fn load(path: &Path) -> Option<Vec<u8>> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Keeps an answer: after a power cut the file is either the old one or the new one.
///
/// # Errors
/// Of the file system.
pub(super) fn save(path: &Path, response: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(response)?;
        file.sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&draft, path));
    if moved.is_err() {
        // A disk that is full needs its room; the first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_again_by_its_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_of(directory.path(), &[0xab; 32]);
        assert_eq!(load(&path), None);
        for answer in [&b"one"[..], b"another"] {
            save(&path, answer).unwrap();
            assert_eq!(load(&path).as_deref(), Some(answer));
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft stays");
        assert_eq!(load(&path_of(directory.path(), &[0xac; 32])), None);
    }
}
