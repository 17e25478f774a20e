//! Feeds steering, and carries out what it decides.

use std::collections::HashMap;
use std::time::Duration;

use super::errands::Done;
use super::outside::{ProbeError, ProbeTarget};
use super::parity::Errand;
use super::registry::Place;
use super::{Control, views};
use crate::config::ProbeConfig;
use crate::model::{
    BackendId, Cause, Direction, Evidence, EvidenceKind, Health, JournalEntry, Moment, Phase, PoolName, Sign, Utc,
};
use crate::steering::{Decision, Observation, SAMPLE, Step, Tally, jittered};
use crate::telemetry::{ParityStat, SwitchKey};

/// Probes whose time is left to chance leave at beats of so small a part of their interval: a thousand of them wake this
/// thread twenty times a second, and not each for itself.
const BEAT: f64 = 1.0 / 40.0;
/// But of no more than this part of what is left to chance: it stays chance.
const OF_JITTER: f64 = 1.0 / 4.0;

/// What live traffic said of one backend in one batch.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    /// Attempts that failed or were refused; all others were slow.
    failures: u64,
    dial: bool,
}

impl Control {
    /// Shows steering one observation. What it decides is carried out by the next [`Control::publish`].
    pub(super) fn observe(&mut self, pool: usize, observation: Observation) {
        let now = self.time.both();
        let Some(state) = self.registry.pools.get_mut(pool) else { return };
        let step = state.steering.step(observation, now);
        self.follow_step(pool, step);
    }

    /// Tells of what a step changed, and keeps its decision for the next publication.
    pub(super) fn follow_step(&mut self, pool: usize, step: Step) {
        let Some(state) = self.registry.pools.get_mut(pool) else { return };
        state.show(&self.stats);
        for (index, was) in step.health {
            let (Some(backend), Some(steered)) = (state.backends.get(index), state.steering.backends().get(index))
            else {
                continue;
            };
            let (is, error) = (steered.health(), steered.probes.error.as_deref().unwrap_or_default());
            let (pool, backend) = (&state.config.name, &backend.config.name);
            let why = if error.is_empty() { String::new() } else { format!(": {error}") };
            tracing::info!("{pool}/{backend}: {was} → {is}{why}");
        }
        let decided = step.decision.map(|decision| (state.config.name.clone(), decision));
        self.registry.touch(pool);
        if let Some((name, decision)) = decided {
            let switch = decision.is_switch();
            self.record(name, decision);
            if switch {
                let now = self.time.now();
                self.registry.pools[pool].parity.switched(now);
                // Another backend is the truth now.
                self.compare_parity(pool);
                self.lead(pool);
            }
        }
    }

    /// Compares what the parity checks found last, and shows steering every verdict that is another than before. What has
    /// drifted is an alarm while it can still be mended.
    pub(super) fn compare_parity(&mut self, pool: usize) {
        let utc = self.time.both().utc;
        let state = &mut self.registry.pools[pool];
        let active = state.steering.active();
        let views = state.parity.views(active, utc);
        let stats = views.iter().flat_map(|check| {
            check.backends.iter().filter_map(|found| {
                let (check, backend) = (check.name.clone(), found.backend.clone());
                Some(ParityStat { check, backend, verdict: found.verdict.metric()? })
            })
        });
        self.stats.set_parity(&state.config.name, stats.collect());
        for (backend, parity) in state.parity.news(active, utc) {
            let (name, notes) = (&state.config.name, parity.notes.join("; "));
            if parity.drifted() {
                tracing::warn!("{name}/{backend}: out of step: {notes}");
            } else {
                let why = if notes.is_empty() { String::new() } else { format!(": {notes}") };
                tracing::info!("{name}/{backend}: parity {}{why}", parity.verdict);
            }
        }
        for (backend, parity) in state.parity.verdicts(active, utc).into_iter().enumerate() {
            let known = self.registry.pools[pool].steering.backends().get(backend);
            if known.is_some_and(|known| known.parity != parity) {
                self.observe(pool, Observation::Parity { backend, parity });
            }
            // What is compared with is another's now: all was compared anew, and the rest of this is of before.
            if self.registry.pools[pool].steering.active() != active {
                return;
            }
        }
    }

    /// Takes the pools that follow this one along.
    fn lead(&mut self, leader: usize) {
        for (pool, observation) in self.registry.followers(leader) {
            self.observe(pool, observation);
        }
    }

