//! Which parts of a connection can go on: one task drives them all, and polls only those that were woken.

use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The parts that were woken since they were last taken, each once.
///
/// While the connection's task runs, a wake is a line in this queue; the task itself is woken only while it sleeps. All of it
/// happens on one thread, but for wakers that went elsewhere: hence the lock, which nobody waits for.
#[derive(Debug, Default)]
pub(super) struct Ready(Mutex<Woken>);

#[derive(Debug, Default)]
struct Woken {
    parts: Vec<u32>,
    task: Option<Waker>,
    asleep: bool,
}

/// One part of a connection, as those see it who may wake it.
#[derive(Debug)]
pub(super) struct Part {
    ready: Arc<Ready>,
    number: u32,
    /// Whether it is in the queue already.
    queued: AtomicBool,
}

/// A part, and the waker that wakes it.
#[derive(Debug)]
pub(super) struct Handle {
    part: Arc<Part>,
    pub(super) waker: Waker,
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, Woken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what was woken into `parts`, which is empty; the task is awake.
    pub(super) fn take(&self, parts: &mut Vec<u32>) {
        let mut woken = self.lock();
        woken.asleep = false;
        std::mem::swap(&mut woken.parts, parts);
    }

    /// From now on a wake wakes `task`. False when a part was woken before.
    pub(super) fn sleep(&self, task: &Waker) -> bool {
        let mut woken = self.lock();
        woken.asleep = woken.parts.is_empty();
        if !woken.task.as_ref().is_some_and(|before| before.will_wake(task)) {
            woken.task = Some(task.clone());
        }
        woken.asleep
    }

    fn wake(&self, part: u32) {
        let mut woken = self.lock();
        woken.parts.push(part);
        if std::mem::take(&mut woken.asleep)
            && let Some(task) = &woken.task
        {
            task.wake_by_ref();
        }
    }
}

impl Wake for Part {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, AcqRel) {
            self.ready.wake(self.number);
        }
    }
}

impl Handle {
    /// A part with this number.
    pub(super) fn new(ready: &Arc<Ready>, number: u32) -> Self {
        let part = Arc::new(Part { ready: ready.clone(), number, queued: AtomicBool::new(false) });
        Self { waker: Waker::from(part.clone()), part }
    }

    /// It is polled now: who wakes it from here on wakes it again.
    pub(super) fn polled(&self) {
        self.part.queued.store(false, Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[derive(Default)]
    struct Task(AtomicU32);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn taken(ready: &Ready) -> Vec<u32> {
        let mut parts = Vec::new();
        ready.take(&mut parts);
        parts
    }

    #[test]
    fn a_part_is_there_once_however_often_it_is_woken_and_again_once_it_was_polled() {
        let ready = Arc::new(Ready::default());
        let (one, two) = (Handle::new(&ready, 1), Handle::new(&ready, 2));
        for handle in [&two, &one, &two] {
            handle.waker.wake_by_ref();
        }
        assert_eq!(taken(&ready), [2, 1]);
        two.waker.wake_by_ref();
        assert!(taken(&ready).is_empty(), "it has not been polled since");
        two.polled();
        two.waker.wake_by_ref();
        assert_eq!(taken(&ready), [2]);
    }

    #[test]
    fn the_task_is_woken_once_and_only_while_it_sleeps() {
        let (ready, task) = (Arc::new(Ready::default()), Arc::new(Task::default()));
        let waker = Waker::from(task.clone());
        let (one, two) = (Handle::new(&ready, 1), Handle::new(&ready, 2));
        one.waker.wake_by_ref();
        assert!(!ready.sleep(&waker), "something is to be done");
        assert_eq!((task.0.load(Relaxed), taken(&ready)), (0, vec![1]));
        assert!(ready.sleep(&waker));
        one.polled();
        one.waker.wake_by_ref();
        two.waker.wake_by_ref();
        assert_eq!((task.0.load(Relaxed), taken(&ready)), (1, vec![1, 2]));
    }
}
