//! No backend is available.

use super::*;

#[test]
fn a_bad_active_stays_when_the_standby_is_worse() {
    let mut pool = Pool::two();
    pool.probes(5, 1, "--");
    pool.probes(6, 0, "--");
    assert_eq!(pool.stands(), (Phase::AllDown, Some(0), 1));
    assert_eq!(pool.machine.order_of_attempts(), [0, 1]);
    pool.probes(7, 1, "++");
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    assert_eq!(pool.last().cause, Cause::Recovered);
}

#[test]
fn out_of_all_down_the_first_priority_needs_no_hold() {
    let mut pool = Pool::two();
    pool.probes(5, 0, "--");
    pool.probes(6, 1, "--");
    assert_eq!(pool.stands(), (Phase::AllDown, Some(1), 2));
    pool.probes(7, 0, "++");
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    assert_eq!(pool.last().direction, Some(Direction::Failback));
}

#[test]
fn reject_leaves_nothing_to_try_when_all_are_down() {
    let mut pool = Pool::new(Policy { all_down: AllDown::Reject, ..policy(&[1, 2]) });
    pool.probes(5, 0, "--");
    pool.probes(6, 1, "--");
    assert_eq!(pool.stands(), (Phase::AllDown, None, 3));
    assert!(pool.machine.order_of_attempts().is_empty());
    pool.probes(7, 1, "++");
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 4));
}

#[test]
fn when_both_are_bad_the_pool_may_go_to_its_first_priority() {
    let rules = Policy { when_both_bad: WhenBothBad::Priority, ..policy(&[1, 2]) };
    let mut pool = Pool::healthy(rules);
    pool.probes(5, 0, "--");
    pool.probes(6, 1, "--");
    assert_eq!(pool.stands(), (Phase::AllDown, Some(0), 3));
    assert_eq!(
        pool.told(),
        "failback b → a (epoch 3): b: 2 probes in a row failed: connection refused; no backend is available, all are tried"
    );
}

#[test]
fn a_drained_first_priority_is_not_gone_to_when_both_are_bad() {
    let rules = Policy { when_both_bad: WhenBothBad::Priority, ..policy(&[1, 2, 3]) };
    let mut pool = Pool::healthy(rules);
    pool.order(2, What::Drain { backend: 0 }).unwrap();
    pool.probes(5, 1, "--");
    pool.probes(6, 2, "--");
    assert_eq!(pool.stands(), (Phase::AllDown, Some(1), 4));
}

#[test]
fn under_reject_the_journal_says_why_no_backend_may_be_tried() {
    let mut pool = Pool::new(Policy { all_down: AllDown::Reject, ..policy(&[1]) });
    pool.probes(5, 0, "--");
    assert_eq!(
        pool.told(),
        "failover a → none (epoch 2): a: 2 probes in a row failed: connection refused; no backend is available, and none may be tried"
    );
    assert_eq!(pool.last().grounds[0].rejected.as_deref(), Some("it is unhealthy: connection refused"));
    let order = pool.force(6, What::Failover { to: Some(0) }).unwrap();
    assert_eq!(order.decision.unwrap().direction, Some(Direction::Failback));
    assert_eq!(pool.stands(), (Phase::AllDown, Some(0), 3), "an operator may have it tried");
}
