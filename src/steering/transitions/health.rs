//! Verdicts: steady ⇄ failed-over.

use super::*;

#[test]
fn a_pool_starts_steady_on_its_first_priority() {
    let pool = Pool::new(policy(&[2, 1]));
    assert_eq!(pool.stands(), (Phase::Steady, Some(1), 1));
    assert_eq!(pool.machine.order_of_attempts(), [1, 0]);
    assert_eq!(pool.last().cause, Cause::Start);
}

#[test]
fn equal_priorities_stand_in_order_of_writing() {
    assert_eq!(Pool::new(policy(&[1, 1, 1])).machine.order_of_attempts(), [0, 1, 2]);
}

#[test]
fn a_healthy_standby_comes_before_an_unknown_one() {
    let mut pool = Pool::new(policy(&[1, 2, 3]));
    pool.probes(1, 2, "+");
    assert_eq!(pool.machine.order_of_attempts(), [0, 2, 1], "the active one stays while nothing is known against it");
    pool.probes(1, 0, "--");
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(2), 2));
}

#[test]
fn fall_bad_probes_fail_over_and_say_why() {
    let mut pool = Pool::two();
    pool.probes(5, 0, "-");
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 1));
    pool.probes(6, 0, "-");
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    let decision = pool.last();
    assert_eq!((decision.cause, decision.direction), (Cause::Probes, Some(Direction::Failover)));
    assert_eq!(decision.to_string(), "failover a → b (epoch 2): a: 2 probes in a row failed: connection refused");
    assert_eq!(decision.first_sign, Some(at(5)));
    assert_eq!(decision.grounds[0].health, Health::Unhealthy);
    assert_eq!(pool.machine.order_of_attempts(), [1]);
}

#[test]
fn failed_traffic_fails_over_whatever_probes_say() {
    let mut pool = Pool::two();
    let counted = Tally { failures: 5, attempts: 6 };
    pool.see(5, Observation::Evidence { backend: 0, counted });
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    assert_eq!(pool.last().cause, Cause::Evidence);
    assert_eq!(pool.last().reason, "a: 5 of 6 attempts failed within 10 s");
    pool.probes(6, 0, "+++");
    assert_eq!(pool.stands().0, Phase::FailedOver, "good probes do not count before recover is over");
    pool.probes(26, 0, "++");
    assert_eq!(pool.stands().0, Phase::Holding);
}

#[test]
fn the_first_sign_of_a_failover_is_the_slow_request_that_came_before_the_probes() {
    let mut pool = Pool::two();
    pool.see(3, Observation::Suspect { backend: 0 });
    pool.probes(4, 0, "+");
    pool.see(5, Observation::Suspect { backend: 0 });
    pool.probes(6, 0, "--");
    assert_eq!(pool.last().first_sign, Some(at(5)));
}

#[test]
fn without_probes_time_lifts_what_traffic_said() {
    let mut pool = Pool::new(Policy { probes: None, ..policy(&[1, 2]) });
    let counted = Tally { failures: 9, attempts: 9 };
    pool.see(5, Observation::Evidence { backend: 0, counted });
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    assert_eq!(pool.wakeup(), Some(at(25)));
    pool.see(25, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    pool.see(85, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}
