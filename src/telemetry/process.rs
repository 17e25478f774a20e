//! What the process as a whole says at a scrape: its threads' hearts, its panics, what it holds of the machine.

use std::sync::Arc;

use metrics::{KeyName, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::export::{Scrape, label};
use super::heartbeats::{Condition, Heartbeats};
use super::logs::Unlogged;
use super::panics::Panics;

/// What is asked of the process at a scrape.
#[derive(Clone, Debug)]
pub struct ProcessSource {
    /// The hearts of its threads.
    pub hearts: Arc<Heartbeats>,
    /// Its panics.
    pub panics: Arc<Panics>,
    /// Lines that the log dropped because whoever reads it does not.
    pub unlogged: Unlogged,
}

impl Scrape {
    pub(super) fn process(&self, process: &ProcessSource) {
        for part in process.hearts.parts() {
            let thread = || vec![label("thread", &part.to_string())];
            let well = process.hearts.condition(part) == Condition::Well;
            self.gauge("botgate_thread_well", thread(), f64::from(u8::from(well)));
            let age = process.hearts.age(part).as_secs_f64();
            self.gauge("botgate_thread_heartbeat_age_seconds", thread(), age);
            self.counter("botgate_thread_replacements_total", thread(), process.hearts.replacements(part));
        }
        for (place, count) in process.panics.counts() {
            self.counter("botgate_panics_total", vec![label("thread", place)], count);
        }
        self.counter("botgate_log_dropped_total", vec![], process.unlogged.count());
        let Holdings { descriptors, most_descriptors, resident } = Holdings::now();
        // Names of the Prometheus client libraries, which dashboards know.
        let holdings = [
            ("process_open_fds", descriptors),
            ("process_max_fds", most_descriptors),
            ("process_resident_memory_bytes", resident),
        ];
        for (name, value) in holdings {
            if let Some(value) = value {
                self.gauge(name, vec![], value as f64);
            }
        }
    }
}

/// Says what the metrics of the process mean.
pub(super) fn describe(recorder: &PrometheusRecorder) {
    for (name, help) in [
        ("botgate_panics_total", "Panics: bugs. What else was under way went on."),
        ("botgate_thread_replacements_total", "Threads that died and were replaced."),
        ("botgate_log_dropped_total", "Lines of the log on standard error that nobody read in time."),
    ] {
        recorder.describe_counter(KeyName::from(name), None, help.into());
    }
    for (name, help) in [
        ("botgate_thread_well", "1 while a thread that serves goes on, 0 when it is stuck or dead."),
        (
            "botgate_thread_heartbeat_age_seconds",
            "Since a thread that serves last came round: about 1 at most while it is well.",
        ),
        ("process_open_fds", "Open file descriptors."),
        ("process_max_fds", "Most file descriptors that may be open."),
        ("process_resident_memory_bytes", "Resident memory."),
    ] {
        recorder.describe_gauge(KeyName::from(name), None, help.into());
    }
}

/// What the process holds of the machine; none of what the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holdings {
    /// Open file descriptors.
    pub(super) descriptors: Option<u64>,
    /// The most that it may have: the soft limit (RLIMIT_NOFILE).
    pub(super) most_descriptors: Option<u64>,
    /// Resident memory, in bytes.
    pub(super) resident: Option<u64>,
}

impl Holdings {
    /// What it holds now.
    pub(super) fn now() -> Self {
        let read = |file: &str| std::fs::read_to_string(file).ok();
        // One of them is the directory that is being read.
        let descriptors = std::fs::read_dir("/proc/self/fd").ok().map(|all| (all.count() as u64).saturating_sub(1));
        Self {
            descriptors,
            most_descriptors: read("/proc/self/limits").and_then(|text| soft_limit(&text)),
            resident: read("/proc/self/status").and_then(|text| resident(&text)),
        }
    }
}

/// The soft limit of open files in `/proc/self/limits` (proc_pid_limits(5)); none where there is no limit.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Resident memory in `/proc/self/status` (proc_pid_status(5)), in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
impl ProcessSource {
    /// One of two workers, all well.
    pub(super) fn for_tests() -> Self {
        let hearts = Heartbeats::new(2, crate::model::Clock::start());
        Self { hearts, panics: Arc::default(), unlogged: Unlogged::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{ControlStats, ListenerStats, Part, WorkerId, render};

    #[test]
    fn a_scrape_tells_which_threads_are_well() {
        let process = ProcessSource::for_tests();
        process.hearts.died(Part::Worker(WorkerId(1)));
        let text = render(&process, &ListenerStats::new(2), &ControlStats::default(), &[], 0);
        let has = |line: &str| assert!(text.lines().any(|found| found == line), "no line {line:?} in:\n{text}");
        has("botgate_thread_well{thread=\"w0\"} 1");
        has("botgate_thread_well{thread=\"w1\"} 0");
        has("botgate_thread_well{thread=\"control\"} 1");
        has("botgate_panics_total{thread=\"worker\"} 0");
    }

    #[test]
    fn what_the_system_tells_is_read_and_what_it_does_not_is_none() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            20000                524288               files     \n";
        assert_eq!(soft_limit(limits), Some(20_000));
        assert_eq!(soft_limit("Max open files            unlimited            unlimited            files"), None);
        assert_eq!(resident("Name:\tbotgate\nVmRSS:\t    5120 kB\n"), Some(5_242_880));
        assert_eq!(resident(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_holds_something() {
        let now = Holdings::now();
        assert!(now.descriptors.is_some_and(|count| count > 2), "{now:?}");
        assert!(now.resident.is_some_and(|bytes| bytes > 1 << 20), "{now:?}");
    }
}
