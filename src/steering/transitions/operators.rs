//! An operator's failover and failback, and what is refused.

use super::*;

#[test]
fn a_failover_waits_for_the_operator_whatever_the_mode_says() {
    let mut pool = Pool::two();
    pool.order(5, What::Failover { to: None }).unwrap();
    assert_eq!(pool.stands(), (Phase::AwaitingApproval, Some(1), 2));
    assert_eq!(pool.told(), "failover a → b (epoch 2): moved to b by ann: patch day; only an operator moves it back");
    pool.see(100_000, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::AwaitingApproval, Some(1), 2));
    pool.order(100_001, What::Failback).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_pool_moved_away_comes_home_when_the_standby_dies() {
    let mut pool = Pool::two();
    pool.order(5, What::Failover { to: None }).unwrap();
    pool.probes(6, 1, "--");
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    pool.probes(10, 1, "++");
    pool.probes(20, 0, "--");
    pool.probes(30, 0, "++");
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 4), "the order is long over");
}

#[test]
fn a_failback_goes_to_the_best_that_is_ready_and_home_only_by_force() {
    let mut pool = Pool::healthy(policy(&[1, 2, 3]));
    pool.probes(5, 0, "--");
    pool.order(6, What::Failover { to: Some(2) }).unwrap();
    pool.order(7, What::Failback).unwrap();
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 4));
    let refused = pool.order(8, What::Failback).unwrap_err();
    assert_eq!(refused.to_string(), "a is not ready: it is unhealthy: connection refused");
    pool.force(8, What::Failback).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 5));
}

#[test]
fn a_backend_that_is_not_ready_is_moved_to_only_by_force() {
    let mut pool = Pool::new(policy(&[1, 2]));
    for to in [None, Some(1)] {
        let refused = pool.order(5, What::Failover { to }).unwrap_err();
        assert!(refused.forcible && refused.to_string().contains("no probe has found it good yet"), "{refused}");
    }
    pool.force(5, What::Failover { to: None }).unwrap();
    assert_eq!(pool.stands().1, Some(1));
}

#[test]
fn what_makes_no_sense_is_refused_whatever_the_force() {
    let mut pool = Pool::two();
    pool.order(2, What::Drain { backend: 1 }).unwrap();
    for (what, why) in [
        (What::Failover { to: Some(0) }, "a is active already"),
        (What::Failover { to: Some(1) }, "b is drained: resume it first"),
        (What::Failover { to: None }, "no other backend is ready (b: it is drained)"),
        (What::Failover { to: Some(7) }, "there is no such backend"),
        (What::Failback, "a is the first priority and active already"),
        (What::Unpin, "the pool is neither pinned nor latched"),
        (What::Drain { backend: 7 }, "there is no such backend"),
        (What::Resume { backend: 7 }, "there is no such backend"),
        (What::Drain { backend: 0 }, "a is the last backend that is not drained: resume another one first"),
        (What::EndDrill, "there is no drill under way"),
    ] {
        let refused = pool.force(5, what).unwrap_err();
        assert_eq!((refused.to_string().as_str(), refused.forcible), (why, false));
    }
}

#[test]
fn the_evidence_of_a_decision_names_samples_counts_and_the_others() {
    let mut pool = Pool::two();
    pool.see(3, Observation::Evidence { backend: 0, counted: Tally { failures: 2, attempts: 9 } });
    pool.probes(4, 0, "-");
    pool.probes(6, 0, "-");
    let a = &pool.last().grounds[0];
    assert_eq!(a.evidence, Tally { failures: 2, attempts: 9 });
    let samples: Vec<_> = a.samples.iter().map(|sample| (sample.ago_ms, sample.error.is_some())).collect();
    assert_eq!(samples, [(5000, false), (2000, true), (0, true)]);
    assert_eq!(a.rejected.as_deref(), Some("it is unhealthy: connection refused"));
    assert_eq!(pool.last().grounds[1].rejected, None);
}

#[test]
fn a_verdict_of_traffic_is_told_with_its_counts_when_they_have_left_the_span() {
    let mut pool = Pool::two();
    pool.see(5, Observation::Evidence { backend: 0, counted: Tally { failures: 5, attempts: 6 } });
    pool.order(18, What::Pin { backend: 1, lasts: None, yield_when_down: false }).unwrap();
    let a = &pool.last().grounds[0];
    assert_eq!(a.rejected.as_deref(), Some("it is unhealthy: 5 of 6 attempts failed"));
}

#[test]
fn what_time_lifts_is_named() {
    let mut pool = Pool::new(Policy { probes: None, ..policy(&[1, 2]) });
    pool.see(5, Observation::Evidence { backend: 0, counted: Tally { failures: 9, attempts: 9 } });
    pool.see(25, Observation::Tick);
    assert_eq!(
        pool.told(),
        "holding on b (epoch 2): a: tried again, 20 s after its requests failed; back to a after 60 s of readiness"
    );
}
