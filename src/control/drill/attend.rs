//! What the loop does about drills, each time around.

use super::course::{Ask, Course, blank, limits};
use super::desk::reading;
use super::history;
use crate::control::Control;
use crate::model::{BackendId, DrillEnding, DrillReport, DrillState, Now, PoolName, ServiceLevel};
use crate::steering::Observation;

impl Control {
    /// Before a publication: looks at the drill under way, and begins what is due.
    pub(in crate::control) fn watch_drill(&mut self) {
        let now = self.time.both();
        self.note_histories();
        // A process that gave its place to a successor begins nothing.
        if !self.retired {
            self.keep_appointments();
        }
        // An order has begun it, or a reload has brought its pool back: all pools are looked at then.
        if self.registry.agenda.is_whole() {
            self.adopt_drill(now);
        }
        let pools = &self.registry.pools;
        let Some(course) = &mut self.drills.course else { return };
        let Some(index) = pools.iter().position(|pool| pool.config.name == course.report.pool) else {
            return self.drop_drill();
        };
        let trouble = self.drills.trouble.take().filter(|_| course.holds());
        match (trouble, course.look(&pools[index], now)) {
            (Some(why), _) | (None, Ask::GiveUp(why)) => self.observe(index, Observation::DrillHurts { why }),
            (None, Ask::Write) => self.write_drill(),
            (None, Ask::Nothing) => {}
        }
    }

    /// After a publication: the books are opened and closed at the moment at which requests go another way.
    pub(in crate::control) fn book_drill(&mut self) {
        let now = self.time.both();
        let Some(course) = &mut self.drills.course else { return };
        let pool = self.registry.pools.iter().find(|pool| pool.config.name == course.report.pool);
        let published = |pool: &&crate::control::registry::PoolState| {
            pool.published.as_ref().is_some_and(|published| published.epoch == pool.steering.epoch())
        };
        let Some(pool) = pool.filter(published) else { return };
        let histories = &self.drills.histories;
        let before = || match histories.get(&pool.config.name) {
            Some(history) => history.level(reading(pool)),
            None => ServiceLevel::default(),
        };
        if course.published(pool, before, now) == Ask::Write {
            let active = course.holds().then(|| course.report.pool.clone());
            self.stats.set_drill(active);
            self.write_drill();
        }
    }

    /// Makes a report for the drill that steering has begun at the order of `now`, or has brought back.
    pub(super) fn adopt_drill(&mut self, now: Now) {
        if self.drills.course.is_some() {
            return;
        }
        let run = |pool: &crate::control::registry::PoolState| pool.steering.standing().drill.clone();
        let found = self.registry.pools.iter().find_map(|pool| Some((pool, run(pool)?)));
        let Some((pool, run)) = found else { return };
        let name = |index: usize| pool.backends.get(index).map(|backend| backend.config.name.clone());
        let stored = self.drills.stored.remove(&run.id);
        let is_stored = stored.is_some();
        let started = self.drills.starting.take().filter(|report| report.id == run.id);
        let mut report = stored.or(started).unwrap_or_else(|| {
            let lasts = run.until.at.since(now.at);
            blank(run.id.clone(), pool.config.name.clone(), "an order".to_owned(), Some(run.note.clone()), lasts)
        });
        // A report that was written before the move does not know yet where it went.
        (report.target, report.origin) = (name(run.target), name(run.origin));
        if !is_stored {
            report.state = DrillState::UnderWay;
            report.limits = limits(&pool.config.drill);
            let policy = pool.steering.policy();
            for (index, state) in pool.steering.backends().iter().enumerate() {
                let Some(name) = name(index) else { continue };
                let parity = state.parity.notes.iter().map(|note| format!("At the start, parity of {name}: {note}."));
                report.findings.extend(parity);
                if index != run.origin && !state.ready(policy) {
                    let lacks = state.lacks(policy).join(", ");
                    report.findings.push(format!("At the start, {name} was not ready: {lacks}."));
                }
            }
            report.followers = self.followers_of(&report.pool);
            for follower in self.registry.pools.iter().filter(|pool| report.followers.contains(&pool.config.name)) {
                let active = follower.steering.active().and_then(|active| follower.backends.get(active));
                let active = active.map(|backend| backend.config.name.clone());
                if active != report.target {
                    let (name, on) = (&follower.config.name, active.map_or("none".to_owned(), |on| on.to_string()));
                    report.findings.push(format!("{name} did not move along: it is on {on}."));
                }
            }
        }
        self.drills.course = Course::begin(report, &run, pool, is_stored, now);
    }

    /// The pools that follow one, whether at first hand or not.
    pub(super) fn followers_of(&self, leader: &PoolName) -> Vec<PoolName> {
        let mut led = vec![leader.clone()];
        let mut next = 0;
        // No cycles: validation has seen to it.
        while let Some(leader) = led.get(next).cloned() {
            next += 1;
            let follows = |follow: &crate::config::FollowConfig| follow.pool == leader;
            let found = self.registry.pools.iter().filter(|pool| pool.config.follow.as_ref().is_some_and(follows));
            led.extend(found.map(|pool| pool.config.name.clone()));
        }
        led.split_off(1)
    }

    /// Keeps the report as it is now; a final one ends the drill.
    fn write_drill(&mut self) {
        let Some(course) = self.drills.course.take() else { return };
        if course.ended() {
            self.finish_drill(&course.report);
            return;
        }
        self.keep_report(&course.report);
        self.drills.course = Some(course);
    }

    /// The pool of the drill under way is no longer in the config.
    fn drop_drill(&mut self) {
        let Some(Course { mut report, .. }) = self.drills.course.take() else { return };
        self.stats.set_drill(None);
        report.ended = Some(self.time.both().utc);
        report.ending = Some(DrillEnding::Aborted);
        report.why = Some("the pool is no longer in the config".to_owned());
        super::findings::conclude(&mut report);
        self.finish_drill(&report);
    }

    fn note_histories(&mut self) {
        let now = self.time.now();
        if now < self.drills.next_history {
            return;
        }
        self.drills.next_history = now + history::STEP;
        let pools = &self.registry.pools;
        self.drills.histories.retain(|name, _| pools.iter().any(|pool| pool.config.name == *name));
        for pool in pools {
            let backends: Vec<BackendId> = pool.backends.iter().map(|backend| backend.id).collect();
            let history = self.drills.histories.entry(pool.config.name.clone()).or_default();
            history.note(now, &backends, reading(pool));
        }
    }

    /// The drill under way as it is now.
    pub(super) fn drill_now(&self) -> Option<&DrillReport> {
        self.drills.course.as_ref().map(|course| &course.report)
    }
}
