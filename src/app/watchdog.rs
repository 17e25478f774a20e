//! Looks after the threads: tells the log when one gets stuck or comes round, sends clients past a stuck worker, and tells
//! the service manager that the process is alive.

use std::collections::HashSet;
use std::sync::Arc;

use super::memory;
use super::notify::Notify;
use crate::server::Running;
use crate::telemetry::{Condition, Heartbeats, Part};

/// What the watchdog has seen.
pub(super) struct Watchdog {
    hearts: Arc<Heartbeats>,
    notify: Notify,
    stuck: HashSet<Part>,
}

impl Watchdog {
    pub(super) fn new(hearts: Arc<Heartbeats>, notify: Notify) -> Self {
        Self { hearts, notify, stuck: HashSet::new() }
    }

    /// One look; to be repeated every second.
    pub(super) fn look(&mut self, running: &mut Running) {
        self.hearts.keep_watch();
        memory::give_back();
        // What is told below has been acted upon: one that gets stuck in between is told of in a second.
        let conditions: Vec<_> = self.hearts.parts().map(|part| (part, self.hearts.condition(part))).collect();
        running.bypass_the_stuck();
        for (part, condition) in conditions {
            match condition {
                Condition::Stuck(age) if self.stuck.insert(part) => {
                    tracing::error!(thread = %part, ?age, "a thread is stuck: {}", self.hearts.trouble().join("; "));
                }
                Condition::Well if self.stuck.remove(&part) => {
                    tracing::warn!(thread = %part, "a thread that was stuck goes on");
                }
                _ => {}
            }
        }
        // With nobody to serve, a restart is the cure: without this word for `WatchdogSec`, systemd makes it.
        if self.hearts.serve() {
            self.notify.say("WATCHDOG=1");
        }
    }
}
