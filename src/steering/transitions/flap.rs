//! The flap budget: latched, and what releases that.

use super::*;

fn budget(failovers: u32) -> Policy {
    Policy { flap: FlapPolicy { failovers, within: Duration::from_secs(3600) }, ..policy(&[1, 2]) }
}

/// Fails over at `second`, and is home again 80 seconds later, if nothing holds it.
fn round(pool: &mut Pool, second: u64) {
    pool.probes(second, 0, "--");
    pool.probes(second + 10, 0, "++");
    pool.see(second + 70, Observation::Tick);
}

fn latched() -> Pool {
    let mut pool = Pool::healthy(budget(1));
    round(&mut pool, 5);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    round(&mut pool, 100);
    assert_eq!(pool.stands(), (Phase::Latched, Some(1), 4));
    pool
}

#[test]
fn more_failovers_than_the_budget_latch_the_pool_on_the_standby() {
    let pool = latched();
    assert_eq!(
        pool.told(),
        "failover a → b (epoch 4): a: 2 probes in a row failed: connection refused; more than 1 failovers within 1 h: it stays here until released"
    );
    assert_eq!(pool.wakeup(), None);
}

#[test]
fn failovers_far_apart_do_not_latch() {
    let mut pool = Pool::healthy(budget(1));
    round(&mut pool, 5);
    round(&mut pool, 4000);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 5));
}

#[test]
fn failovers_that_operators_order_do_not_count() {
    let mut pool = Pool::healthy(budget(1));
    for second in [5, 10, 15] {
        pool.order(second, What::Failover { to: None }).unwrap();
        pool.order(second + 1, What::Failback).unwrap();
    }
    round(&mut pool, 100);
    assert_eq!(pool.stands().0, Phase::Steady);
}

#[test]
fn a_released_latch_starts_a_hold_and_a_new_budget() {
    let mut pool = latched();
    pool.order(500, What::Unpin).unwrap();
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 4));
    assert_eq!(
        pool.told(),
        "holding on b (epoch 4): released from its latch by ann: patch day; back to a after 60 s of readiness"
    );
    pool.see(560, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 5));
    round(&mut pool, 600);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 7));
}

#[test]
fn a_failback_releases_a_latch_too() {
    let mut pool = latched();
    pool.order(500, What::Failback).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 5));
}

#[test]
fn a_latched_pool_moves_when_its_backend_dies_and_stays_latched() {
    let mut pool = latched();
    pool.probes(500, 1, "--");
    assert_eq!(pool.stands(), (Phase::Latched, Some(0), 5));
    pool.order(501, What::Failback).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 5));
    assert_eq!(pool.last().reason, "released from its latch by ann: patch day");
}

#[test]
fn all_down_and_back_is_latched_still() {
    let mut pool = latched();
    pool.probes(500, 0, "--");
    pool.probes(501, 1, "--");
    assert_eq!(pool.stands(), (Phase::AllDown, Some(1), 4));
    pool.probes(510, 1, "++");
    assert_eq!(pool.stands(), (Phase::Latched, Some(1), 4));
}

#[test]
fn a_latched_pool_may_be_pinned_and_is_latched_after_it() {
    let mut pool = latched();
    pool.order(500, What::Pin { backend: 0, lasts: None, yield_when_down: false }).unwrap();
    assert_eq!(pool.stands(), (Phase::Pinned, Some(0), 5));
    pool.order(501, What::Unpin).unwrap();
    assert_eq!(pool.stands(), (Phase::Latched, Some(0), 5));
}
