//! The way back: failed-over, holding, awaiting-approval, and the modes.

use super::*;

#[test]
fn the_way_back_waits_for_the_hold() {
    let mut pool = Pool::two();
    pool.probes(5, 0, "--");
    pool.probes(10, 0, "++");
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    assert_eq!(pool.last().cause, Cause::Recovered);
    assert_eq!(pool.wakeup(), Some(at(70)));
    pool.see(69, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    pool.see(70, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    assert_eq!((pool.last().cause, pool.last().direction), (Cause::HoldOver, Some(Direction::Failback)));
    assert_eq!(pool.wakeup(), None);
}

#[test]
fn a_fall_during_the_hold_starts_it_again() {
    let mut pool = Pool::two();
    pool.probes(5, 0, "--");
    pool.probes(10, 0, "++");
    pool.probes(60, 0, "--");
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    pool.probes(65, 0, "++");
    pool.see(71, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    pool.see(125, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn of_three_the_best_healthy_one_is_moved_back_to() {
    let mut pool = Pool::new(policy(&[1, 2, 3]));
    pool.probes(1, 2, "+");
    pool.probes(2, 0, "--");
    pool.probes(2, 1, "--");
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(2), 2));
    pool.probes(10, 1, "++");
    pool.see(70, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 3), "b is better than c, and a is still down");
    pool.probes(80, 0, "++");
    pool.see(140, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 4));
}

#[test]
fn only_mode_auto_moves_back_by_itself() {
    for (mode, phase) in [
        (FailbackMode::Approve, Phase::AwaitingApproval),
        (FailbackMode::Never, Phase::FailedOver),
        (FailbackMode::Window, Phase::Holding),
    ] {
        let mut pool =
            Pool::new(Policy { failback: FailbackPolicy { mode, ..policy(&[1, 2]).failback }, ..policy(&[1, 2]) });
        pool.probes(5, 0, "--");
        pool.probes(10, 0, "++");
        pool.see(1000, Observation::Tick);
        assert_eq!(pool.stands(), (phase, Some(1), 2), "{mode:?}");
        assert_eq!(pool.wakeup(), None, "{mode:?} waits for somebody, not for a time");
    }
}

fn with(mode: FailbackMode) -> Policy {
    let windows = vec!["00:05-00:10".parse().unwrap()];
    Policy { failback: FailbackPolicy { mode, windows, ..policy(&[1, 2]).failback }, ..policy(&[1, 2]) }
}

/// Failed over at second 5, and the first priority healthy again at second 10.
fn recovered(mode: FailbackMode) -> Pool {
    let mut pool = Pool::healthy(with(mode));
    pool.probes(5, 0, "--");
    pool.probes(10, 0, "++");
    pool
}

#[test]
fn approval_is_asked_for_after_the_hold_and_given_by_an_operator() {
    let mut pool = recovered(FailbackMode::Approve);
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    assert_eq!(
        pool.told(),
        "holding on b (epoch 2): a: 2 probes in a row good; a may be moved back to after 60 s of readiness"
    );
    assert_eq!(pool.wakeup(), Some(at(70)));
    pool.see(70, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::AwaitingApproval, Some(1), 2));
    assert_eq!(pool.last().cause, Cause::HoldOver);
    assert_eq!(
        pool.told(),
        "awaiting-approval on b (epoch 2): a was ready for the hold of 60 s; only an operator moves it back"
    );
    assert_eq!(pool.wakeup(), None);
    pool.order(500, What::Failback).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    assert_eq!(pool.told(), "failback b → a (epoch 3): moved back to a by ann: patch day");
}

#[test]
fn a_fall_while_approval_is_awaited_takes_the_question_back() {
    let mut pool = recovered(FailbackMode::Approve);
    pool.see(70, Observation::Tick);
    pool.probes(80, 0, "--");
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
}

#[test]
fn who_awaits_approval_is_called_home_when_the_standby_dies() {
    let mut pool = recovered(FailbackMode::Approve);
    pool.see(70, Observation::Tick);
    pool.probes(80, 1, "--");
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3), "serving comes first");
}

#[test]
fn an_operator_may_approve_before_the_hold_is_over() {
    let mut pool = recovered(FailbackMode::Approve);
    pool.order(20, What::Failback).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn mode_never_stays_until_an_operator_moves_it_back() {
    let mut pool = recovered(FailbackMode::Never);
    pool.see(100_000, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    pool.order(100_001, What::Failback).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_hold_that_ends_before_the_window_waits_for_it() {
    let mut pool = recovered(FailbackMode::Window);
    assert_eq!(pool.wakeup(), Some(at(300)));
    pool.see(299, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    pool.see(300, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_hold_that_ends_inside_the_window_moves_at_once() {
    let mut pool = Pool::healthy(with(FailbackMode::Window));
    pool.probes(305, 0, "--");
    pool.probes(310, 0, "++");
    assert_eq!(pool.wakeup(), Some(at(370)));
    pool.see(370, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_hold_that_ends_after_the_window_waits_for_the_next_one() {
    let mut pool = Pool::healthy(with(FailbackMode::Window));
    pool.probes(570, 0, "--");
    pool.probes(580, 0, "++");
    pool.see(599, Observation::Tick);
    assert_eq!(pool.wakeup(), Some(at(86_400 + 300)), "the window closes at 600, the hold is over at 640");
    pool.see(86_700, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_wall_clock_that_jumps_into_the_window_opens_it_but_shortens_no_hold() {
    let mut pool = recovered(FailbackMode::Window);
    let jumped = |second: u64| Now { at: at(second), utc: Utc::from_millis(301_000) };
    pool.machine.step(Observation::Tick, jumped(60));
    assert_eq!(pool.machine.phase(), Phase::Holding);
    pool.machine.step(Observation::Tick, jumped(70));
    assert_eq!(pool.machine.phase(), Phase::Steady);
}

#[test]
fn a_config_that_no_longer_asks_for_approval_goes_on_by_itself() {
    let mut pool = recovered(FailbackMode::Approve);
    pool.see(70, Observation::Tick);
    let mut auto = with(FailbackMode::Auto);
    auto.failback.hold = Duration::from_secs(90);
    pool.see(71, Observation::Reload { policy: auto, kept: vec![Some(0), Some(1)] });
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    assert_eq!(pool.wakeup(), Some(at(100)));
    pool.see(100, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}
