//! Notices when a file of the config changes. The `notify` crate is named only here.
//!
//! Directories are watched, not files: editors write a new file and rename it over the old, and Kubernetes swaps a
//! symbolic link beside it; both end a watch on the file itself. What then counts is the content: a touch, or another file
//! of the directory, is no change.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long the files must be quiet before they are looked at: writers often write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// How long writers that never rest can put that off.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the files are looked at without any notice: network file systems give none.
const POLL: Duration = Duration::from_secs(30);

/// Why files cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("cannot watch {} for changes: {source}", path.display())]
pub struct WatchError {
    path: PathBuf,
    source: notify::Error,
}

/// Watches a set of files by their content.
pub struct FileWatcher {
    watcher: RecommendedWatcher,
    notices: mpsc::Receiver<()>,
    directories: BTreeSet<PathBuf>,
    known: BTreeMap<PathBuf, Fingerprint>,
    /// A notice came that was not acted on yet; kept here so that a dropped `changed` loses nothing.
    pending: bool,
}

impl FileWatcher {
    /// Watches these files; what they hold now is the state that changes are told from.
    ///
    /// # Errors
    /// [`WatchError`], when a directory cannot be watched.
    pub fn new(files: impl IntoIterator<Item = PathBuf>) -> Result<Self, WatchError> {
        // One slot: a notice says only that it is time to look, so the second before that look says nothing new.
        let (notify, notices) = mpsc::channel(1);
        let tell = move |event: notify::Result<notify::Event>| {
            if may_change(&event) {
                // Full means that the next look is due anyway.
                let _ = notify.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(tell);
        let watcher = watcher.map_err(|source| WatchError { path: PathBuf::new(), source })?;
        let (directories, known) = Default::default();
        let mut new = Self { watcher, notices, directories, known, pending: false };
        new.set_files(files)?;
        Ok(new)
    }

    /// Watches these files instead. Files that were watched before keep the state that changes are told from, so a
    /// change made meanwhile is not lost.
    ///
    /// # Errors
    /// [`WatchError`], when a directory cannot be watched; all the others are.
    pub fn set_files(&mut self, files: impl IntoIterator<Item = PathBuf>) -> Result<(), WatchError> {
        let mut known = BTreeMap::new();
        let mut wanted = BTreeSet::new();
        for file in files {
            wanted.extend(directories(&file));
            let fingerprint = self.known.get(&file).copied().unwrap_or_else(|| Fingerprint::of(&file));
            known.insert(file, fingerprint);
        }
        self.known = known;
        for gone in self.directories.difference(&wanted) {
            // It may be gone from the disk as well: then there is nothing left to unwatch.
            drop(self.watcher.unwatch(gone));
        }
        self.directories.retain(|directory| wanted.contains(directory));
        let mut result = Ok(());
        for path in wanted {
            if self.directories.contains(&path) {
                continue;
            }
            match self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.directories.insert(path)),
                Err(source) => result = Err(WatchError { path, source }),
            }
        }
        result
    }

    /// Waits until the content of a file changed, appeared or vanished, and is quiet; returns the files. Dropping the
    /// future loses no change.
    pub async fn changed(&mut self) -> Vec<PathBuf> {
        loop {
            if !self.pending {
                // Closed is impossible while the watcher lives; were it to happen, polling goes on.
                drop(timeout(POLL, self.notices.recv()).await);
                self.pending = true;
            }
            drop(timeout(PATIENCE, self.quiet()).await);
            let files: Vec<PathBuf> = self.known.keys().cloned().collect();
            let look = move || files.into_iter().map(|file| (Fingerprint::of(&file), file)).collect::<Vec<_>>();
            let Ok(seen) = tokio::task::spawn_blocking(look).await else {
                // The runtime is shutting down: there is nobody left to tell.
                return std::future::pending().await;
            };
            self.pending = false;
            let mut changed = Vec::new();
            for (fingerprint, file) in seen {
                if self.known.insert(file.clone(), fingerprint) != Some(fingerprint) {
                    changed.push(file);
                }
            }
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    /// Waits until no notice has come for a while.
    async fn quiet(&mut self) {
        while let Ok(Some(())) = timeout(QUIET, self.notices.recv()).await {}
    }
}

/// Whether an event can have changed a file. Looking at files opens them: were that an event that counts, every look
/// would call for the next. An error (a full queue) may hide a change.
fn may_change(event: &notify::Result<notify::Event>) -> bool {
    match event {
        Ok(event) => !event.kind.is_access() || event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write)),
        Err(_) => true,
    }
}

