//! Activities as they are answered, for whoever watches just now. Costs a request one load while nobody does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use tokio::sync::broadcast;

use crate::model::ActivityView;

/// Activities that a slow watcher may lag behind.
const BACKLOG: usize = 1024;

/// Where workers tell of activities; a clone is another handle on it.
#[derive(Clone, Debug)]
pub struct ActivityTap(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    watchers: AtomicUsize,
    text: AtomicBool,
    /// From the first watcher on: its room is 80 KiB.
    sender: OnceLock<broadcast::Sender<ActivityView>>,
}

/// One watcher. Dropped, it watches no more.
#[derive(Debug)]
pub struct Watching {
    tap: ActivityTap,
    receiver: broadcast::Receiver<ActivityView>,
}

impl ActivityTap {
    /// A tap that nobody watches yet; `text` is whether it tells what was said.
    pub fn new(text: bool) -> Self {
        Self(Arc::new(Shared { watchers: AtomicUsize::new(0), text: AtomicBool::new(text), sender: OnceLock::new() }))
    }

    /// Watches from now on.
    pub fn watch(&self) -> Watching {
        let receiver = self.0.sender.get_or_init(|| broadcast::Sender::new(BACKLOG)).subscribe();
        self.0.watchers.fetch_add(1, Relaxed);
        Watching { tap: self.clone(), receiver }
    }

    /// Whether anyone watches.
    pub fn is_watched(&self) -> bool {
        self.0.watchers.load(Relaxed) > 0
    }

    /// Whether what was said is told.
    pub fn tells_text(&self) -> bool {
        self.0.text.load(Relaxed)
    }

    /// Tells what was said from now on, or no more.
    pub fn tell_text(&self, tell: bool) {
        self.0.text.store(tell, Relaxed);
    }

    /// Tells of an activity. Never waits: the oldest is lost to a watcher who lags behind.
    pub fn tell(&self, activity: ActivityView) {
        if let Some(sender) = self.0.sender.get() {
            let _ = sender.send(activity);
        }
    }
}

impl Watching {
    /// The next activity. Cancel-safe.
    ///
    /// # Errors
    /// `Lagged`: so many were lost. It does not close while this tap is there.
    pub async fn next(&mut self) -> Result<ActivityView, broadcast::error::RecvError> {
        self.receiver.recv().await
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.tap.0.watchers.fetch_sub(1, Relaxed);
    }
}
