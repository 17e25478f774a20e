//! Panics, wherever in the process they happen: each is counted, and told in the log in one line.
//!
//! What a panic ends is contained by others: a request's by the edge of the server, a task's by its runtime, a worker's by
//! the server, which starts another. None of them sees all of them; the hook does.

use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many threads have panicked, by what they do.
#[derive(Debug, Default)]
pub struct Panics {
    workers: AtomicU64,
    control: AtomicU64,
    others: AtomicU64,
}

impl Panics {
    /// Counts every panic from now on, and tells of it through the log instead of on standard error.
    pub fn watch() -> Arc<Self> {
        let panics = Arc::new(Self::default());
        let counts = panics.clone();
        std::panic::set_hook(Box::new(move |info| counts.panicked(info)));
        panics
    }

    fn panicked(&self, info: &PanicHookInfo<'_>) {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        self.count(thread).fetch_add(1, Relaxed);
        let said = info.payload_as_str().unwrap_or("without a message");
        let at = info.location().map(ToString::to_string).unwrap_or_default();
        let trace = std::backtrace::Backtrace::capture();
        let trace = match trace.status() {
            std::backtrace::BacktraceStatus::Captured => format!("\n{trace}"),
            _ => String::new(),
        };
        tracing::error!(
            thread,
            at,
            "panicked: {said}: this is a bug of botgate, tell us; what else is under way goes on{trace}"
        );
    }

    fn count(&self, thread: &str) -> &AtomicU64 {
        match thread {
            thread if thread.starts_with("botgate-w") => &self.workers,
            "botgate-control" => &self.control,
            _ => &self.others,
        }
    }

    /// The counts, by where.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        [("worker", &self.workers), ("control", &self.control), ("other", &self.others)]
            .map(|(place, count)| (place, count.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_counted_by_what_its_thread_does() {
        let panics = Panics::default();
        for thread in ["botgate-w0", "botgate-w11", "botgate-control", "botgate-admin", "unnamed"] {
            panics.count(thread).fetch_add(1, Relaxed);
        }
        assert_eq!(panics.counts(), [("worker", 2), ("control", 1), ("other", 2)]);
    }
}
