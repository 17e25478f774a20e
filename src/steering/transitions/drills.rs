//! Drills: begun, and ended by time, by an operator, by a real failure, or because they hurt.

use super::*;

fn drill(to: Option<usize>) -> What {
    What::Drill { id: "d1".into(), to, lasts: Duration::from_secs(600) }
}

fn drilling() -> Pool {
    let mut pool = Pool::two();
    pool.order(5, drill(None)).unwrap();
    assert_eq!(pool.stands(), (Phase::Drill, Some(1), 2));
    pool
}

#[test]
fn a_drill_moves_away_and_back_at_its_end() {
    let mut pool = drilling();
    assert_eq!(pool.told(), "failover a → b (epoch 2): drill on b for 10 min started by ann: patch day");
    assert_eq!(pool.wakeup(), Some(at(605)));
    pool.see(605, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    assert_eq!(pool.told(), "failback b → a (epoch 3): the drill is over");
    assert_eq!(pool.last().cause, Cause::DrillOver);
}

#[test]
fn an_operator_ends_a_drill() {
    let mut pool = drilling();
    pool.order(100, What::EndDrill).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    assert_eq!(pool.told(), "failback b → a (epoch 3): drill ended, back to a, by ann: patch day");
    assert!(!pool.order(101, What::EndDrill).unwrap_err().forcible);
}

#[test]
fn a_drill_that_hurts_is_given_up_at_once() {
    let mut pool = drilling();
    pool.see(100, Observation::DrillHurts { why: "9 % of requests fail".into() });
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    assert_eq!(pool.told(), "failback b → a (epoch 3): the drill was given up: 9 % of requests fail");
    assert_eq!(pool.last().cause, Cause::DrillAborted);
}

#[test]
fn a_drill_that_hurts_gives_back_to_an_origin_whose_parity_is_not_known_just_now() {
    let mut pool = drilling();
    let unknown = BackendParity { verdict: ParityVerdict::Unknown, ..BackendParity::default() };
    pool.see(99, Observation::Parity { backend: 0, parity: unknown });
    pool.see(100, Observation::DrillHurts { why: "9 % of requests fail".into() });
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_real_failure_of_the_standby_ends_a_drill() {
    let mut pool = drilling();
    pool.probes(100, 1, "--");
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    assert_eq!(pool.told(), "failback b → a (epoch 3): the drill was given up: b: it is unhealthy: connection refused");
}

#[test]
fn a_real_failure_of_the_origin_makes_the_rehearsal_earnest() {
    let mut pool = drilling();
    pool.probes(100, 0, "--");
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    assert_eq!(pool.last().cause, Cause::DrillAborted);
    pool.probes(110, 0, "++");
    pool.see(170, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_drill_whose_both_backends_die_is_all_down() {
    let mut pool = drilling();
    pool.probes(100, 0, "--");
    pool.probes(101, 1, "--");
    assert_eq!(pool.stands(), (Phase::AllDown, Some(1), 2));
}

#[test]
fn a_drill_ends_on_the_standby_when_its_origin_is_not_ready() {
    let mut pool = drilling();
    pool.parity(100, 0, ParityVerdict::Drifted, false);
    pool.order(101, What::EndDrill).unwrap();
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    assert_eq!(
        pool.told(),
        "failed-over on b (epoch 2): drill ended, and its origin is not ready to take over again, by ann: patch day"
    );
}

#[test]
fn a_drill_begins_only_where_nothing_holds_the_pool_and_never_by_force() {
    let mut drained = Pool::two();
    drained.order(2, What::Drain { backend: 0 }).unwrap();
    let mut pinned = Pool::two();
    pinned.order(2, What::Pin { backend: 0, lasts: None, yield_when_down: false }).unwrap();
    let mut unready = Pool::two();
    unready.parity(2, 1, ParityVerdict::Drifted, false);
    for (mut pool, why) in [
        (drained, "a drill begins on the first priority, where nothing holds the pool: it is failed-over"),
        (pinned, "the pool is pinned (pinned to a by ann: patch day): unpin it first"),
        (
            drilling(),
            "a drill is under way (drill on b for 10 min started by ann: patch day): end it first; a drill begins on the first priority, where nothing holds the pool: it is drill",
        ),
        (unready, "no other backend is ready (b: it is out of step: index: 90 of 100)"),
        (Pool::new(policy(&[1])), "the pool has no other backend"),
    ] {
        let refused = pool.force(10, drill(None)).unwrap_err();
        assert_eq!((refused.to_string().as_str(), refused.forcible), (why, false));
    }
}

#[test]
fn orders_that_move_are_refused_during_a_drill_and_end_it_by_force() {
    for what in [
        What::Failover { to: Some(0) },
        What::Pin { backend: 1, lasts: None, yield_when_down: false },
        What::Drain { backend: 1 },
        What::Drain { backend: 0 },
    ] {
        let mut pool = drilling();
        assert!(pool.order(10, what.clone()).unwrap_err().forcible, "{what:?}");
        pool.force(10, what.clone()).unwrap();
        assert!(pool.machine.standing().drill.is_none(), "{what:?}");
        assert_ne!(pool.stands().0, Phase::Drill, "{what:?}");
    }
}

#[test]
fn a_failback_ends_a_drill() {
    let mut pool = drilling();
    pool.order(10, What::Failback).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_reload_that_takes_a_backend_of_a_drill_away_ends_it() {
    for (kept, active, gone) in [(vec![Some(0)], 0, "b"), (vec![Some(1)], 0, "a")] {
        let mut pool = drilling();
        let name = if gone == "a" { 1 } else { 0 };
        let left = Policy { backends: vec![policy(&[1, 2]).backends[name].clone()], ..policy(&[1]) };
        pool.see(10, Observation::Reload { policy: left, kept });
        assert_eq!((pool.machine.phase(), pool.machine.active()), (Phase::Steady, Some(active)));
        let reason = format!("a new config was applied; the drill ended with its backend {gone}");
        assert_eq!(pool.last().reason, reason);
    }
}
