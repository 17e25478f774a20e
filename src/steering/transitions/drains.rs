//! Backends taken out and put back.

use super::*;

#[test]
fn a_drain_moves_away_and_a_resume_comes_back_after_the_hold() {
    let mut pool = Pool::two();
    pool.order(5, What::Drain { backend: 0 }).unwrap();
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    assert_eq!(pool.last().to_string(), "failover a → b (epoch 2): a drained by ann: patch day");
    pool.order(90, What::Resume { backend: 0 }).unwrap();
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    pool.see(149, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    pool.see(150, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_drained_backend_is_not_tried_even_when_all_are_down() {
    let mut pool = Pool::two();
    pool.probes(5, 1, "--");
    let refused = pool.order(6, What::Drain { backend: 0 }).unwrap_err();
    assert!(refused.forcible && refused.to_string().contains("a is the only backend that is available"));
    pool.force(6, What::Drain { backend: 0 }).unwrap();
    assert_eq!(pool.stands(), (Phase::AllDown, Some(1), 2));
    assert_eq!(pool.machine.order_of_attempts(), [1]);
    let refused = pool.force(7, What::Drain { backend: 1 }).unwrap_err();
    assert!(!refused.forcible, "the last one stays");
}
