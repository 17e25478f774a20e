//! Histories that once broke a rule, as short as they came to be.

use std::time::Duration;

use super::acts::{Act, Origin, Parity, Rules};
use super::live;
use crate::model::{AllDown, FailbackMode, WhenBothBad, WhenUnavailable};
use crate::steering::What;

fn rules(priorities: &[u32]) -> Rules {
    Rules {
        backends: priorities.iter().enumerate().map(|(index, priority)| (*priority, Origin::Kept(index))).collect(),
        mode: FailbackMode::Auto,
        hold: 20,
        flap: 1,
        window: "00:01-00:02",
        both_bad: WhenBothBad::Stay,
        all_down: AllDown::TryAll,
        probes: true,
        follow: None,
    }
}

fn keeps_the_rules(rules: &Rules, history: &[Act]) {
    let history: Vec<_> = history.iter().map(|act| (0, act.clone())).collect();
    live(rules, &history).unwrap();
}

fn force(what: What) -> Act {
    Act::Order(what, true)
}

#[test]
fn what_was_forced_onto_one_backend_does_not_hold_the_pool_on_the_next() {
    keeps_the_rules(
        &rules(&[1, 1, 1]),
        &[
            Act::Parity(2, Parity::Required),
            Act::Evidence(0, 5),
            Act::Probes(1, false),
            force(What::Failover { to: None }),
            Act::Order(What::Drain { backend: 0 }, false),
        ],
    );
}

#[test]
fn a_restored_hold_gives_way_to_the_one_that_begins() {
    let history = [Act::Probe(1, true), Act::Probes(0, false), Act::Restart(0, None), Act::Probe(2, true), Act::Wake];
    keeps_the_rules(&rules(&[1, 2, 1]), &history);
}

#[test]
fn a_forced_failback_of_a_pool_that_is_latched_and_pinned_to_its_dead_home_stays_there() {
    let pin = What::Pin { backend: 0, lasts: None, yield_when_down: false };
    let history = [
        Act::Probes(0, false),
        Act::Restart(0, None),
        force(What::Failover { to: None }),
        Act::Probes(0, false),
        force(pin),
        force(What::Failback),
    ];
    keeps_the_rules(&rules(&[1, 1]), &history);
}

#[test]
fn a_restart_moves_nothing_even_where_no_hold_is_kept() {
    let changed =
        Rules { hold: 0, probes: false, backends: vec![(1, Origin::Moved(1)), (1, Origin::Kept(0))], ..rules(&[]) };
    keeps_the_rules(&Rules { probes: false, ..rules(&[1]) }, &[Act::Restart(0, Some(changed))]);
}

#[test]
fn a_restored_hold_for_a_second_choice_goes_on_while_the_first_is_drained() {
    let pinned = What::Pin { backend: 3, lasts: Some(Duration::from_secs(1)), yield_when_down: false };
    let history = [
        (0, Act::Probe(2, true)),
        (0, Act::Order(What::Drain { backend: 1 }, false)),
        (0, force(pinned)),
        (0, Act::Probes(0, false)),
        (1000, Act::Tick),
        (0, Act::Restart(0, None)),
    ];
    live(&rules(&[2, 1, 1, 1]), &history).unwrap();
}

#[test]
fn the_end_of_a_pin_and_the_way_back_are_two_decisions_even_without_a_hold() {
    let pinned = What::Pin { backend: 1, lasts: Some(Duration::from_secs(1)), yield_when_down: false };
    let rules = Rules { hold: 0, probes: false, ..rules(&[1, 1]) };
    keeps_the_rules(&rules, &[Act::Order(pinned, false), Act::Wake]);
}

#[test]
fn a_backend_forced_onto_while_it_was_down_is_free_again_where_nothing_probes_it() {
    let rules = Rules { probes: false, ..rules(&[1, 1, 1]) };
    let history = [Act::Evidence(2, 5), force(What::Failover { to: Some(2) }), Act::Restart(0, None)];
    keeps_the_rules(&rules, &history);
}

#[test]
fn a_follower_that_stays_waits_for_its_region_only() {
    let rules = Rules { follow: Some(WhenUnavailable::Stay), ..rules(&[1, 2, 3]) };
    let history = [
        Act::Probe(0, true),
        Act::Probe(1, true),
        Act::Followed(Some(1)),
        Act::Probes(2, false),
        Act::Followed(Some(2)),
        Act::Wake,
    ];
    keeps_the_rules(&rules, &history);
}
