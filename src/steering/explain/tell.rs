//! Who serves, what it means for users, and how each backend stands.

use std::time::Duration;

use super::Setting;
use crate::model::{AllDown, Health, Moment, Now, Phase, StandView, Utc};
use crate::steering::choice::Field;
use crate::steering::words::span;
use crate::steering::{BackendState, Steering};

/// A pool that is being explained at one moment.
pub(super) struct Tell<'a> {
    pub(super) machine: &'a Steering,
    pub(super) setting: Setting<'a>,
    pub(super) now: Now,
}

impl Tell<'_> {
    /// Who serves.
    pub(super) fn summary(&self) -> String {
        let (Some(active), Some(home)) = (self.machine.active(), self.home()) else {
            return "No backend is available, and none is tried.".into();
        };
        let (name, first) = (self.name(active), self.name(home));
        match self.machine.phase() {
            Phase::Steady => format!("{name}, the first priority, serves all requests."),
            Phase::FailedOver => format!("{name} serves in place of {first}."),
            Phase::Holding => format!("{name} serves. {} is ready again and is being watched.", self.back_to(active)),
            Phase::AwaitingApproval => {
                format!("{name} serves. Only an operator moves the pool back to {first}.")
            }
            Phase::Latched => format!("{name} serves, and the pool stays there: it failed over too often."),
            Phase::Pinned => format!("{name} serves because an operator pinned the pool to it."),
            Phase::Drill => format!("{name} serves because of a drill: a rehearsal, no outage."),
            Phase::AllDown => format!("No backend is available. Requests are tried all the same, {name} first."),
        }
    }

    /// What it means for users now.
    pub(super) fn users(&self) -> String {
        let Some(active) = self.machine.active() else {
            return "Every request is answered 503 with Retry-After: no user gets a reply.".into();
        };
        let name = self.name(active);
        if self.machine.phase() == Phase::AllDown {
            return "Expect most requests to fail. They are still tried, in case the probes are wrong.".into();
        }
        if !self.field().available(active) {
            let others = self.machine.order_of_attempts().into_iter().filter(|b| *b != active);
            let others: Vec<String> = others.map(|b| self.name(b)).collect();
            let rest = match others.is_empty() {
                true => " Expect most of them to fail.".to_owned(),
                false => {
                    format!(
                        " Those that may be tried twice go on to {}, as far as the retry budget goes; the others fail.",
                        others.join(", then ")
                    )
                }
            };
            return format!("Requests go to {name} first, but {}.{rest}", self.trouble(active));
        }
        let standby = self.others(active).find(|b| self.field().ready(*b));
        match (self.state(active).map(BackendState::health), standby) {
            (Some(Health::Unknown), None) if self.machine.policy().probes.is_some() => {
                format!("Requests are served by {name}. No probe has come back yet, so nothing is sure.")
            }
            (_, Some(standby)) => {
                let standby = self.name(standby);
                format!("Requests are served. If {name} fails now, {standby} is ready to take over.")
            }
            (_, None) if self.others(active).next().is_none() => {
                "Requests are served. The pool has no other backend: if this one fails, users feel it.".to_owned()
            }
            (_, None) => {
                format!("Requests are served, but no standby is ready: if {name} fails now, users feel it.")
            }
        }
    }

    /// How each backend stands.
    pub(super) fn backends(&self) -> Vec<StandView> {
        self.machine.ranking().into_iter().filter_map(|backend| self.stand(backend)).collect()
    }

    fn stand(&self, backend: usize) -> Option<StandView> {
        let (rules, state) = (self.machine.policy().backends.get(backend)?, self.state(backend)?);
        let active = self.machine.active() == Some(backend);
        let lacks = state.lacks(self.machine.policy());
        let ready = state.ready(self.machine.policy());
        let role = if active { ", active" } else { "" };
        let how = match (ready, state.health()) {
            (true, Health::Unknown) => "nothing is known against it; it is not probed".to_owned(),
            (true, _) => match state.sound_since {
                Some(since) => format!("ready since {}", self.clock(self.now.utc_of(since))),
                None => "ready".to_owned(),
            },
            (false, _) => format!("not ready: {}", lacks.join("; ")),
        };
        let text = format!("{} (priority {}{role}): {how}.", rules.name, rules.priority);
        let (name, priority, health) = (rules.name.clone(), rules.priority, state.health());
        Some(StandView { name, priority, active, health, ready, lacks, text })
    }

    pub(super) fn field(&self) -> Field<'_> {
        self.machine.field()
    }

    pub(super) fn home(&self) -> Option<usize> {
        self.field().home()
    }

    pub(super) fn state(&self, backend: usize) -> Option<&BackendState> {
        self.machine.backends().get(backend)
    }

    pub(super) fn name(&self, backend: usize) -> String {
        self.machine.name(backend).map_or_else(|| "?".to_owned(), |name| name.to_string())
    }

    /// What is wrong with a backend, as a sentence about it: `westeurope is drained`.
    pub(super) fn trouble(&self, backend: usize) -> String {
        let name = self.name(backend);
        let lacks = self.state(backend).map(|state| state.lacks(self.machine.policy())).unwrap_or_default();
        let one = |lack: String| match lack.strip_prefix("it ") {
            Some(rest) => format!("{name} {rest}"),
            None => format!("{name}: {lack}"),
        };
        lacks.into_iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// What a backend lacks, in one clause.
    pub(super) fn lacks(&self, backend: usize) -> String {
        self.state(backend).map(|state| state.lacks(self.machine.policy()).join("; ")).unwrap_or_default()
    }

    /// The others by priority.
    pub(super) fn others(&self, than: usize) -> impl Iterator<Item = usize> {
        self.machine.ranking().into_iter().filter(move |b| *b != than)
    }

    /// The name of the backend that the pool would move back to.
    pub(super) fn back_to(&self, active: usize) -> String {
        self.field().better(active).or(self.home()).map(|back| self.name(back)).unwrap_or_default()
    }

    /// Whether the pool answers 503 when nothing is available.
    pub(super) fn rejects(&self) -> bool {
        self.machine.policy().all_down == AllDown::Reject
    }

    pub(super) fn clock(&self, at: Utc) -> String {
        at.clock(self.now.utc)
    }

    /// A time to come, and how far it is: `12:03:20Z (in 40 s)`.
    pub(super) fn then(&self, at: Utc) -> String {
        let left = Duration::from_secs(at.since(self.now.utc).as_millis().div_ceil(1000).try_into().unwrap_or(0));
        format!("{} (in {})", self.clock(at), span(left))
    }

    pub(super) fn utc(&self, at: Moment) -> Utc {
        self.now.utc_of(at)
    }

    /// So many probes in a row, and about how long they take: `3 good probes in a row (about 6 s)`.
    pub(super) fn probes(&self, count: u32, kind: &str) -> String {
        let many = if count == 1 { format!("1 {kind}probe") } else { format!("{count} {kind}probes in a row") };
        match self.setting.interval {
            Some(interval) => format!("{many} (about {})", span(interval.saturating_mul(count))),
            None => many,
        }
    }

    /// A command about this pool.
    pub(super) fn command(&self, verb: &str, rest: &str) -> String {
        let pool = self.setting.pool;
        let rest = if rest.is_empty() { String::new() } else { format!(" {rest}") };
        format!("botgate {verb} {pool}{rest}")
    }
}
