//! The gate: which standby is moved to.

use super::*;

#[test]
fn a_standby_in_step_comes_before_one_of_better_priority_that_is_not() {
    let mut pool = Pool::healthy(policy(&[1, 2, 3]));
    pool.parity(2, 1, ParityVerdict::Drifted, false);
    pool.probes(5, 0, "--");
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(2), 2));
    let b = &pool.last().grounds[1];
    assert_eq!(b.rejected.as_deref(), Some("it is out of step: index: 90 of 100"));
    assert_eq!((b.ready, b.parity.as_slice()), (false, ["index: 90 of 100".to_owned()].as_slice()));
}

#[test]
fn one_that_is_out_of_step_is_better_than_none() {
    let mut pool = Pool::two();
    pool.parity(2, 1, ParityVerdict::Drifted, false);
    pool.probes(5, 0, "--");
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
}

#[test]
fn behind_a_shut_gate_the_pool_goes_only_by_force() {
    let mut pool = Pool::two();
    pool.parity(2, 1, ParityVerdict::Drifted, true);
    pool.probes(5, 0, "--");
    assert_eq!(pool.stands(), (Phase::AllDown, Some(0), 1));
    assert_eq!(
        pool.told(),
        "all-down on a (epoch 1): a: 2 probes in a row failed: connection refused; no other backend is available but b, which is out of step: only an operator moves there, by force"
    );
    let refused = pool.order(6, What::Failover { to: None }).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no other backend is ready (b: it is out of step (gate = \"require\"): index: 90 of 100)"
    );
    assert!(refused.forcible);
    pool.force(7, What::Failover { to: None }).unwrap();
    assert_eq!(pool.stands(), (Phase::AwaitingApproval, Some(1), 2));
}

#[test]
fn a_gate_that_opens_lets_the_pool_out_of_all_down() {
    let mut pool = Pool::two();
    pool.parity(2, 1, ParityVerdict::Drifted, true);
    pool.probes(5, 0, "--");
    pool.parity(6, 1, ParityVerdict::InStep, false);
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    assert_eq!(pool.told(), "failover a → b (epoch 2): b: in step (index: 90 of 100)");
}

#[test]
fn a_drain_does_not_open_a_shut_gate() {
    let mut pool = Pool::two();
    pool.parity(2, 1, ParityVerdict::Drifted, true);
    let refused = pool.order(5, What::Drain { backend: 0 }).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a is the only backend that is available (b: it is out of step (gate = \"require\"): index: 90 of 100)"
    );
}

#[test]
fn the_active_backend_stays_when_it_drifts() {
    let mut pool = Pool::two();
    pool.parity(2, 0, ParityVerdict::Drifted, true);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 1));
}

#[test]
fn a_first_priority_out_of_step_is_not_moved_back_to() {
    let mut pool = Pool::two();
    pool.probes(5, 0, "--");
    pool.parity(6, 0, ParityVerdict::Drifted, false);
    pool.probes(10, 0, "++");
    pool.see(1000, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    pool.parity(1001, 0, ParityVerdict::InStep, false);
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    pool.see(1061, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}
