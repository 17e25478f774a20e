//! Signs of life of the threads that serve: each writes the time at which it last came round, anyone may read how long
//! ago that was. A thread that hangs cannot say so itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::stats::{PerWorker, WorkerId};
use crate::model::{Clock, Moment};

/// How often a thread that lives beats.
pub const BEAT: Duration = Duration::from_secs(1);
/// A thread that has not beaten for so long is stuck: far more than a busy machine delays it, far less than a client waits.
pub const STUCK_AFTER: Duration = Duration::from_secs(5);

/// A watch that has not been kept for longer than this was held up itself, and nobody beats while the process is stopped.
const HELD_UP_AFTER: Duration = Duration::from_secs(2);

/// A thread that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// A worker: its share of the clients.
    Worker(WorkerId),
    /// Control: probes, decisions, orders, reloads.
    Control,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Worker(WorkerId(id)) => write!(f, "w{id}"),
            Self::Control => f.write_str("control"),
        }
    }
}

/// What a thread's heart says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It goes on.
    Well,
    /// It has not come round for so long.
    Stuck(Duration),
    /// It ended, and nothing takes its place.
    Dead,
}

#[derive(Debug, Default)]
struct Heart {
    /// Milliseconds of watched time to the last beat.
    at: AtomicU64,
    dead: AtomicBool,
    /// How often another thread took the place of one that had died.
    replaced: AtomicU64,
}

/// Time as who looks after the threads sees it. It goes on only while they do: a process that was stopped, or a machine
/// that slept, is no thread that is stuck.
#[derive(Clone, Copy, Debug)]
struct Watched {
    /// When the watch was last kept.
    last: Moment,
    /// How long it was held up, in all.
    held_up: Duration,
}

impl Watched {
    /// Watched time at this moment.
    fn at(&self, now: Moment) -> Moment {
        let since = now.since(self.last).min(HELD_UP_AFTER);
        Moment::from_origin((self.last + since).since_origin().saturating_sub(self.held_up))
    }

    fn keep(&mut self, now: Moment) {
        self.held_up += now.since(self.last).saturating_sub(HELD_UP_AFTER);
        self.last = now;
    }
}

/// The hearts of all threads that serve.
#[derive(Debug)]
pub struct Heartbeats {
    clock: Clock,
    /// Asked for once a second by each thread, and when somebody wants to know: nothing waits for it.
    watched: Mutex<Watched>,
    workers: PerWorker<Heart>,
    control: Heart,
}

impl Heartbeats {
    /// Hearts for so many workers and control, all of which have just beaten.
    pub fn new(workers: usize, clock: Clock) -> Arc<Self> {
        let watched = Mutex::new(Watched { last: clock.now(), held_up: Duration::ZERO });
        let new = Self { clock, watched, workers: PerWorker::new(workers), control: Heart::default() };
        new.parts().for_each(|part| new.beat(part));
        Arc::new(new)
    }

    /// Every thread that has a heart.
    pub fn parts(&self) -> impl Iterator<Item = Part> + use<> {
        (0..self.workers.workers()).map(|id| Part::Worker(WorkerId(id))).chain([Part::Control])
    }

    /// It has come round. Only that thread calls this.
    pub fn beat(&self, part: Part) {
        self.heart(part).at.store(millis(self.now()), Relaxed);
    }

    /// Somebody looks after the threads; to be called every [`BEAT`]. Time goes on for them only while this is done.
    pub fn keep_watch(&self) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).keep(self.clock.now());
    }

    /// It ended, and nothing takes its place.
    pub fn died(&self, part: Part) {
        self.heart(part).dead.store(true, Relaxed);
    }

    /// Another thread takes the place of one that died: it has all its time to begin.
    pub fn replaced(&self, part: Part) {
        self.beat(part);
        self.heart(part).replaced.fetch_add(1, Relaxed);
    }

    /// How often another thread took its place.
    pub fn replacements(&self, part: Part) -> u64 {
        self.heart(part).replaced.load(Relaxed)
    }

    /// Since its last beat, as far as it was watched.
    pub fn age(&self, part: Part) -> Duration {
        let at = Moment::from_origin(Duration::from_millis(self.heart(part).at.load(Relaxed)));
        self.now().since(at)
    }

    fn now(&self) -> Moment {
        let watched = *self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.at(self.clock.now())
    }

    /// How it is.
    pub fn condition(&self, part: Part) -> Condition {
        match self.age(part) {
            _ if self.heart(part).dead.load(Relaxed) => Condition::Dead,
            age if age >= STUCK_AFTER => Condition::Stuck(age),
            _ => Condition::Well,
        }
    }

    /// What is wrong with the threads that serve, what it means and what helps, a sentence each; empty while all is well.
    pub fn trouble(&self) -> Vec<String> {
        self.parts().filter_map(|part| tell(part, self.condition(part))).collect()
    }

    /// Whether any worker is well.
    pub fn serve(&self) -> bool {
        self.parts().any(|part| part != Part::Control && self.condition(part) == Condition::Well)
    }

    fn heart(&self, part: Part) -> &Heart {
        match part {
            Part::Worker(id) => self.workers.of(id),
            Part::Control => &self.control,
        }
    }
}

