//! The keys of last time on the disk, so that a start while the issuer is out of reach can check tokens at once.
//!
//! They are public, but who can change them can forge tokens: `state_dir` must be writable by botgate's user alone.

use std::fs::{self, File};
use std::io::{self, Read, Write};
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
    fs::create_dir_all(directory)?;
    // A process that takes over may write at the same time.
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = File::create(&draft)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(directory)?.sync_all()
}
