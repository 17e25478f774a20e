//! What must hold in every history.

use std::time::Duration;

use proptest::prelude::*;

use super::transitions::policy;
use super::*;
use crate::model::{AllDown, Direction, Health, Moment, Phase};

const HOLD: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
enum Act {
    Probe(usize, bool),
    Evidence(usize, u64),
    Suspect(usize),
    Drain(usize),
    Resume(usize),
    Tick,
    Reload(Vec<u32>, Vec<bool>),
}

fn act() -> impl Strategy<Value = Act> {
    let reload = (prop::collection::vec(1u32..4, 1..5), prop::collection::vec(prop::bool::weighted(0.8), 4));
    prop_oneof![
        12 => (0usize..4, prop::bool::weighted(0.6)).prop_map(|(b, good)| Act::Probe(b, good)),
        3 => (0usize..4, 0u64..6).prop_map(|(b, failures)| Act::Evidence(b, failures)),
        1 => (0usize..4).prop_map(Act::Suspect),
        1 => (0usize..4).prop_map(Act::Drain),
        2 => (0usize..4).prop_map(Act::Resume),
        3 => Just(Act::Tick),
        1 => reload.prop_map(|(priorities, kept)| Act::Reload(priorities, kept)),
    ]
}

fn rules(priorities: &[u32], reject: bool, probes: bool) -> Policy {
    let all_down = if reject { AllDown::Reject } else { AllDown::TryAll };
    let base = policy(priorities);
    Policy { hold: HOLD, all_down, probes: base.probes.filter(|_| probes), ..base }
}

/// How long each backend has been ready, followed from the outside.
type Since = Vec<Option<Moment>>;

fn follow(since: &mut Since, machine: &Steering, now: Moment) {
    since.resize(machine.backends().len(), None);
    for (since, state) in since.iter_mut().zip(machine.backends()) {
        *since = state.ready(machine.policy()).then(|| since.unwrap_or(now));
    }
}

fn check(before: &Steering, after: &Steering, step: &Step, reload: bool) -> Result<(), TestCaseError> {
    let backends = after.backends();
    let any = backends.iter().any(BackendState::available);
    match after.active() {
        Some(active) => {
            prop_assert!(!backends[active].drained, "a drained backend is active");
            prop_assert!(backends[active].available() || !any, "a bad backend is active while a good one exists");
            prop_assert_eq!(after.order()[0], active, "a request tries the active backend first");
        }
        None => {
            prop_assert!(!any, "nothing is active while something is available");
            prop_assert!(after.order().is_empty());
        }
    }
    prop_assert_eq!(after.phase() == Phase::AllDown, !any);
    let mut order = after.order();
    prop_assert!(order.iter().all(|&b| !backends[b].drained && (backends[b].available() || !any)));
    order.sort_unstable();
    order.dedup();
    prop_assert_eq!(order.len(), after.order().len(), "no backend is tried twice");

    let switch = step.decision.as_ref().is_some_and(Decision::is_switch);
    prop_assert_eq!(after.epoch(), before.epoch() + u64::from(switch), "the epoch grows with a switch and only then");
    if !reload {
        prop_assert_eq!(switch, before.active() != after.active(), "one decision per change");
    }
    prop_assert_eq!(step.decision.is_some(), switch || before.phase() != after.phase());
    if let Some(decision) = &step.decision {
        prop_assert_eq!(decision.epoch, after.epoch());
        prop_assert_eq!(decision.phase, after.phase());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_rules(
        priorities in prop::collection::vec(1u32..4, 1..5),
        reject: bool,
        probes in prop::bool::weighted(0.8),
        history in prop::collection::vec((0u64..15_000, act()), 0..120),
    ) {
        let mut now = Moment::ZERO;
        let (mut machine, _) = Steering::start(rules(&priorities, reject, probes), now);
        let mut since = Since::new();
        follow(&mut since, &machine, now);
        for (pause, act) in history {
            now = now + Duration::from_millis(pause);
            let before = machine.clone();
            let mut reload = false;
            let observation = match act {
                Act::Probe(backend, good) => {
                    Observation::Probe { backend, result: if good { Ok(()) } else { Err("bad".into()) } }
                }
                Act::Evidence(backend, failures) => {
                    Observation::Evidence { backend, counted: Tally { failures, attempts: 6 } }
                }
                Act::Suspect(backend) => Observation::Suspect { backend },
                Act::Drain(backend) => Observation::Drain { backend, note: String::new() },
                Act::Resume(backend) => Observation::Resume { backend, note: String::new() },
                Act::Tick => Observation::Tick,
                Act::Reload(priorities, keep) => {
                    reload = true;
                    let old = machine.backends().len();
                    let kept: Vec<_> = (0..priorities.len()).map(|b| (keep[b] && b < old).then_some(b)).collect();
                    since = kept.iter().map(|old| old.and_then(|old| since[old])).collect();
                    Observation::Reload { policy: rules(&priorities, reject, probes), kept }
                }
            };
            let step = machine.step(observation, now);
            follow(&mut since, &machine, now);
            check(&before, &machine, &step, reload)?;
            let (old, new) = (before.active(), machine.active());
            let back = step.decision.is_some_and(|d| d.direction == Some(Direction::Failback));
            if let (false, true, Some(old), Some(new)) = (reload, back, old, new) {
                let held = since[new].is_some_and(|since| now.since(since) >= HOLD);
                prop_assert!(held || !machine.backends()[old].available(), "a failback before its hold");
            }
        }

        // The faults end: good probes, nobody drained, and time as the machine asks for it.
        for backend in 0..machine.backends().len() {
            machine.step(Observation::Resume { backend, note: String::new() }, now);
        }
        for _ in 0..60 {
            now = now + Duration::from_secs(5);
            for backend in 0..machine.backends().len() {
                let before = machine.clone();
                let step = machine.step(Observation::Probe { backend, result: Ok(()) }, now);
                check(&before, &machine, &step, false)?;
            }
            prop_assert!(machine.next_wakeup().is_none_or(|at| at > now), "a wake-up that does nothing");
        }
        prop_assert_eq!(machine.phase(), Phase::Steady);
        prop_assert_eq!(machine.active(), machine.policy().ranking().first().copied());
        prop_assert!(machine.backends().iter().all(|b| b.health() != Health::Unhealthy));
    }
}
