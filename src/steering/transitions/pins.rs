//! Pins: held by an operator, and what ends that.

use super::*;

fn pin(backend: usize) -> What {
    What::Pin { backend, lasts: None, yield_when_down: false }
}

fn pin_for(backend: usize, seconds: u64) -> What {
    What::Pin { backend, lasts: Some(Duration::from_secs(seconds)), yield_when_down: false }
}

fn yielding(backend: usize) -> What {
    What::Pin { backend, lasts: None, yield_when_down: true }
}

#[test]
fn a_pin_holds_its_backend_even_when_it_dies() {
    let mut pool = Pool::two();
    pool.order(5, pin(1)).unwrap();
    assert_eq!(pool.stands(), (Phase::Pinned, Some(1), 2));
    assert_eq!(pool.told(), "failover a → b (epoch 2): pinned to b by ann: patch day");
    pool.probes(6, 1, "--");
    pool.probes(7, 0, "--");
    assert_eq!(pool.stands(), (Phase::Pinned, Some(1), 2));
}

#[test]
fn what_is_unpinned_goes_back_after_a_hold_of_its_own() {
    let mut pool = Pool::two();
    pool.order(5, pin(1)).unwrap();
    pool.order(500, What::Unpin).unwrap();
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    assert_eq!(pool.told(), "holding on b (epoch 2): unpinned by ann: patch day; back to a after 60 s of readiness");
    assert_eq!(pool.wakeup(), Some(at(560)));
    pool.see(560, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_pin_ends_at_its_time() {
    let mut pool = Pool::two();
    pool.order(5, pin_for(1, 7200)).unwrap();
    assert_eq!(pool.last().reason, "pinned to b for 2 h by ann: patch day");
    assert_eq!(pool.wakeup(), Some(at(7205)));
    pool.see(7204, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Pinned, Some(1), 2));
    pool.see(7205, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    assert_eq!(pool.last().cause, Cause::PinOver);
    assert_eq!(pool.told(), "holding on b (epoch 2): the pin to b is over; back to a after 60 s of readiness");
}

#[test]
fn a_wall_clock_that_jumps_ends_no_pin_of_this_process() {
    let mut pool = Pool::two();
    pool.order(5, pin_for(1, 100)).unwrap();
    pool.machine.step(Observation::Tick, Now { at: at(6), utc: Utc::from_millis(1_000_000_000) });
    assert_eq!(pool.machine.phase(), Phase::Pinned);
    pool.machine.step(Observation::Tick, Now { at: at(105), utc: Utc::from_millis(-1_000_000) });
    assert_eq!(pool.machine.phase(), Phase::Holding);
}

#[test]
fn a_yielding_pin_gives_way_when_its_backend_dies_and_another_lives() {
    let mut pool = Pool::two();
    pool.order(5, yielding(1)).unwrap();
    pool.probes(6, 1, "--");
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    assert_eq!(pool.told(), "failback b → a (epoch 3): the pin to b gave way: it is unhealthy: connection refused");
}

#[test]
fn a_yielding_pin_holds_when_the_other_is_dead_too() {
    let mut pool = Pool::two();
    pool.order(5, yielding(1)).unwrap();
    pool.probes(6, 0, "--");
    pool.probes(7, 1, "--");
    assert_eq!(pool.stands(), (Phase::Pinned, Some(1), 2));
    pool.probes(8, 0, "++");
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_resume_that_lets_a_pin_give_way_says_both() {
    let mut pool = Pool::two();
    pool.order(2, What::Drain { backend: 0 }).unwrap();
    pool.order(5, yielding(1)).unwrap();
    pool.probes(6, 1, "--");
    pool.order(7, What::Resume { backend: 0 }).unwrap();
    assert_eq!(
        pool.told(),
        "failback b → a (epoch 3): a resumed by ann: patch day; the pin to b gave way: it is unhealthy: connection refused"
    );
}

#[test]
fn a_pin_by_force_onto_a_dead_backend_ends_like_any_other() {
    let mut pool = Pool::two();
    pool.probes(5, 1, "--");
    let refused = pool.order(6, yielding(1)).unwrap_err();
    assert_eq!(refused.to_string(), "b is not ready: it is unhealthy: connection refused");
    assert!(refused.forcible);
    pool.force(6, yielding(1)).unwrap();
    assert_eq!(pool.stands(), (Phase::Pinned, Some(1), 2), "it would else give way in the same instant");
    pool.order(10, What::Unpin).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3), "nothing holds the pool on a dead backend any longer");
}

#[test]
fn a_drained_backend_is_never_pinned() {
    let mut pool = Pool::two();
    pool.order(2, What::Drain { backend: 1 }).unwrap();
    let refused = pool.force(5, pin(1)).unwrap_err();
    assert_eq!((refused.to_string().as_str(), refused.forcible), ("b is drained: resume it first", false));
}

#[test]
fn a_pin_is_prolonged_by_anybody_but_moved_only_by_force() {
    let mut pool = Pool::healthy(policy(&[1, 2, 3]));
    pool.order(5, pin_for(1, 60)).unwrap();
    pool.order(6, pin(1)).unwrap();
    assert_eq!(pool.wakeup(), None);
    let refused = pool.order(7, pin(2)).unwrap_err();
    assert_eq!(refused.to_string(), "the pool is pinned (pinned to b by ann: patch day): unpin it first");
    pool.force(7, pin(2)).unwrap();
    assert_eq!(pool.stands(), (Phase::Pinned, Some(2), 3));
}

#[test]
fn what_is_active_already_is_pinned_even_when_it_is_not_known_to_be_in_step() {
    let mut pool = Pool::two();
    pool.parity(3, 0, ParityVerdict::Unknown, false);
    pool.order(5, pin(0)).unwrap();
    assert_eq!(pool.stands(), (Phase::Pinned, Some(0), 1));
}

#[test]
fn moves_are_refused_while_pinned_and_end_the_pin_by_force() {
    for what in [What::Failover { to: Some(2) }, What::Failback] {
        let mut pool = Pool::healthy(policy(&[1, 2, 3]));
        pool.order(5, pin(1)).unwrap();
        assert!(pool.order(6, what.clone()).unwrap_err().forcible);
        pool.force(6, what).unwrap();
        assert!(pool.machine.standing().pin.is_none());
    }
}

#[test]
fn the_pinned_backend_is_drained_only_by_force() {
    let mut pool = Pool::two();
    pool.order(5, pin(1)).unwrap();
    assert!(pool.order(6, What::Drain { backend: 1 }).unwrap_err().forcible);
    pool.force(6, What::Drain { backend: 1 }).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    assert_eq!(
        pool.told(),
        "failback b → a (epoch 3): b drained by ann: patch day (by force, although the pool is pinned to b: unpin it first)"
    );
}
