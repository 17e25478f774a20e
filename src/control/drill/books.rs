//! What is counted for one drill: the difference between its begin and now, by backend.

use super::reading::{BackendReading, Reading, together};
use crate::control::registry::PoolState;
use crate::model::{BackendCount, BackendId, BackendName, DrillReport, ServiceLevel};

/// The counters of one backend when the drill began, and when they were read last.
#[derive(Debug)]
struct Page {
    id: BackendId,
    name: BackendName,
    first: BackendReading,
    last: BackendReading,
}

/// The books of one drill. A backend that a reload takes away keeps what it had by then.
#[derive(Debug)]
pub(super) struct Books {
    first: Reading,
    last: Reading,
    pages: Vec<Page>,
    carried: Carried,
}

/// What a former process counted for the same drill.
#[derive(Debug, Default)]
struct Carried {
    level: ServiceLevel,
    backends: Vec<BackendCount>,
    dialed: u64,
    hung_up: u64,
}

impl Books {
    /// Opens the books now; `stored` is what a former process has written of the same drill.
    pub(super) fn open(pool: &PoolState, stored: Option<&DrillReport>) -> Self {
        let page = |backend: &crate::control::registry::BackendState| {
            let now = BackendReading::of(&backend.stats);
            Page { id: backend.id, name: backend.config.name.clone(), first: now, last: now }
        };
        let first = Reading::of(&pool.stats);
        let carried = stored.map(|report| Carried {
            level: report.during.clone(),
            backends: report.backends.clone(),
            dialed: report.dialed,
            hung_up: report.hung_up,
        });
        let pages = pool.backends.iter().map(page).collect();
        Self { first, last: first, pages, carried: carried.unwrap_or_default() }
    }

    /// Brings them up to date.
    pub(super) fn read(&mut self, pool: &PoolState) {
        self.last = Reading::of(&pool.stats);
        self.pages.iter_mut().for_each(|page| page.read(pool));
    }

    /// After the drill: only what the target still ends is counted, and what is taken from it.
    pub(super) fn follow(&mut self, pool: &PoolState, target: BackendId) {
        let now = Reading::of(&pool.stats);
        (self.last.retried, self.last.rescued) = (now.retried, now.rescued);
        self.pages.iter_mut().filter(|page| page.id == target).for_each(|page| page.read(pool));
    }

    /// All that was counted since the beginning, in this process.
    pub(super) fn reading(&self) -> Reading {
        let mut sum = self.last.since(&self.first);
        self.pages.iter().for_each(|page| sum.add(&page.counted()));
        sum
    }

    /// Whether no attempt is under way at a backend.
    pub(super) fn idle(&self, backend: BackendId) -> bool {
        self.pages.iter().find(|page| page.id == backend).is_none_or(|page| page.last.in_flight() == 0)
    }

    /// Attempts that a backend has begun and ended since the beginning.
    pub(super) fn at(&self, backend: BackendId) -> (u64, u64) {
        let page = self.pages.iter().find(|page| page.id == backend);
        page.map_or((0, 0), |page| (page.counted().started, page.counted().ended))
    }

    /// Connections that were open at a backend at the beginning.
    pub(super) fn open_at_first(&self, backend: BackendId) -> u64 {
        let page = self.pages.iter().find(|page| page.id == backend);
        page.map_or(0, |page| page.first.dialed.saturating_sub(page.first.hung_up))
    }

    /// Writes the counts into the report.
    pub(super) fn write(&self, report: &mut DrillReport, target: BackendId, origin: BackendId) {
        let page = |id: BackendId| self.pages.iter().find(|page| page.id == id).map(Page::counted).unwrap_or_default();
        report.dialed = self.carried.dialed + page(target).dialed;
        report.hung_up = self.carried.hung_up + page(origin).hung_up;
        let reading = self.reading();
        let here = reading.level();
        report.during = match self.carried.level.latency.is_empty() {
            true => here,
            false => together(&self.carried.level, &here),
        };
        let mut backends: Vec<BackendCount> = self.pages.iter().map(Page::count).collect();
        if reading.unserved > 0 {
            backends.push(BackendCount {
                name: None,
                requests: reading.unserved,
                responses: [0; 4],
                failed: reading.unserved,
            });
        }
        for carried in &self.carried.backends {
            match backends.iter_mut().find(|count| count.name == carried.name) {
                Some(count) => {
                    count.requests += carried.requests;
                    count.failed += carried.failed;
                    count.responses.iter_mut().zip(carried.responses).for_each(|(sum, more)| *sum += more);
                }
                None => backends.push(carried.clone()),
            }
        }
        report.backends = backends;
    }
}

impl Page {
    fn read(&mut self, pool: &PoolState) {
        if let Some(backend) = pool.backends.iter().find(|backend| backend.id == self.id) {
            self.last = BackendReading::of(&backend.stats);
        }
    }

    fn counted(&self) -> BackendReading {
        self.last.since(&self.first)
    }

    fn count(&self) -> BackendCount {
        let counted = self.counted();
        let requests = counted.responses.iter().sum::<u64>() + counted.failed;
        BackendCount { name: Some(self.name.clone()), requests, responses: counted.responses, failed: counted.failed }
    }
}
