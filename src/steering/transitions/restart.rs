//! The process ends, and goes on where it was.

use super::*;

#[test]
fn a_restart_goes_on_where_it_was_and_says_so() {
    let mut pool = Pool::two();
    pool.probes(5, 0, "--");
    let decision = pool.again(20);
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    assert_eq!(
        decision.to_string(),
        "failed-over on b (epoch 2): botgate was started again and goes on where it was: a: 2 probes in a row failed: connection refused"
    );
    assert_eq!((decision.before, decision.cause), (Some("b".into()), Cause::Restart));
    let again = pool.again(21);
    assert_eq!(again.reason, decision.reason, "the words do not pile up");
}

#[test]
fn a_restart_while_holding_holds_anew_from_the_first_good_probe() {
    let mut pool = Pool::two();
    pool.probes(5, 0, "--");
    pool.probes(10, 0, "++");
    pool.again(60);
    assert_eq!((pool.stands(), pool.wakeup()), ((Phase::Holding, Some(1), 2), None));
    pool.probes(62, 0, "+");
    assert_eq!((pool.stands(), pool.wakeup()), ((Phase::Holding, Some(1), 2), Some(at(122))));
}

#[test]
fn a_restart_while_holding_learns_that_the_first_priority_fell() {
    let mut pool = Pool::two();
    pool.probes(5, 0, "--");
    pool.probes(10, 0, "++");
    pool.again(60);
    pool.probes(62, 0, "--");
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
}

#[test]
fn a_question_for_approval_outlives_a_restart_and_its_first_parity_checks() {
    let failback = FailbackPolicy { mode: FailbackMode::Approve, ..policy(&[1, 2]).failback };
    let mut pool = Pool::healthy(Policy { failback, ..policy(&[1, 2]) });
    pool.probes(5, 0, "--");
    pool.probes(10, 0, "++");
    pool.see(70, Observation::Tick);
    pool.again(100);
    pool.see(
        101,
        Observation::Parity {
            backend: 0,
            parity: BackendParity { verdict: ParityVerdict::Unknown, required: false, notes: vec![] },
        },
    );
    pool.probes(102, 0, "+");
    assert_eq!(pool.stands().0, Phase::AwaitingApproval, "it is not checked yet");
    pool.parity(103, 0, ParityVerdict::InStep, false);
    assert_eq!(pool.stands().0, Phase::AwaitingApproval);
    pool.order(104, What::Failback).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn pins_drains_latches_and_what_operators_moved_outlive_a_restart() {
    let mut pool = Pool::healthy(policy(&[1, 2, 3]));
    pool.order(5, What::Drain { backend: 2 }).unwrap();
    pool.order(6, What::Pin { backend: 1, lasts: Some(Duration::from_secs(100)), yield_when_down: true }).unwrap();
    let before = pool.machine.standing().pin.clone();
    pool.again(50);
    assert_eq!(pool.machine.standing().pin, before);
    assert_eq!(pool.stands(), (Phase::Pinned, Some(1), 2));
    assert!(pool.machine.backends()[2].drained);
    assert_eq!(pool.wakeup(), Some(at(106)));

    let mut pool = Pool::two();
    pool.order(5, What::Failover { to: None }).unwrap();
    pool.again(50);
    pool.probes(51, 0, "+");
    pool.see(5000, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::AwaitingApproval, Some(1), 2));

    let flap = FlapPolicy { failovers: 1, within: Duration::from_secs(3600) };
    let mut pool = Pool::healthy(Policy { flap, ..policy(&[1, 2]) });
    pool.probes(5, 0, "--");
    pool.probes(10, 0, "++");
    pool.see(70, Observation::Tick);
    pool.again(80);
    pool.probes(81, 0, "+");
    pool.probes(82, 1, "+");
    pool.probes(85, 0, "--");
    assert_eq!(pool.stands(), (Phase::Latched, Some(1), 4), "the first failover is remembered");
    pool.again(90);
    pool.probes(91, 0, "+");
    pool.see(5000, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Latched, Some(1), 4));
}

#[test]
fn a_pin_that_ended_while_nobody_ran_ends_at_the_start() {
    let mut pool = Pool::two();
    pool.order(5, What::Pin { backend: 1, lasts: Some(Duration::from_secs(100)), yield_when_down: false }).unwrap();
    pool.again(500);
    assert_eq!((pool.stands().0, pool.wakeup()), (Phase::Pinned, Some(at(500))));
    pool.see(500, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    assert_eq!(pool.last().cause, Cause::PinOver);
}

#[test]
fn a_pool_that_was_all_down_is_tried_again() {
    let mut pool = Pool::new(Policy { all_down: AllDown::Reject, ..policy(&[1, 2]) });
    pool.probes(5, 0, "--");
    pool.probes(6, 1, "--");
    assert_eq!(pool.stands(), (Phase::AllDown, None, 3));
    let decision = pool.again(10);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 4));
    assert_eq!(
        decision.to_string(),
        "failback none → a (epoch 4): botgate was started again; before, the pool was all-down: b: 2 probes in a row failed: connection refused; no backend is available, and none may be tried"
    );
}

#[test]
fn without_its_active_backend_a_restart_moves_and_says_why() {
    let mut pool = Pool::healthy(policy(&[1, 2, 3]));
    pool.order(5, What::Drill { id: "d1".into(), to: Some(1), lasts: Duration::from_secs(600) }).unwrap();
    let mut left = policy(&[1, 2, 3]);
    left.backends.remove(1);
    let decision = pool.restart(10, left);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    assert_eq!(
        decision.to_string(),
        "failover b → a (epoch 3): botgate was started again, without b, which was active"
    );
}

#[test]
fn a_restart_with_other_priorities_holds_no_phase_that_cannot_be() {
    let mut pool = Pool::two();
    pool.probes(5, 0, "--");
    pool.probes(10, 0, "++");
    pool.restart(20, policy(&[2, 1]));
    assert_eq!(pool.stands(), (Phase::Steady, Some(1), 2));
}

#[test]
fn a_drain_of_the_first_priority_ends_a_restored_hold() {
    let mut pool = Pool::two();
    pool.probes(5, 0, "--");
    pool.probes(10, 0, "++");
    pool.again(20);
    pool.order(21, What::Drain { backend: 0 }).unwrap();
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
}

#[test]
fn a_backend_moved_to_by_force_stays_active_through_a_restart_until_it_is_found_good() {
    let mut pool = Pool::two();
    pool.probes(5, 1, "--");
    pool.force(6, What::Failover { to: Some(1) }).unwrap();
    assert_eq!(
        pool.told(),
        "failover a → b (epoch 2): moved to b by ann: patch day (by force, although b is not ready: it is unhealthy: connection refused); b stays although it is not available"
    );
    pool.again(10);
    pool.probes(11, 0, "+");
    pool.probes(12, 1, "--");
    assert_eq!(pool.stands(), (Phase::AwaitingApproval, Some(1), 2));
    pool.probes(13, 1, "++");
    assert_eq!(
        pool.last().reason,
        "b: 2 probes in a row good; b, moved to by force, is found good; only an operator moves it back"
    );
    pool.probes(14, 1, "--");
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3), "what dies now is another matter");
}
