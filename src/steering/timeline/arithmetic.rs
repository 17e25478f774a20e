//! Numbers of a config that cannot work together, found by simulating what they are for.

use std::time::Duration;

use super::super::words::span;
use super::bounds::shown;
use super::{FaultReport, run};
use crate::config::{BackendUrl, Condition, Config, Deed, PoolConfig, ProbeKind, QuestionConfig, Script, ScriptEvent};
use crate::model::{FailbackMode, Replay, Utc};

/// Live requests per second of the simulations.
const RATE: f64 = 10.0;
/// Longest simulation.
const LONGEST: Duration = Duration::from_secs(3600);
/// Longer holds are reckoned, not simulated.
const HOLD: Duration = Duration::from_secs(60);

/// Something that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concern {
    /// The key that says so: `pool[0].failback.hold`.
    pub key: String,
    /// What cannot work, with the simulated figures.
    pub message: String,
    /// What to change.
    pub hint: String,
}

/// Simulates the usual faults of every pool, and says which of its numbers cannot work together.
pub fn examine(config: &Config) -> Vec<Concern> {
    let alone = Config { listeners: Vec::new(), routes: Vec::new(), pools: Vec::new(), ..config.clone() };
    // Pools of one mould come to the same.
    let mut known: Vec<(PoolConfig, Vec<Concern>)> = Vec::new();
    let mut concerns = Vec::new();
    for (index, pool) in config.pools.iter().enumerate().filter(|(_, pool)| pool.backends.len() > 1) {
        let pool = mould(pool);
        let at = known.iter().position(|(other, _)| *other == pool).unwrap_or_else(|| {
            known.push((pool.clone(), Trial::new(&alone, pool).concerns()));
            known.len() - 1
        });
        concerns
            .extend(known[at].1.iter().map(|it| Concern { key: format!("pool[{index}].{}", it.key), ..it.clone() }));
    }
    concerns
}

/// A pool without what no simulation asks for: names, addresses, other pools, and backends beyond the second.
fn mould(pool: &PoolConfig) -> PoolConfig {
    let mut backends = pool.backends.clone();
    backends.truncate(2);
    for (backend, name) in backends.iter_mut().zip(["first", "second"]) {
        (backend.name, backend.priority) = (name.into(), 1);
        backend.url = BackendUrl { tls: false, host: name.to_owned(), port: 80, base_path: String::new() };
        (backend.host, backend.server_name, backend.ca, backend.client_certificate) = (None, None, None, None);
        (backend.headers, backend.rewrite, backend.question) = (Vec::new(), Vec::new(), QuestionConfig::default());
    }
    PoolConfig { name: "pool".into(), follow: None, backends, ..pool.clone() }
}

/// One pool by itself.
struct Trial {
    config: Config,
    /// The hold that is written; the config's is cut for the simulation.
    hold: Duration,
}

impl Trial {
    fn new(alone: &Config, mut pool: PoolConfig) -> Self {
        let hold = pool.failback.hold;
        pool.failback.hold = hold.min(HOLD);
        Self { config: Config { pools: vec![pool], ..alone.clone() }, hold }
    }

    fn concerns(&self) -> Vec<Concern> {
        let found = [self.hang(), self.second_attempt(), self.short_hold(), self.budget()];
        found.into_iter().flatten().collect()
    }

    fn pool(&self) -> &PoolConfig {
        &self.config.pools[0]
    }

    /// What comes of a fault of the first priority that begins just after a probe, and lasts so long.
    fn suffer(&self, condition: Condition, lasts: Option<Duration>) -> Option<FaultReport> {
        let pool = self.pool();
        let probe = pool.probe.as_ref();
        let interval = probe.map_or(Duration::from_secs(2), |probe| probe.interval);
        let at = interval.saturating_mul(3) + Duration::from_millis(1);
        let backend = 0;
        let event = |at, condition| {
            let deed = Deed::Fault { backend, condition, spare_probes: false };
            ScriptEvent { at, pool: 0, deed }
        };
        let mut events = vec![event(at, condition)];
        events.extend(lasts.map(|lasts| event(at + lasts, Condition::Well)));
        let rounds = probe.map_or(3, |probe| probe.fall.saturating_add(probe.rise).saturating_add(3));
        let round = interval.saturating_add(probe.map_or(Duration::ZERO, |probe| probe.timeout));
        let reserve = pool.deadline.saturating_mul(2) + pool.evidence.recover + pool.failback.hold;
        let lasts = round.saturating_mul(rounds).saturating_add(at).saturating_add(reserve);
        let (lasts, start) = (lasts.min(LONGEST), Utc::from_millis(0));
        let script = Script { lasts, start, seed: 42, traffic: vec![RATE], events };
        run(&self.config, &script).faults.into_iter().next()
    }

    fn hung(&self) -> Option<FaultReport> {
        self.suffer(Condition::Hang, None)
    }

