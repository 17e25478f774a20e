//! Drills that wait for a window: a pool's schedule, and what operators have planned.

use std::time::Duration;

use super::course::blank;
use super::desk::{SCHEDULE, Scheduled};
use super::schedule::{self, Due};
use crate::control::Control;
use crate::model::{DrillEnding, DrillReport, DrillState, DrillWindow, PoolName};

/// How often it is seen whether one is due.
const STEP: Duration = Duration::from_secs(1);

impl Control {
    /// Begins what is due, and tells of what did not begin within its window.
    pub(super) fn keep_appointments(&mut self) {
        let now = self.time.now();
        if now < self.drills.next_appointment {
            return;
        }
        self.drills.next_appointment = now + STEP;
        let pools = self.registry.pools.iter().filter(|pool| !pool.config.drill.windows.is_empty());
        let scheduled: Vec<PoolName> = pools.map(|pool| pool.config.name.clone()).collect();
        self.drills.scheduled.retain(|pool, _| scheduled.contains(pool));
        scheduled.into_iter().for_each(|pool| self.keep_schedule(pool));
        self.keep_plans();
    }

    fn keep_schedule(&mut self, pool: PoolName) {
        let now = self.time.both().utc;
        let Ok(index) = self.pool_index(&pool) else { return };
        let rules = self.registry.pools[index].config.drill.clone();
        let open = schedule::open(&rules.windows, now);
        let known = self.drills.scheduled.get_mut(&pool);
        if let Some(known) = known {
            if open.as_ref() == Some(&known.window) && known.refused.is_none() {
                return;
            }
            if open.as_ref() != Some(&known.window)
                && let Some(why) = known.refused.take()
            {
                let window = known.window.clone();
                let id = self.drills.name(&pool, window.opens);
                let mut report = blank(id, pool.clone(), SCHEDULE.to_owned(), None, rules.lasts);
                report.window = Some(window);
                self.skip(report, why);
            }
        }
        let Some(window) = open else { return };
        let refused = match schedule::due(&window, rules.lasts, now) {
            Due::Later => return,
            Due::Missed => Some("too little was left of the window".to_owned()),
            Due::Now(lasts) => {
                let id = self.drills.name(&pool, now);
                let reason = Some(format!("the schedule says {}", window.text));
                let mut report = blank(id, pool.clone(), SCHEDULE.to_owned(), reason, lasts);
                report.window = Some(window.clone());
                self.begin_drill(report, lasts).err().map(|error| error.to_string())
            }
        };
        let before = self.drills.scheduled.get(&pool).filter(|known| known.window == window);
        if let Some(why) = refused.as_ref().filter(|_| before.is_none()) {
            tracing::info!("{pool}: the drill of {} cannot begin yet: {why}", window.text);
        }
        // Where too little is left, what stood in its way before is the better reason.
        let earlier = before
            .and_then(|known| known.refused.clone())
            .filter(|_| matches!(&refused, Some(why) if why.starts_with("too little")));
        self.drills.scheduled.insert(pool, Scheduled { window, refused: earlier.or(refused) });
    }

    fn keep_plans(&mut self) {
        let now = self.time.both().utc;
        for mut plan in std::mem::take(&mut self.drills.planned) {
            let Some(window) = plan.window.clone() else { continue };
            let due = schedule::due(&window, Duration::from_secs(plan.lasts_seconds), now);
            let begun = match due {
                Due::Later => Err(None),
                Due::Now(lasts) => self.begin_drill(plan.clone(), lasts).map_err(|error| Some(error.to_string())),
                Due::Missed => {
                    let why = plan.why.take().unwrap_or_else(|| missed(&window));
                    self.skip(plan, why);
                    continue;
                }
            };
            match begun {
                Ok(()) => {}
                Err(why) => {
                    if plan.why.is_none()
                        && let Some(why) = &why
                    {
                        tracing::info!("{}: drill {} cannot begin yet: {why}", plan.pool, plan.id);
                    }
                    plan.why = why.or(plan.why);
                    self.drills.planned.push(plan);
                }
            }
        }
    }

    fn skip(&mut self, mut report: DrillReport, why: String) {
        report.state = DrillState::Ended;
        report.ending = Some(DrillEnding::Skipped);
        report.why = Some(why);
        self.finish_drill(&report);
    }
}

fn missed(window: &DrillWindow) -> String {
    format!("its window {} went by while botgate did not run", window.text)
}
