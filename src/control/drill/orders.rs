//! What operators ask about drills.

use std::time::Duration;

use super::course::{blank, limits};
use super::schedule;
use crate::control::Control;
use crate::control::handle::{ControlError, DrillCommand, DrillOrder, Reply};
use crate::control::orders::{backend_index, refused};
use crate::model::{DrillEnding, DrillReport, DrillState};
use crate::steering::{Order, What};

/// Reports that one answer lists at most.
const LISTED: usize = 200;

impl Control {
    /// Carries out a command about drills.
    pub(in crate::control) fn drill(&mut self, command: DrillCommand) {
        match command {
            DrillCommand::Start(order, reply) => self.start_drill(order, reply),
            DrillCommand::Stop { id, by, reason, reply } => self.stop_drill(&id, by, reason, reply),
            DrillCommand::Find(id, reply) => self.find_drill(id, reply),
            DrillCommand::List(limit, reply) => self.list_drills(limit, reply),
        }
    }

    /// Whether another drill may begin: there is one at a time, over all pools.
    ///
    /// # Errors
    /// What is under way.
    fn no_other_drill(&self) -> Result<(), ControlError> {
        match &self.drills.course {
            None => Ok(()),
            Some(course) => Err(no(course.in_words())),
        }
    }

    fn start_drill(&mut self, order: DrillOrder, reply: Reply<DrillReport>) {
        let now = self.time.both().utc;
        let DrillOrder { pool, to, lasts, window, by, reason } = order;
        let prepared = self.pool_index(&pool).and_then(|index| {
            let state = &self.registry.pools[index];
            to.as_ref().map(|to| backend_index(state, to)).transpose()?;
            Ok(lasts.unwrap_or(state.config.drill.lasts))
        });
        let lasts = match prepared {
            Ok(lasts) if lasts < Duration::from_secs(1) => {
                let _ = reply.send(Err(no("a drill lasts one second at least".to_owned())));
                return;
            }
            Ok(lasts) => lasts,
            Err(error) => {
                let _ = reply.send(Err(error));
                return;
            }
        };
        let window = window.map(|window| schedule::next(&window, now));
        let id = self.drills.name(&pool, window.as_ref().map_or(now, |window| window.opens));
        let mut report = blank(id, pool, by, reason, lasts);
        report.target = to;
        report.window = window;
        if report.window.is_some() {
            self.keep_report(&report);
            self.drills.planned.push(report.clone());
            tracing::info!("{}: drill {} planned by {}", report.pool, report.id, report.by);
            let _ = reply.send(Ok(report));
            return;
        }
        match self.begin_drill(report, lasts) {
            Ok(()) => self.answer_when_published(reply),
            Err(error) => {
                tracing::info!("a drill was refused: {error}");
                let _ = reply.send(Err(error));
            }
        }
    }

    /// Begins a drill now.
    ///
    /// # Errors
    /// What speaks against it; nothing has changed.
    pub(super) fn begin_drill(&mut self, mut report: DrillReport, lasts: Duration) -> Result<(), ControlError> {
        self.no_other_drill()?;
        let index = self.pool_index(&report.pool)?;
        let pool = &mut self.registry.pools[index];
        let to = report.target.as_ref().map(|to| backend_index(pool, to)).transpose()?;
        let what = What::Drill { id: report.id.clone(), to, lasts };
        let order = Order { what, by: report.by.clone(), reason: report.reason.clone(), force: false };
        let ordered = self.time.both();
        let step = pool.steering.order(&order, ordered).map_err(refused)?;
        report.lasts_seconds = lasts.as_secs();
        report.why = None;
        report.state = DrillState::UnderWay;
        report.limits = limits(&pool.config.drill);
        report.followers = self.followers_of(&report.pool);
        // Before the decision: who hears that the drill has begun finds its report after a power cut too, with all that the
        // drill needs to go on.
        self.keep_report(&report);
        self.drills.starting = Some(report);
        self.follow_step(index, step);
        self.adopt_drill(ordered);
        Ok(())
    }

    fn stop_drill(&mut self, id: &str, by: String, reason: Option<String>, reply: Reply<DrillReport>) {
        if let Some(at) = self.drills.planned.iter().position(|plan| plan.id == id) {
            let mut report = self.drills.planned.swap_remove(at);
            let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            report.state = DrillState::Ended;
            report.ending = Some(DrillEnding::Cancelled);
            report.why = Some(format!("called off by {by}{why}"));
            self.finish_drill(&report);
            let _ = reply.send(Ok(report));
            return;
        }
        if let Err(error) = self.end_drill(id, by, reason) {
            let _ = reply.send(Err(error));
        } else {
            self.answer_when_published(reply);
        }
    }

    fn answer_when_published(&mut self, reply: Reply<DrillReport>) {
        if let Some(course) = &mut self.drills.course {
            course.replies.push(reply);
        }
    }

    fn end_drill(&mut self, id: &str, by: String, reason: Option<String>) -> Result<(), ControlError> {
        let under_way = self.drills.course.as_ref().filter(|course| course.holds());
        let Some(course) = under_way.filter(|course| course.report.id == id) else {
            let other = under_way.map(|course| format!("; {} is under way", course.report.id)).unwrap_or_default();
            return Err(no(format!("there is no drill {id:?} under way or planned{other}")));
        };
        let index = self.pool_index(&course.report.pool)?;
        let order = Order { what: What::EndDrill, by, reason, force: false };
        let now = self.time.both();
        let step = self.registry.pools[index].steering.order(&order, now).map_err(refused)?;
        self.follow_step(index, step);
        Ok(())
    }

    fn find_drill(&self, id: Option<String>, reply: Reply<Option<DrillReport>>) {
        let wanted = |report: &&DrillReport| id.as_ref().is_none_or(|id| *id == report.id);
        if let Some(report) = self.drill_now().filter(wanted) {
            let _ = reply.send(Ok(Some(report.clone())));
            return;
        }
        let found = self.journal.drill(id.as_deref());
        tokio::spawn(async move {
            let read = |document: String| serde_json::from_str(&document).map_err(unreadable);
            let answer = found.await.map_err(ControlError::Unreadable);
            let _ = reply.send(answer.and_then(|document| document.map(read).transpose()));
        });
    }

    fn list_drills(&self, limit: usize, reply: Reply<Vec<DrillReport>>) {
        let now = self.drill_now().cloned();
        let all = self.journal.drills(limit.min(LISTED));
        tokio::spawn(async move {
            let read = |document: String| serde_json::from_str::<DrillReport>(&document).map_err(unreadable);
            let fresh = |report: DrillReport| match &now {
                Some(now) if now.id == report.id => now.clone(),
                _ => report,
            };
            let answer = all.await.map_err(ControlError::Unreadable);
            let answer = answer.and_then(|all| all.into_iter().map(|document| read(document).map(fresh)).collect());
            let _ = reply.send(answer);
        });
    }
}

fn no(why: String) -> ControlError {
    ControlError::Refused { reasons: vec![why], forcible: false }
}

fn unreadable(error: serde_json::Error) -> ControlError {
    ControlError::Unreadable(format!("the report of a drill cannot be understood: {error}"))
}
