//! What the gateway takes of the machine, second by second.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::support::Gateway;

/// Descriptors that the gateway may keep open when its clients have left: warm connections of both workers to both regions,
/// those of probes, what is in reserve.
pub const KEPT: usize = 24;

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

/// What lies at this share of the values, from the least to the most.
fn at_share(mut values: Vec<u64>, share: f64) -> u64 {
    values.sort_unstable();
    values.get((values.len() as f64 * share) as usize).copied().unwrap_or(0)
}

impl History {
    /// The part of the run between two shares of it.
    fn between(&self, from: f64, to: f64) -> &[Vitals] {
        let at = |share: f64| (self.0.len() as f64 * share) as usize;
        &self.0[at(from)..at(to)]
    }

    fn resident(&self, from: f64, to: f64, share: f64) -> u64 {
        at_share(self.between(from, to).iter().map(|vitals| vitals.resident).collect(), share)
    }

    fn descriptors(&self, from: f64, to: f64, share: f64) -> u64 {
        at_share(self.between(from, to).iter().map(|vitals| vitals.descriptors as u64).collect(), share)
    }

    /// After a warm-up of a third, the last third takes no more than the one before: 5 % for memory, and a tenth for
    /// descriptors. Compared are the quiet moments, a tenth of the seconds: what is resident in all others is who happened to
    /// be connected, and swings by more than a leak of three minutes. A leak is there in quiet moments too.
    fn growth(&self) -> Result<(), String> {
        let quiet = |from, to| self.resident(from, to, 0.1);
        let (before, after) = (quiet(0.33, 0.66), quiet(0.66, 1.0));
        if after * 100 > before * 105 {
            return Err(format!("resident memory grew from {before} to {after} KiB"));
        }
        let (before, after) = (self.descriptors(0.33, 0.66, 0.5), self.descriptors(0.66, 1.0, 0.5));
        if after * 10 > before * 11 { Err(format!("descriptors grew from {before} to {after}")) } else { Ok(()) }
    }

    /// Asserts that nothing grows.
    pub fn assert_flat(&self) {
        if let Err(growth) = self.growth() {
            panic!("{growth}\n{self}");
        }
    }

    /// Whether no more is resident than in quiet moments between the warm-up and the end, by 5 %: for when all have left.
    pub fn is_quiet(&self, now: Vitals) -> bool {
        now.resident * 100 <= self.resident(0.33, 1.0, 0.1) * 105
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "resident MiB and descriptors, the middle of each tenth of {} s:", self.0.len())?;
        for tenth in 0..10 {
            let (from, to) = (f64::from(tenth) / 10.0, f64::from(tenth + 1) / 10.0);
            write!(f, "  {:.1}/{}", self.resident(from, to, 0.5) as f64 / 1024.0, self.descriptors(from, to, 0.5))?;
        }
        let most = self.0.iter().map(|vitals| vitals.resident).max().unwrap_or(0);
        write!(f, "\nat most {:.1} MiB", most as f64 / 1024.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 90 MiB, between 0 and 40 more by who is connected just then, seldom many, and a leak of so many KiB a second.
    fn run(seconds: u64, leak: u64, seed: u64) -> History {
        let mut rng = fastrand::Rng::with_seed(seed);
        let one = |second| {
            let connected = rng.f64().powi(2);
            let resident = 90 * 1024 + (connected * 40.0 * 1024.0) as u64 + leak * second;
            Vitals { resident, descriptors: 100 }
        };
        History((0..seconds).map(one).collect())
    }

    #[test]
    fn a_leak_is_growth_and_who_comes_and_goes_is_not() {
        for seed in 0..200 {
            assert_eq!(run(180, 0, seed).growth(), Ok(()), "seed {seed}");
            assert!(run(180, 200, seed).growth().is_err(), "seed {seed}: 12 MiB a minute");
            assert!(run(1800, 20, seed).growth().is_err(), "seed {seed}: 1.2 MiB a minute, for half an hour");
        }
        let (kept, left) = (run(180, 0, 1), |resident| Vitals { resident, descriptors: 0 });
        assert!(kept.is_quiet(left(90 * 1024)) && !kept.is_quiet(left(110 * 1024)));
    }
}
