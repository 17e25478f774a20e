//! A new config.

use super::*;

#[test]
fn a_reload_keeps_health_drains_and_the_active_backend() {
    let mut pool = Pool::two();
    pool.probes(5, 0, "--");
    let before = pool.machine.clone();
    let step = pool.see(6, Observation::Reload { policy: policy(&[1, 2]), kept: vec![Some(0), Some(1)] });
    assert_eq!(step, Step::default());
    assert_eq!(pool.machine, before);
}

#[test]
fn a_reload_never_marks_anything_up() {
    let mut pool = Pool::two();
    pool.probes(5, 0, "--");
    let renumbered = Policy { backends: policy(&[1, 2]).backends.into_iter().rev().collect(), ..policy(&[1, 2]) };
    pool.see(6, Observation::Reload { policy: renumbered, kept: vec![Some(1), Some(0)] });
    assert_eq!(pool.machine.backends()[1].health(), Health::Unhealthy);
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(0), 2));
}

#[test]
fn a_changed_url_is_another_backend_that_has_to_prove_itself() {
    let mut pool = Pool::two();
    pool.see(6, Observation::Reload { policy: policy(&[1, 2]), kept: vec![None, Some(1)] });
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    assert_eq!((pool.last().cause, pool.last().direction), (Cause::Reload, Some(Direction::Failover)));
    assert_eq!(pool.machine.backends()[0].health(), Health::Unknown);
    pool.probes(10, 0, "+");
    assert_eq!(pool.stands().0, Phase::Holding);
}

#[test]
fn a_reload_that_takes_the_active_backend_away_moves_once() {
    let mut pool = Pool::two();
    let alone = Policy { backends: policy(&[1, 2]).backends.split_off(1), ..policy(&[1, 2]) };
    pool.see(6, Observation::Reload { policy: alone, kept: vec![Some(1)] });
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 2));
    assert_eq!(pool.last().to_string(), "failover a → b (epoch 2): a new config was applied");
}

#[test]
fn a_new_first_priority_does_not_take_over_before_its_hold() {
    let mut pool = Pool::two();
    pool.see(6, Observation::Reload { policy: policy(&[2, 3, 1]), kept: vec![Some(0), Some(1), None] });
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(0), 1));
    pool.probes(7, 2, "+");
    assert_eq!(pool.stands(), (Phase::Holding, Some(0), 1));
    pool.see(67, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(2), 2));
}

#[test]
fn a_drain_is_about_a_name_and_outlives_a_new_url() {
    let mut pool = Pool::two();
    pool.order(5, What::Drain { backend: 0 }).unwrap();
    pool.see(6, Observation::Reload { policy: policy(&[1, 2]), kept: vec![None, Some(1)] });
    assert!(pool.machine.backends()[0].drained);
}

#[test]
fn a_pin_goes_with_its_backend_and_the_journal_says_so() {
    let mut pool = Pool::two();
    pool.order(5, What::Pin { backend: 1, lasts: None, yield_when_down: false }).unwrap();
    let alone = Policy { backends: policy(&[1]).backends, ..policy(&[1]) };
    pool.see(6, Observation::Reload { policy: alone, kept: vec![Some(0)] });
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    assert_eq!(pool.told(), "failover b → a (epoch 3): a new config was applied; the pin went with its backend b");
}