    /// A request that meets a backend that hangs can be saved only by a move, or a second attempt, within its deadline.
    fn hang(&self) -> Option<Concern> {
        let pool = self.pool();
        let second = pool.attempt_timeout.is_some_and(|limit| limit < pool.deadline);
        if second || pool.replay == Replay::Unsent {
            return None;
        }
        let moved = self.hung()?.moved;
        if moved.is_some_and(|moved| moved <= pool.deadline) {
            return None;
        }
        let deadline = span(pool.deadline);
        let when = moved.map_or("never moves".to_owned(), |moved| format!("moves after {}", shown(moved)));
        let told =
            format!("simulated, the pool {when} when its backend hangs: no request is saved within the deadline");
        let (key, message, hint) = match pool.probe.as_ref().map(|probe| (&probe.kind, probe)) {
            None => ("probe", format!("without probes, {told} ({deadline})"), "probe it".to_owned()),
            Some((ProbeKind::Tcp, _)) => {
                let why = "a backend that hangs still accepts connections";
                ("probe.kind", format!("{why}; {told} ({deadline})"), "probe it by \"http\"".to_owned())
            }
            Some((_, probe)) => {
                let rounds = format!("{} probes of up to {}", probe.fall, span(probe.timeout));
                let hint = "a shorter probe.timeout, or fewer probe.fall".to_owned();
                ("probe.timeout", format!("{rounds}; {told} ({deadline})"), hint)
            }
        };
        let hint = format!("{hint}; or an attempt_timeout below half of the deadline, for a second attempt");
        Some(Concern { key: key.to_owned(), message, hint })
    }

    /// After a first attempt that hangs there must be time for another.
    fn second_attempt(&self) -> Option<Concern> {
        let pool = self.pool();
        let limit = pool.attempt_timeout.filter(|limit| *limit <= pool.deadline && *limit * 2 >= pool.deadline)?;
        let moved = self.hung()?.moved;
        if pool.replay == Replay::Unsent || moved.is_some_and(|moved| moved < limit) {
            return None;
        }
        let left = span(pool.deadline - limit);
        let when = moved.map_or("never moves".to_owned(), |moved| format!("moves after {}", shown(moved)));
        let message = format!(
            "after an attempt of {} that hangs, {left} of the deadline ({}) are left for another; simulated, the pool {when}",
            span(limit),
            span(pool.deadline)
        );
        let hint = "less than half of the deadline, so that a second attempt has as long as the first".to_owned();
        Some(Concern { key: "attempt_timeout".to_owned(), message, hint })
    }

    /// A hold is to watch a backend that came back for longer than it took to believe it.
    fn short_hold(&self) -> Option<Concern> {
        let pool = self.pool();
        let probe = pool.probe.as_ref().filter(|_| pool.failback.mode != FailbackMode::Never)?;
        let rise = probe.interval.saturating_mul(probe.rise);
        if self.hold >= rise {
            return None;
        }
        let told = match self.flap() {
            Some((lasted, back)) if pool.failback.mode == FailbackMode::Auto => {
                format!(
                    "; simulated, the pool moves back {} after its backend answers again",
                    shown(back.saturating_sub(lasted))
                )
            }
            _ => String::new(),
        };
        let message = format!(
            "a hold of {} is shorter than what makes a backend healthy ({} probes every {}): it sees less than they did{told}",
            span(self.hold),
            probe.rise,
            span(probe.interval)
        );
        let hint = format!("at least {}; the default is 60 s", span(rise));
        Some(Concern { key: "failback.hold".to_owned(), message, hint })
    }

    /// A backend that dies as soon as the pool is back on it makes the pool move as often as it can.
    fn budget(&self) -> Option<Concern> {
        let pool = self.pool();
        if pool.failback.mode != FailbackMode::Auto {
            return None;
        }
        let (_, back) = self.flap()?;
        let cycle = back + self.hold.saturating_sub(pool.failback.hold);
        let moves = pool.flap.within.as_millis() / cycle.as_millis().max(1) + 1;
        if moves > u128::from(pool.flap.failovers) {
            return None;
        }
        let within = span(pool.flap.within);
        let message = format!(
            "a pool that flaps is never latched: simulated, one failover and the way back take {}, so that there are at most \
             {moves} failovers within {within}, and the budget is {}",
            shown(cycle),
            pool.flap.failovers
        );
        let longer = cycle.saturating_mul(pool.flap.failovers);
        let hint =
            format!("fewer failovers, or within = more than {}", span(Duration::from_secs(longer.as_secs() + 1)));
        Some(Concern { key: "flap".to_owned(), message, hint })
    }

    /// How long a backend is down that comes back once the pool has left it, and when the pool is back on it.
    fn flap(&self) -> Option<(Duration, Duration)> {
        let moved = self.suffer(Condition::Down, None)?.moved?;
        let lasts = moved + Duration::from_millis(1);
        let back = self.suffer(Condition::Down, Some(lasts))?.back?;
        Some((lasts, back))
    }
}
