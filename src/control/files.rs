//! The file watch: how changes of the config's files are noticed.

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use super::outside::Watch;
use crate::config::FileWatcher;

/// The loop's side of a watch that runs in a task of its own: a watch waits for writers to come to rest, and the loop,
/// which turns many times a second, would never let it.
pub(super) struct Files {
    notices: mpsc::Receiver<()>,
    wanted: watch::Sender<Vec<PathBuf>>,
}

impl Files {
    /// Starts the task.
    pub(super) fn follow(watch: Box<dyn Watch>, files: Vec<PathBuf>) -> Self {
        // One slot: a notice that was not read yet stands for all that come after it.
        let (notify, notices) = mpsc::channel(1);
        let (wanted, mut seen) = watch::channel(files);
        seen.mark_changed();
        tokio::spawn(follow(watch, seen, notify));
        Self { notices, wanted }
    }

    /// Waits until a file changed. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        if self.notices.recv().await.is_none() {
            // The task is gone: there is nothing left to wait for.
            std::future::pending().await
        }
    }

    /// Watches these files from now on.
    pub(super) fn set_files(&self, files: &[PathBuf]) {
        self.wanted.send_replace(files.to_vec());
    }

    /// Watches these files as well, until they are set anew.
    pub(super) fn also(&self, files: &[PathBuf]) {
        self.wanted.send_if_modified(|wanted| {
            let known = wanted.len();
            wanted.extend_from_slice(files);
            wanted.sort_unstable();
            wanted.dedup();
            wanted.len() != known
        });
    }
}

async fn follow(mut watch: Box<dyn Watch>, mut wanted: watch::Receiver<Vec<PathBuf>>, notify: mpsc::Sender<()>) {
    loop {
        tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    return;
                }
                let files = wanted.borrow_and_update().clone();
                // Looks at the files: on a thread where a file system that hangs holds nothing up.
                let set = tokio::task::spawn_blocking(move || {
                    watch.set_files(&files);
                    watch
                });
                let Ok(back) = set.await else { return };
                watch = back;
            }
            () = watch.changed() => {
                // Full: a reload is already asked for.
                let _ = notify.try_send(());
            }
        }
    }
}

impl Watch for FileWatcher {
    fn changed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let files = FileWatcher::changed(self).await;
            tracing::info!(?files, "files of the config changed");
        })
    }

    fn set_files(&mut self, files: &[PathBuf]) {
        if let Err(error) = FileWatcher::set_files(self, files.to_vec()) {
            tracing::warn!("{error}; reload by SIGHUP or `botgate reload` after a change there");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_change_is_noticed_however_often_its_waiter_is_interrupted() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("botgate.toml");
        std::fs::write(&file, "one").unwrap();
        let watcher = FileWatcher::new([file.clone()]).unwrap();
        let mut files = Files::follow(Box::new(watcher), vec![file.clone()]);
        std::fs::write(&file, "two").unwrap();
        let noticed = async {
            // As the control loop does: it starts to wait anew at every turn.
            while tokio::time::timeout(Duration::from_millis(5), files.changed()).await.is_err() {}
        };
        tokio::time::timeout(Duration::from_secs(20), noticed).await.unwrap();
    }
}