/// What is wrong with a thread; none when nothing is.
fn tell(part: Part, condition: Condition) -> Option<String> {
    let stuck = |for_: Duration| format!("has been stuck for {} s", for_.as_secs());
    let what = match condition {
        Condition::Well => return None,
        Condition::Stuck(age) => stuck(age),
        Condition::Dead => "died again and again, and is not replaced any more".to_owned(),
    };
    Some(match (part, condition) {
        (Part::Worker(WorkerId(id)), Condition::Dead) => {
            format!("worker {id} {what}: the others serve on, with less room; the log says why; restart botgate")
        }
        (Part::Worker(WorkerId(id)), _) => {
            format!("worker {id} {what}: its clients wait, new ones go to the others; restart botgate if it stays so")
        }
        (Part::Control, Condition::Dead) => {
            "control died: traffic goes on as it was, but nothing is probed, decided or \
             reloaded; the log says why; restart botgate"
                .to_owned()
        }
        (Part::Control, _) => format!(
            "control {what}: traffic goes on as it was, but nothing is probed, decided or reloaded; restart botgate if \
             it stays so"
        ),
    })
}

fn millis(at: Moment) -> u64 {
    at.since_origin().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const W1: Part = Part::Worker(WorkerId(1));

    #[test]
    fn who_beats_is_well_and_who_died_is_told_of() {
        let hearts = Heartbeats::new(2, Clock::start());
        assert_eq!(hearts.parts().map(|part| part.to_string()).collect::<Vec<_>>(), ["w0", "w1", "control"]);
        assert!(hearts.trouble().is_empty(), "{:?}", hearts.trouble());
        hearts.died(W1);
        assert_eq!(hearts.condition(W1), Condition::Dead);
        let trouble = hearts.trouble();
        assert!(trouble.len() == 1 && trouble[0].starts_with("worker 1 died"), "{trouble:?}");
        hearts.died(Part::Control);
        assert!(hearts.trouble()[1].contains("traffic goes on"), "{:?}", hearts.trouble());
    }

    #[test]
    fn a_process_that_was_stopped_has_no_stuck_threads() {
        let second = Duration::from_secs(1);
        let at = |seconds: u32| Moment::from_origin(second * seconds);
        let mut watched = Watched { last: at(10), held_up: Duration::ZERO };
        assert_eq!(watched.at(at(11)), at(11));
        // Stopped for a minute: whoever asks first, and whether or not the watch has been kept again, little time has gone.
        assert_eq!(watched.at(at(70)), at(12));
        watched.keep(at(70));
        assert_eq!((watched.at(at(70)), watched.at(at(71))), (at(12), at(13)));
        // With the watch kept, all of it counts.
        for now in 71..80 {
            watched.keep(at(now));
        }
        assert_eq!(watched.at(at(80)), at(22));
    }

    #[test]
    fn a_thread_that_does_not_come_round_is_stuck_until_it_does() {
        let hearts = Heartbeats::new(2, Clock::start_ago(STUCK_AFTER * 2));
        hearts.heart(W1).at.store(0, Relaxed);
        assert!(matches!(hearts.condition(W1), Condition::Stuck(age) if age >= STUCK_AFTER));
        assert!(hearts.trouble()[0].contains("worker 1 has been stuck for 10 s"), "{:?}", hearts.trouble());
        hearts.beat(W1);
        assert_eq!(hearts.condition(W1), Condition::Well);
    }
}
