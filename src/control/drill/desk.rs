//! What control knows of drills.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::timeout;

use super::course::Course;
use super::findings;
use super::history::History;
use super::reading::{BackendReading, Reading};
use crate::control::Control;
use crate::control::registry::PoolState;
use crate::model::{Cause, Direction, DrillEnding, DrillReport, DrillState, DrillWindow, Moment, Now, PoolName, Utc};
use crate::steering::Decision;

/// Who a scheduled drill is ordered by.
pub(super) const SCHEDULE: &str = "schedule";

/// Reports of former drills that a start looks at.
const FORMER: usize = 200;
/// How long a start waits for them.
const PATIENCE: Duration = Duration::from_secs(2);
/// Names that are remembered, so that none is given twice.
const NAMES: usize = 64;

/// The drill under way, those that wait, and what they are measured against.
#[derive(Default)]
pub(in crate::control) struct Drills {
    pub(super) histories: HashMap<PoolName, History>,
    pub(super) next_history: Moment,
    pub(super) course: Option<Course>,
    /// The report of a drill that was just ordered.
    pub(super) starting: Option<DrillReport>,
    /// Reports of drills that were under way when a former process ended.
    pub(super) stored: HashMap<String, DrillReport>,
    /// Why the drill under way is to be given up, although its own pool does well.
    pub(super) trouble: Option<String>,
    /// Drills that an operator has planned.
    pub(super) planned: Vec<DrillReport>,
    pub(super) next_appointment: Moment,
    /// For each pool the last window of its schedule, and what came of it.
    pub(super) scheduled: HashMap<PoolName, Scheduled>,
    names: VecDeque<String>,
}

/// A window of a schedule.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) window: DrillWindow,
    /// Why no drill began in it; none once one did, or once it was told that none did.
    pub(super) refused: Option<String>,
}

impl Drills {
    /// When the loop has to come by, whatever happens.
    pub(in crate::control) fn wakeup(&self) -> Option<Moment> {
        self.course.as_ref().map(Course::wakeup)
    }

    /// Hears of a decision about a pool; `run` is the drill that steering has of it afterwards.
    pub(in crate::control) fn decided(&mut self, pool: &PoolName, decision: &Decision, run: Option<&str>, now: Now) {
        let Some(course) = self.course.as_mut().filter(|course| course.holds()) else { return };
        if course.report.pool == *pool {
            if run != Some(course.report.id.as_str()) {
                course.decided(decision, now);
            }
            return;
        }
        let real = matches!(decision.cause, Cause::Probes | Cause::Evidence | Cause::Recovered);
        if real && decision.direction == Some(Direction::Failover) {
            self.trouble = Some(format!("{pool} failed over: {}", decision.reason));
        }
    }

    /// A name for a drill: `bot-api-20261122T093000Z`.
    pub(super) fn name(&mut self, pool: &PoolName, at: Utc) -> String {
        let digits: String = at.to_string().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let plain = format!("{pool}-{}Z", &digits[..digits.len().min(15)]);
        let mut name = plain.clone();
        let mut more = 1;
        while self.names.contains(&name) || self.planned.iter().any(|plan| plan.id == name) {
            more += 1;
            name = format!("{plain}-{more}");
        }
        self.names.push_back(name.clone());
        if self.names.len() > NAMES {
            self.names.pop_front();
        }
        name
    }
}

/// What a pool's requests came to so far, over all its backends.
pub(super) fn reading(pool: &PoolState) -> Reading {
    let mut sum = Reading::of(&pool.stats);
    pool.backends.iter().for_each(|backend| sum.add(&BackendReading::of(&backend.stats)));
    sum
}

impl Control {
    /// Takes up what a former process left: planned drills, the one that was under way, the windows that had theirs.
    pub(in crate::control) async fn restore_drills(&mut self) {
        let former = match timeout(PATIENCE, self.journal.drills(FORMER)).await {
            Ok(Ok(former)) => former,
            Ok(Err(error)) => return tracing::error!("former drills are not known: {error}"),
            Err(_) => return tracing::error!("former drills are not known: the journal did not answer in time"),
        };
        for document in former {
            match serde_json::from_str(&document) {
                Ok(report) => self.restore_drill(report),
                Err(error) => tracing::warn!(%error, "the report of a former drill cannot be understood"),
            }
        }
        self.adopt_drill(self.time.both());
    }

    fn restore_drill(&mut self, mut report: DrillReport) {
        self.drills.names.push_back(report.id.clone());
        if let Some(window) = report.window.clone().filter(|_| report.by == SCHEDULE) {
            // Newest first.
            let scheduled = Scheduled { window, refused: None };
            self.drills.scheduled.entry(report.pool.clone()).or_insert(scheduled);
        }
        match report.state {
            DrillState::Ended => {}
            DrillState::Planned => self.drills.planned.push(report),
            DrillState::UnderWay | DrillState::Closing => {
                let run =
                    |pool: &&PoolState| pool.steering.standing().drill.as_ref().is_some_and(|it| it.id == report.id);
                report.restarts += 1;
                if self.registry.pools.iter().find(run).is_some() && report.state == DrillState::UnderWay {
                    self.drills.stored.insert(report.id.clone(), report);
                    return;
                }
                if report.ending.is_none() {
                    report.ending = Some(DrillEnding::Interrupted);
                    let why = "botgate ended during the drill, and did not find it under way when it was started again";
                    report.why = Some(why.to_owned());
                }
                findings::conclude(&mut report);
                self.finish_drill(&report);
            }
        }
    }

    /// Counts, tells and keeps a report that is final.
    pub(super) fn finish_drill(&mut self, report: &DrillReport) {
        let result = Course::result(report);
        self.stats.drilled(&report.pool, result);
        let DrillReport { id, pool, why, .. } = report;
        let why = why.as_deref().unwrap_or("its time was over");
        if matches!(result, "passed" | "stopped" | "cancelled") {
            tracing::info!("{pool}: drill {id} {result}: {why}");
        } else {
            tracing::warn!("{pool}: drill {id} {result}: {why}");
        }
        self.keep_report(report);
    }

    /// Writes a report to the journal.
    pub(super) fn keep_report(&mut self, report: &DrillReport) {
        // From then on the journal, and the drill with it, is the successor's.
        if self.retired {
            return;
        }
        match serde_json::to_string(report) {
            Ok(document) => self.journal.put_drill(&report.id, document),
            Err(error) => tracing::error!(%error, "the report of drill {} cannot be written", report.id),
        }
    }
}