/// The directory of a file, and, where the file is a link, that of what it points to.
fn directories(file: &Path) -> impl Iterator<Item = PathBuf> {
    let parent = |file: &Path| {
        let parent = file.parent().unwrap_or(Path::new(""));
        if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() }
    };
    let target = file.canonicalize().ok().map(|target| parent(&target));
    std::iter::once(parent(file)).chain(target)
}

/// What a file holds, for comparison only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fingerprint {
    Unreadable,
    Content { bytes: usize, hash: u64 },
}

impl Fingerprint {
    fn of(file: &Path) -> Self {
        let Ok(content) = std::fs::read(file) else { return Self::Unreadable };
        let mut hasher = DefaultHasher::new();
        hasher.write(&content);
        Self::Content { bytes: content.len(), hash: hasher.finish() }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Longer than any wait that should end; a test that meets it fails.
    const LONG: Duration = Duration::from_secs(20);

    async fn next(watcher: &mut FileWatcher) -> Vec<PathBuf> {
        timeout(LONG, watcher.changed()).await.unwrap()
    }

    #[tokio::test]
    async fn writing_in_place_and_renaming_over_are_seen_but_neighbours_and_touches_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let (file, other) = (directory.path().join("a.toml"), directory.path().join("b.toml"));
        fs::write(&file, "1").unwrap();
        let mut watcher = FileWatcher::new([file.clone()]).unwrap();

        fs::write(&other, "x").unwrap();
        fs::write(&file, "1").unwrap();
        assert!(timeout(QUIET * 3, watcher.changed()).await.is_err(), "nothing changed");

        fs::write(&file, "2").unwrap();
        assert_eq!(next(&mut watcher).await, std::slice::from_ref(&file));

        fs::write(&other, "3").unwrap();
        fs::rename(&other, &file).unwrap();
        assert_eq!(next(&mut watcher).await, std::slice::from_ref(&file));

        fs::remove_file(&file).unwrap();
        assert_eq!(next(&mut watcher).await, std::slice::from_ref(&file));
        fs::write(&file, "3").unwrap();
        assert_eq!(next(&mut watcher).await, [file]);
    }

    #[tokio::test]
    async fn looking_at_the_files_does_not_call_for_another_look() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a");
        fs::write(&file, "1").unwrap();
        let mut watcher = FileWatcher::new([file.clone()]).unwrap();
        assert!(matches!(Fingerprint::of(&file), Fingerprint::Content { bytes: 1, .. }));
        assert!(timeout(QUIET, watcher.notices.recv()).await.is_err());
        fs::write(&file, "2").unwrap();
        assert!(timeout(LONG, watcher.notices.recv()).await.is_ok());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_swapped_link_to_a_directory_is_seen() {
        // As Kubernetes does it: botgate.toml → ..data/botgate.toml, and ..data is renamed over.
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (version, content) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("botgate.toml"), content).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/botgate.toml", at("botgate.toml")).unwrap();
        let mut watcher = FileWatcher::new([at("botgate.toml")]).unwrap();
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert_eq!(next(&mut watcher).await, [at("botgate.toml")]);
    }

    #[tokio::test]
    async fn a_change_made_while_the_files_are_set_anew_is_not_lost() {
        let directory = tempfile::tempdir().unwrap();
        let (file, other) = (directory.path().join("a"), directory.path().join("b"));
        fs::write(&file, "1").unwrap();
        let mut watcher = FileWatcher::new([file.clone()]).unwrap();
        fs::write(&file, "2").unwrap();
        watcher.set_files([file.clone(), other.clone()]).unwrap();
        assert_eq!(next(&mut watcher).await, [file]);
        fs::write(&other, "new").unwrap();
        assert_eq!(next(&mut watcher).await, [other]);
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_an_error_that_names_it() {
        let error = FileWatcher::new([PathBuf::from("/nonexistent/x.toml")]).err().unwrap();
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }
}
