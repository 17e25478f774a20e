//! One drill from the order to its final report.

use std::time::Duration;

use super::books::Books;
use super::findings;
use super::watch::{self, Watch};
use crate::config::DrillConfig;
use crate::control::handle::Reply;
use crate::control::registry::PoolState;
use crate::model::{
    BackendId, Cause, DrillEnding, DrillLimits, DrillReport, DrillState, Moment, Now, PoolName, ServiceLevel, Verdict,
};
use crate::steering::{Decision, Run, span};

/// How often the report is written while the drill is under way.
const WRITE: Duration = Duration::from_secs(10);

/// How long after the pool's deadline the last requests of the target are waited for.
const LATE: Duration = Duration::from_secs(1);

/// A drill under way.
pub(super) struct Course {
    pub(super) report: DrillReport,
    pub(super) target: BackendId,
    origin: BackendId,
    ordered: Moment,
    stage: Stage,
    books: Option<Books>,
    /// What a former process has written of it.
    stored: Option<DrillReport>,
    next_look: Moment,
    next_write: Moment,
    /// Who waits to hear that the pool moved, or moved back.
    pub(super) replies: Vec<Reply<DrillReport>>,
}

enum Stage {
    /// Decided, and not yet published.
    Moving,
    Watched(Box<Watch>),
    /// Its end is decided, and not yet published.
    Ending(Moment),
    /// The last requests are followed until then; whether the target was found idle.
    Closing {
        until: Moment,
        idle: bool,
    },
    Ended,
}

/// What a look at the drill asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Ask {
    Nothing,
    /// Give it up.
    GiveUp(String),
    /// Write the report.
    Write,
}

impl Course {
    /// A drill that steering has begun, or goes on with after a restart.
    pub(super) fn begin(report: DrillReport, run: &Run, pool: &PoolState, stored: bool, now: Now) -> Option<Self> {
        let id = |index: usize| pool.backends.get(index).map(|backend| backend.id);
        let (target, origin) = (id(run.target)?, id(run.origin)?);
        let stored = stored.then(|| report.clone());
        let (next_look, next_write) = (now.at, now.at);
        let (stage, books, replies) = (Stage::Moving, None, Vec::new());
        Some(Self { report, target, origin, ordered: now.at, stage, books, stored, next_look, next_write, replies })
    }

    /// When it wants to be looked at next.
    pub(super) fn wakeup(&self) -> Moment {
        self.next_look
    }

    /// Whether the pool is on the target for this drill, or about to be.
    pub(super) fn holds(&self) -> bool {
        matches!(self.stage, Stage::Moving | Stage::Watched(_))
    }

    pub(super) fn ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Steering has decided something about the pool, and the drill is not under way any more.
    pub(super) fn decided(&mut self, decision: &Decision, now: Now) {
        let ending = match (decision.cause, &decision.actor) {
            (Cause::DrillOver, None) => DrillEnding::Over,
            (Cause::Restart, _) => DrillEnding::Interrupted,
            (_, Some(_)) => DrillEnding::Stopped,
            _ => DrillEnding::Aborted,
        };
        self.report.ending = Some(ending);
        self.report.why = Some(decision.reason.clone());
        self.stage = Stage::Ending(now.at);
    }

    /// Looks at the counters, if it is time.
    pub(super) fn look(&mut self, pool: &PoolState, now: Now) -> Ask {
        let Some(books) = &mut self.books else { return Ask::Nothing };
        if now.at < self.next_look {
            return Ask::Nothing;
        }
        self.next_look = now.at + watch::STEP;
        match &mut self.stage {
            Stage::Watched(watch) => {
                books.read(pool);
                books.write(&mut self.report, self.target, self.origin);
                let (started, ended) = books.at(self.target);
                if let Some(why) = watch.look(now.at, books.reading(), started, ended) {
                    return Ask::GiveUp(why);
                }
            }
            Stage::Closing { until, idle } => {
                books.follow(pool, self.target);
                books.write(&mut self.report, self.target, self.origin);
                let idle_now = books.idle(self.target);
                // Idle twice: what a request leaves is counted in the instant after it ended.
                let done = (*idle && idle_now) || now.at >= *until;
                *idle = idle_now;
                if done {
                    self.stage = Stage::Ended;
                    findings::conclude(&mut self.report);
                    return Ask::Write;
                }
            }
            Stage::Moving | Stage::Ending(_) | Stage::Ended => return Ask::Nothing,
        }
        if now.at < self.next_write {
            return Ask::Nothing;
        }
        self.next_write = now.at + WRITE;
        Ask::Write
    }