    /// Takes evidence in: every backend it is about becomes a suspect, and failures are weighed.
    pub(super) fn take_evidence(&mut self, batch: &[Evidence]) {
        self.stats.evidence_received(batch.len() as u64);
        let mut said: HashMap<BackendId, Said> = HashMap::new();
        for evidence in batch {
            let said = said.entry(evidence.backend).or_default();
            said.failures += u64::from(evidence.kind != EvidenceKind::Slow);
            said.dial |= evidence.kind == EvidenceKind::Failed(Sign::Dial);
        }
        let now = self.time.now();
        for (id, said) in said {
            // A backend that a reload took away may still be heard of.
            let Some(place) = self.registry.place(id) else { continue };
            let pool = &mut self.registry.pools[place.pool];
            let backend = &mut pool.backends[place.backend];
            if pool.steering.backends()[place.backend].health() != Health::Unhealthy {
                let interval = pool.config.probe.as_ref().map_or(Duration::MAX, |probe| probe.interval);
                backend.schedule.suspected(now, said.failures == 0, interval);
            }
            if said.dial {
                self.names.force(&backend.config.url.host, now);
            }
            self.registry.agenda.mark(place.pool);
            self.observe(place.pool, Observation::Suspect { backend: place.backend });
            self.weigh(place, said.failures);
        }
    }

    /// Counts the attempts of all backends whose traffic may lead to a verdict.
    pub(super) fn sample(&mut self, now: Moment) {
        if now < self.next_sample {
            return;
        }
        self.next_sample = now + SAMPLE;
        // What is due when was reckoned by a clock on the wall that may have been set since.
        self.registry.agenda.mark_all();
        for pool in 0..self.registry.pools.len() {
            for backend in 0..self.registry.pools[pool].backends.len() {
                self.weigh(Place { pool, backend }, 0);
            }
        }
    }

    fn weigh(&mut self, place: Place, failures: u64) {
        let pool = &mut self.registry.pools[place.pool];
        if pool.config.evidence.failures.is_none() {
            return;
        }
        let backend = &mut pool.backends[place.backend];
        let weighed = backend.stats.cells.sum(|cell| &cell.weighed);
        let attempts = weighed.wrapping_sub(std::mem::replace(&mut backend.attempts, weighed));
        if attempts > 0 || failures > 0 {
            let counted = Tally { failures, attempts };
            self.observe(place.pool, Observation::Evidence { backend: place.backend, counted });
        }
    }

    /// Takes an errand's result in.
    pub(super) fn take_done(&mut self, done: Done) {
        let now = self.time.now();
        match done {
            Done::Probe { backend, result, took } => {
                let Some(place) = self.registry.place(backend) else { return };
                self.registry.agenda.mark(place.pool);
                let pool = &mut self.registry.pools[place.pool];
                let state = &mut pool.backends[place.backend];
                let result = match result {
                    Err(ProbeError::Unmade(why)) => {
                        let (pool_name, backend) = (&pool.config.name, &state.config.name);
                        tracing::warn!("{pool_name}/{backend} cannot be probed, and stays as it is: {why}");
                        let interval = pool.config.probe.as_ref().map_or(Duration::MAX, |probe| probe.interval);
                        // No verdict, so nothing to be quick about: the next one in its turn.
                        state.schedule.ended(now, true, false, interval);
                        return;
                    }
                    Err(ProbeError::Bad(why)) => Err(why),
                    Ok(()) => Ok(()),
                };
                state.probed = Some(Utc::now());
                self.stats.probed(&pool.config.name, &state.config.name, took);
                let good = result.is_ok();
                self.observe(place.pool, Observation::Probe { backend: place.backend, result });
                let pool = &mut self.registry.pools[place.pool];
                let given_up = pool.steering.backends()[place.backend].health() == Health::Unhealthy;
                let interval = pool.config.probe.as_ref().map_or(Duration::MAX, |probe| probe.interval);
                pool.backends[place.backend].schedule.ended(now, good, given_up, interval);
            }
            Done::Parity { backend, tag, result } => {
                let Some(place) = self.registry.place(backend) else { return };
                self.registry.agenda.mark(place.pool);
                let now = self.time.both();
                if self.registry.pools[place.pool].parity.record(&tag, place.backend, result, now) {
                    self.compare_parity(place.pool);
                }
            }
            Done::Keys { source, result } => self.take_keys(&source, result),
            Done::Ocsp { fingerprint, result } => self.take_ocsp(&fingerprint, result),
            Done::Load(loaded) => self.build_reload(loaded),
            Done::Lookup { host, answer } => {
                if self.names.answered(&host, answer, &self.dns().dns, now) {
                    self.registry.readdress(&host, &self.names);
                }
            }
        }
    }

