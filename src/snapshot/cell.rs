//! The one swap cell between control and the workers.

use std::rc::Rc;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};
use tokio::sync::watch;

use super::Snapshot;

/// Holds the snapshot that serves now. Control is the only writer; readers never take a lock and never wait for it.
#[derive(Debug)]
pub struct SnapshotCell {
    current: ArcSwap<Snapshot>,
    generation: watch::Sender<u64>,
}

impl SnapshotCell {
    /// A cell that serves `first`.
    pub fn new(first: Snapshot) -> Arc<Self> {
        let generation = watch::Sender::new(first.generation);
        Arc::new(Self { current: ArcSwap::from_pointee(first), generation })
    }

    /// Swaps in the next snapshot and tells every [`SnapshotReader::changed`]. Only control calls this.
    pub fn publish(&self, next: Snapshot) {
        let generation = next.generation;
        self.current.store(Arc::new(next));
        self.generation.send_replace(generation);
    }

    /// The snapshot that serves now, for use off the request path.
    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// A reader for one worker.
    pub fn reader(self: &Arc<Self>) -> SnapshotReader {
        let view = Rc::new(self.load());
        SnapshotReader { cache: Cache::new(SharedCell(self.clone())), view }
    }

    /// Tells of each publication; a slow receiver sees only the last.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }
}

#[derive(Clone, Debug)]
struct SharedCell(Arc<SnapshotCell>);

impl std::ops::Deref for SharedCell {
    type Target = ArcSwap<Snapshot>;

    fn deref(&self) -> &Self::Target {
        &self.0.current
    }
}

/// A snapshot as one worker's requests hold it: cloned for each of them without touching what workers share.
pub type View = Rc<Arc<Snapshot>>;

/// One worker's way to the snapshot: a load is one comparison while nothing changed.
#[derive(Debug)]
pub struct SnapshotReader {
    cache: Cache<SharedCell, Arc<Snapshot>>,
    view: View,
}

impl SnapshotReader {
    /// The snapshot that serves now.
    pub fn load(&mut self) -> View {
        let now = self.cache.load();
        if !Arc::ptr_eq(now, &self.view) {
            self.view = Rc::new(now.clone());
        }
        self.view.clone()
    }
}