    /// What steering decided is published: the drill begins, or is over.
    pub(super) fn published(&mut self, pool: &PoolState, before: impl FnOnce() -> ServiceLevel, now: Now) -> Ask {
        match self.stage {
            Stage::Moving => self.moved(pool, before, now),
            Stage::Ending(decided) => self.moved_back(pool, decided, now),
            Stage::Watched(_) | Stage::Closing { .. } | Stage::Ended => return Ask::Nothing,
        }
        self.replies.drain(..).for_each(|reply| {
            // Who asked may have gone.
            let _ = reply.send(Ok(self.report.clone()));
        });
        Ask::Write
    }

    fn moved(&mut self, pool: &PoolState, before: impl FnOnce() -> ServiceLevel, now: Now) {
        let books = Books::open(pool, self.stored.as_ref());
        let report = &mut self.report;
        report.state = DrillState::UnderWay;
        if self.stored.is_none() {
            report.began = Some(now.utc);
            report.move_ms = Some(millis(now.at.since(self.ordered)));
            report.before = before();
            if books.open_at_first(self.target) == 0 {
                let target = report.target.as_ref().map(ToString::to_string).unwrap_or_default();
                report.findings.push(format!(
                    "No connection to {target} was open when the pool moved: its first requests had to wait for new ones."
                ));
            }
        }
        let watch = Watch::begin(report.limits, &report.before, now.at, books.reading());
        self.stage = Stage::Watched(Box::new(watch));
        (self.next_look, self.next_write) = (now.at + watch::STEP, now.at + WRITE);
        self.books = Some(books);
    }

    fn moved_back(&mut self, pool: &PoolState, decided: Moment, now: Now) {
        let report = &mut self.report;
        report.ended = Some(now.utc);
        report.state = DrillState::Closing;
        let active = pool.steering.active().and_then(|index| pool.backends.get(index)).map(|backend| backend.id);
        if active == Some(self.origin) {
            report.move_back_ms = Some(millis(now.at.since(decided)));
        }
        let patience = pool.config.deadline + LATE;
        // Where the target stays active, what it serves from now on is not of the drill.
        let until = if active == Some(self.target) { now.at } else { now.at + patience };
        self.stage = Stage::Closing { until, idle: false };
        self.next_look = now.at;
        match &mut self.books {
            Some(books) => {
                books.read(pool);
                books.write(report, self.target, self.origin);
            }
            // It was over before it was published.
            None => self.books = Some(Books::open(pool, self.stored.as_ref())),
        }
    }

    /// The label of `botgate_drills_total`.
    pub(super) fn result(report: &DrillReport) -> &'static str {
        match (report.ending, report.verdict) {
            (Some(DrillEnding::Over), Some(Verdict::Pass)) => "passed",
            (Some(DrillEnding::Over) | None, _) => "failed",
            (Some(ending), _) => ending.as_str(),
        }
    }

    /// What is under way, for those who want to begin another.
    pub(super) fn in_words(&self) -> String {
        let DrillReport { id, pool, by, lasts_seconds, .. } = &self.report;
        let lasts = span(Duration::from_secs(*lasts_seconds));
        match self.holds() {
            true => format!(
                "drill {id} of {pool} is under way (by {by}, for {lasts}): wait for its end, or end it with `botgate drill stop {id}`"
            ),
            false => format!(
                "drill {id} of {pool} is over, but its last requests are still under way: try again in some seconds"
            ),
        }
    }
}

fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 100_000.0).round() / 100.0
}

/// When a drill is given up, by the rules of its pool.
pub(super) fn limits(rules: &DrillConfig) -> DrillLimits {
    DrillLimits { max_error_rate: rules.max_error_rate, max_slowdown: rules.max_slowdown }
}

/// A report before anything has happened.
pub(super) fn blank(id: String, pool: PoolName, by: String, reason: Option<String>, lasts: Duration) -> DrillReport {
    DrillReport {
        id,
        pool,
        followers: Vec::new(),
        state: DrillState::Planned,
        by,
        reason,
        origin: None,
        target: None,
        lasts_seconds: lasts.as_secs(),
        window: None,
        began: None,
        ended: None,
        move_ms: None,
        move_back_ms: None,
        ending: None,
        why: None,
        verdict: None,
        limits: DrillLimits::default(),
        before: ServiceLevel::default(),
        during: ServiceLevel::default(),
        backends: Vec::new(),
        dialed: 0,
        hung_up: 0,
        findings: Vec::new(),
        restarts: 0,
    }
}