    /// Starts the probes, parity rounds and look-ups that are due.
    pub(super) fn start_errands(&mut self, now: Moment) {
        let registry = &mut self.registry;
        for &pool in registry.agenda.marked() {
            let pool = &mut registry.pools[pool];
            for Errand { backend, tag, target } in pool.parity.take_due(now, &self.names) {
                let Some(id) = pool.backends.get(backend).map(|backend| backend.id) else { continue };
                self.errands.parity(&self.outside, id, tag, target);
            }
            let Some(probe) = &pool.config.probe else { continue };
            let steered = pool.backends.iter_mut().zip(pool.steering.backends());
            for (backend, steered) in steered.filter(|(backend, _)| backend.schedule.due(now)) {
                let interval = jittered(probe.interval, probe.jitter, fastrand::f64());
                let interval = in_step(now, interval, probe);
                let well = steered.health() == Health::Healthy && steered.probes.last_was_good();
                let fresh = backend.turns.opens(well && !backend.schedule.is_suspect(), probe.interval);
                let probe = ProbeConfig { timeout: backend.schedule.patience(probe.timeout), ..probe.clone() };
                backend.schedule.started(now, interval);
                let target = ProbeTarget {
                    probe,
                    backend: backend.config.clone(),
                    tls: backend.tls.clone(),
                    addresses: backend.addresses.clone(),
                    fresh,
                    kept: backend.kept.clone(),
                };
                self.errands.probe(&self.outside, backend.id, target);
            }
        }
        let config = self.dns();
        for source in self.registry.keys.take_due(now) {
            self.errands.keys(&self.outside, source, &config.dns);
        }
        for host in self.names.take_due(now) {
            self.errands.lookup(&self.outside, host, &config.dns);
        }
    }

    /// Publishes what changed, unless it has to wait for the disk; then tells of the decisions that led to it: who hears of a
    /// switch finds it done.
    pub(super) fn publish(&mut self) {
        self.hear_journal();
        if self.durable.holds(self.time.now()) {
            return;
        }
        let began = std::time::Instant::now();
        if self.registry.refresh() {
            self.generation += 1;
            self.cell.publish(self.registry.snapshot(self.generation));
            self.stats.published();
            self.show_keys();
            let took = began.elapsed();
            tracing::debug!(generation = self.generation, ?took, "published a snapshot");
        }
        self.tell();
    }

    pub(super) fn announce(&self, pool: &PoolName, decision: &Decision, entry: &JournalEntry) {
        if let Some(direction) = decision.direction {
            let answers_trouble =
                direction == Direction::Failover && matches!(decision.cause, Cause::Probes | Cause::Evidence);
            let first = decision.first_sign.filter(|_| answers_trouble);
            let took = first.map(|first| self.time.now().since(first));
            self.stats.switched(SwitchKey { pool: pool.clone(), direction, cause: decision.cause }, took);
        }
        let view = views::decision(entry, format!("{pool}: {decision}"));
        if matches!(decision.phase, Phase::AllDown | Phase::Latched) {
            tracing::warn!("{}", view.text);
        } else {
            tracing::info!("{}", view.text);
        }
        // Nobody may be listening.
        let _ = self.events.send(view);
    }
}

/// A pause until the next probe, moved by half a beat at most to where others leave.
fn in_step(now: Moment, pause: Duration, probe: &ProbeConfig) -> Duration {
    let beat = probe.interval.mul_f64(BEAT.min(probe.jitter.max(0.0) * OF_JITTER)).as_nanos();
    if beat == 0 {
        return pause;
    }
    let at = (now + pause).since(Moment::ZERO).as_nanos();
    let (late, half) = ((at + beat / 2) % beat, beat / 2);
    let nanos = |nanos| Duration::from_nanos(u64::try_from(nanos).unwrap_or_default());
    (pause + nanos(half)).saturating_sub(nanos(late))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProbeKind;

    #[test]
    fn probes_that_are_left_to_chance_leave_together_and_those_that_are_not_leave_exactly_then() {
        let interval = Duration::from_secs(2);
        let (kind, timeout) = (ProbeKind::Tcp, interval);
        let mut probe = ProbeConfig { kind, interval, timeout, fall: 1, rise: 1, jitter: 0.1 };
        let now = Moment::from_origin(Duration::from_micros(7_123_456));
        for (pause, at) in [(2_050_000, 9_150), (1_950_000, 9_050), (1_951_544, 9_100), (2_076_544, 9_200)] {
            let pause = in_step(now, Duration::from_micros(pause), &probe);
            assert_eq!(now + pause, Moment::from_origin(Duration::from_millis(at)));
        }
        probe.jitter = 0.02;
        let pause = in_step(now, Duration::from_micros(2_003_000), &probe);
        assert_eq!(
            now + pause,
            Moment::from_origin(Duration::from_millis(9_130)),
            "the less is left to chance the less it moves"
        );
        probe.jitter = 0.0;
        assert_eq!(in_step(now, interval, &probe), interval);
    }
}
