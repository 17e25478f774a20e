//! What control shows to people: pools and decisions in words.

use super::registry::PoolState;
use crate::model::{BackendView, DecisionView, JournalEntry, Now, PinView, PoolName, PoolView, ProbeView, RunView};
use crate::steering::{Decision, Steering};

/// A pool as the admin API shows it, its backends in order of priority.
pub(super) fn pool(pool: &PoolState, now: Now) -> PoolView {
    let steering = &pool.steering;
    let standing = steering.standing();
    let name = |index: usize| Some(pool.backends.get(index)?.config.name.clone());
    PoolView {
        name: pool.config.name.clone(),
        phase: steering.phase(),
        active: steering.active().and_then(name),
        epoch: steering.epoch(),
        since: steering.since(),
        reason: steering.reason().to_owned(),
        pin: standing.pin.as_ref().and_then(|pin| {
            let (until, yield_when_down) = (pin.until.map(|until| until.utc), pin.yield_when_down);
            Some(PinView { backend: name(pin.backend)?, until, yield_when_down, note: pin.note.clone() })
        }),
        drill: standing.drill.as_ref().and_then(|run| {
            let (target, origin) = (name(run.target)?, name(run.origin)?);
            Some(RunView { id: run.id.clone(), target, origin, until: run.until.utc, note: run.note.clone() })
        }),
        latched: standing.latched,
        flap: steering.flap(now),
        failback_at: steering.failback_at(now).map(|at| now.utc_of(at)),
        backends: steering.ranking().into_iter().filter_map(|index| backend(pool, index)).collect(),
        parity: pool.parity.views(steering.active(), now.utc),
    }
}

fn backend(pool: &PoolState, index: usize) -> Option<BackendView> {
    let (state, steered) = (pool.backends.get(index)?, pool.steering.backends().get(index)?);
    let probe = pool.config.probe.as_ref().map(|_| ProbeView {
        last: state.probed,
        consecutive: steered.probes.streak,
        error: steered.probes.error.clone(),
    });
    Some(BackendView {
        name: state.config.name.clone(),
        url: state.config.url.to_string(),
        priority: state.config.priority,
        health: steered.health(),
        ready: steered.ready(pool.steering.policy()),
        lacks: steered.lacks(pool.steering.policy()),
        drained: steered.drained,
        in_flight: state.stats.in_flight(),
        tunnels: state.stats.tunnels(),
        addresses: state.addresses.iter().map(ToString::to_string).collect(),
        probe,
    })
}

/// A decision as the event stream shows it.
pub(super) fn decision(entry: &JournalEntry, text: String) -> DecisionView {
    DecisionView {
        at: entry.at,
        pool: entry.pool.clone(),
        phase: entry.phase,
        active: entry.after.clone(),
        before: entry.before.clone(),
        epoch: entry.epoch,
        direction: entry.direction,
        cause: entry.cause,
        actor: entry.actor.clone(),
        text,
    }
}

/// A decision as the journal keeps it.
pub(super) fn entry(steering: &Steering, pool: &PoolName, decision: &Decision, now: Now) -> JournalEntry {
    JournalEntry {
        id: 0,
        at: now.utc,
        pool: pool.clone(),
        phase_before: decision.phase_before,
        phase: decision.phase,
        before: decision.before.clone(),
        after: decision.after.clone(),
        epoch: decision.epoch,
        direction: decision.direction,
        cause: decision.cause,
        actor: decision.actor.clone().unwrap_or_else(|| "steering".to_owned()),
        reason: decision.reason.clone(),
        evidence: evidence(steering, decision, now),
        late: false,
    }
}

/// What a decision was made from: the backends, and the rules that held, which a later config may have changed.
fn evidence(steering: &Steering, decision: &Decision, now: Now) -> serde_json::Value {
    let rules = steering.policy();
    let region = steering.region().and_then(|region| rules.backends.get(region));
    let first_sign = decision.first_sign.map(|first| now.utc_of(first));
    serde_json::json!({
        "backends": decision.grounds,
        "first_sign": first_sign,
        "region": region.map(|region| &region.name),
        "rules": {
            "fall": rules.probes.map(|probes| probes.fall),
            "rise": rules.probes.map(|probes| probes.rise),
            "failback": rules.failback.mode.as_str(),
            "hold_seconds": rules.failback.hold.as_secs_f64(),
            "evidence_failures": rules.evidence.failures,
            "evidence_share": rules.evidence.share,
            "evidence_within_seconds": rules.evidence.within.as_secs_f64(),
        },
        "flap": steering.flap(now),
    })
}
