//! The keys of last time on the disk, so that a start while the issuer is out of reach can check tokens at once.
//!
//! They are public, but who can change them can forge tokens: `state_dir` must be writable by botgate's user alone.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::KeySourceConfig;
use crate::model::Utc;

/// The layout of the file.
const VERSION: u32 = 1;
/// Largest file that is read: twice what is fetched at most, for its quotes.
const LARGEST: u64 = 4 << 20;

/// What is kept of a good fetch.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    version: u32,
    /// Where it was fetched: another place's keys are of no use, whatever the file is called.
    metadata: String,
    pub(super) fetched: Utc,
    /// The set as it was published.
    pub(super) jwks: String,
}

impl Kept {
    pub(super) fn new(source: &KeySourceConfig, fetched: Utc, jwks: String) -> Self {
        Self { version: VERSION, metadata: source.to_string(), fetched, jwks }
    }
}

/// Where the keys of a place are kept.
pub(super) fn path_of(directory: &Path, source: &KeySourceConfig) -> PathBuf {
    let text = source.to_string();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
    // File names end at 255 bytes; two long ones that meet there only take the place from each other.
    let name: String = text.chars().map(plain).take(200).collect();
    directory.join("keys").join(format!("{name}.json"))
}

/// What was kept of this place; none when nothing was.
///
/// # Errors
/// Why the file cannot be used, which is then as good as none.
pub(super) fn load(path: &Path, source: &KeySourceConfig) -> Result<Option<Kept>, String> {
    // A pipe or a device would be waited for.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err("it is no file".to_owned());
    }
    let text = match File::open(path) {
        Ok(file) => {
            let mut text = String::new();
            file.take(LARGEST).read_to_string(&mut text).map_err(|error| error.to_string())?;
            text
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let kept: Kept = serde_json::from_str(&text).map_err(|error| format!("it is damaged: {error}"))?;
    if kept.version != VERSION || kept.metadata != source.to_string() {
        return Err("it holds the keys of another place, or was written by another version".to_owned());
    }
    Ok(Some(kept))
}

/// Keeps keys: after a power cut the file is either the old one or the new one.
///
/// # Errors
/// Of the file system.
pub(super) fn save(path: &Path, kept: &Kept) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    // A process that takes over may write at the same time.
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let moved = write(&draft, &serde_json::to_vec(kept)?).and_then(|()| fs::rename(&draft, path));
    if moved.is_err() {
        // A disk that is full needs its room; and if this fails too, the first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    moved?;
    File::open(directory)?.sync_all()
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn source(issuer: &str) -> KeySourceConfig {
        let text = format!(
            "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n[[route]]\npool = \"p\"\n[route.guard]\napp_ids = [\"app\"]\n\
             metadata = \"https://{issuer}/v1/metadata\"\n[[pool]]\nname = \"p\"\n[[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n"
        );
        let mut config = crate::config::parse("botgate.toml", &text, "".as_ref(), &|_| None).unwrap().config;
        config.routes.remove(0).guard.unwrap().tokens.unwrap().channel.keys
    }

    #[test]
    fn keys_are_found_again_by_the_place_they_came_from() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (source("one.test"), source("two.test"));
        let path = path_of(&directory.path().join("state"), &one);
        assert_ne!(path, path_of(&directory.path().join("state"), &two));
        assert_eq!(load(&path, &one), Ok(None));
        for jwks in ["{\"keys\":[]}", "another \"set\""] {
            let kept = Kept::new(&one, Utc::from_millis(1_795_324_786_250), jwks.to_owned());
            save(&path, &kept).unwrap();
            assert_eq!(load(&path, &one), Ok(Some(kept)));
        }
        assert!(load(&path, &two).unwrap_err().contains("another place"));
        for made in path.ancestors().skip(1).take(2) {
            let mode = fs::metadata(made).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "who can write there can forge tokens");
        }
        let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "no draft stays");
    }

    #[test]
    fn a_file_that_was_cut_short_or_is_something_else_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let one = source("one.test");
        let path = path_of(directory.path(), &one);
        save(&path, &Kept::new(&one, Utc::from_millis(0), "{}".to_owned())).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(load(&path, &one).is_err(), "{length} bytes");
        }
        fs::remove_file(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success() && load(&path, &one).is_err(), "and nobody writes into it");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(load(&path, &one).is_err());
        assert!(save(&path, &Kept::new(&one, Utc::from_millis(0), "{}".to_owned())).is_err());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft stays");
    }
}
