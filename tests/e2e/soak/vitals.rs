//! What the gateway takes of the machine, second by second.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::support::Gateway;

/// At one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vitals {
    /// Resident memory in KiB.
    pub resident: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// A watch on a gateway.
pub struct Watch {
    taken: Arc<Mutex<Vec<Vitals>>>,
    task: JoinHandle<()>,
}

/// All that was seen.
pub struct History(Vec<Vitals>);

impl Vitals {
    /// Of this gateway, now.
    pub fn of(gateway: &Gateway) -> Self {
        Self::of_pid(gateway.process.pid())
    }

    fn of_pid(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        Self { resident, descriptors }
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB, {} descriptors", self.resident as f64 / 1024.0, self.descriptors)
    }
}

/// Looks every second.
pub fn watch(gateway: &Gateway) -> Watch {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let (pid, list) = (gateway.process.pid(), taken.clone());
    let task = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        loop {
            beat.tick().await;
            list.lock().unwrap().push(Vitals::of_pid(pid));
        }
    });
    Watch { taken, task }
}

impl Watch {
    /// The last look.
    pub fn last(&self) -> Vitals {
        self.taken.lock().unwrap().last().copied().unwrap_or_default()
    }

    /// Looks no more.
    pub async fn stop(self) -> History {
        self.task.abort();
        let _ = self.task.await;
        History(std::mem::take(&mut *self.taken.lock().unwrap()))
    }
}

impl History {
    /// The middle of the seconds between two shares of the run.
    fn middle(&self, from: f64, to: f64, of: impl Fn(&Vitals) -> u64) -> u64 {
        let at = |share: f64| (self.0.len() as f64 * share) as usize;
        let mut values: Vec<_> = self.0[at(from)..at(to)].iter().map(of).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "resident MiB and descriptors, the middle of each tenth of {} s:", self.0.len())?;
        for tenth in 0..10 {
            let (from, to) = (f64::from(tenth) / 10.0, f64::from(tenth + 1) / 10.0);
            let resident = self.middle(from, to, |vitals| vitals.resident) as f64 / 1024.0;
            write!(f, "  {resident:.1}/{}", self.middle(from, to, |vitals| vitals.descriptors as u64))?;
        }
        let most = self.0.iter().map(|vitals| vitals.resident).max().unwrap_or(0);
        write!(f, "\nat most {:.1} MiB", most as f64 / 1024.0)
    }
}
