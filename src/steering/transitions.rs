//! Each transition of the machine, one test each.

use std::time::Duration;

use super::*;
use crate::model::{AllDown, Cause, Direction, FailbackMode, Health, Moment, Now, Phase, Utc, WhenBothBad};

pub(super) fn policy(priorities: &[u32]) -> Policy {
    let backend = |(index, &priority): (usize, &u32)| {
        let name = ["a", "b", "c", "d"][index % 4].into();
        BackendPolicy { name, priority }
    };
    Policy {
        backends: priorities.iter().enumerate().map(backend).collect(),
        probes: Some(ProbePolicy { fall: 2, rise: 2 }),
        evidence: EvidencePolicy {
            failures: Some(5),
            within: Duration::from_secs(10),
            share: 0.5,
            recover: Duration::from_secs(20),
        },
        failback: FailbackPolicy { mode: FailbackMode::Auto, hold: Duration::from_secs(60), windows: vec![] },
        flap: FlapPolicy { failovers: 100, within: Duration::from_secs(3600) },
        all_down: AllDown::TryAll,
        when_both_bad: WhenBothBad::Stay,
        follow: None,
    }
}

fn at(seconds: u64) -> Moment {
    Moment::from_origin(Duration::from_secs(seconds))
}

/// Second 0 is a Thursday, 00:00 UTC.
pub(super) fn now(seconds: u64) -> Now {
    Now { at: at(seconds), utc: Utc::from_millis(seconds as i64 * 1000) }
}

/// A pool on a time line: feeds probes and keeps the decisions.
struct Pool {
    machine: Steering,
    decisions: Vec<Decision>,
    last_second: u64,
}

impl Pool {
    fn new(policy: Policy) -> Self {
        let (machine, start) = Steering::start(policy, now(0));
        Self { machine, decisions: vec![start], last_second: 0 }
    }

    /// Two backends, both healthy at second 1.
    fn two() -> Self {
        let mut pool = Self::new(policy(&[1, 2]));
        pool.probes(1, 0, "+");
        pool.probes(1, 1, "+");
        pool
    }

    fn see(&mut self, second: u64, observation: Observation) -> Step {
        self.last_second = second;
        let step = self.machine.step(observation, now(second));
        self.decisions.extend(step.decision.clone());
        step
    }

    fn probes(&mut self, second: u64, backend: usize, results: &str) {
        for result in results.chars() {
            let result = if result == '+' { Ok(()) } else { Err("connection refused".into()) };
            self.see(second, Observation::Probe { backend, result });
        }
    }

    fn stands(&self) -> (Phase, Option<usize>, u64) {
        (self.machine.phase(), self.machine.active(), self.machine.epoch())
    }

    fn order(&mut self, second: u64, what: What) -> Result<Step, Refused> {
        self.give(second, what, false)
    }

    fn force(&mut self, second: u64, what: What) -> Result<Step, Refused> {
        self.give(second, what, true)
    }

    fn give(&mut self, second: u64, what: What, force: bool) -> Result<Step, Refused> {
        let order = Order { what, by: "ann".into(), reason: Some("patch day".into()), force };
        let step = self.machine.order(&order, now(second))?;
        self.decisions.extend(step.decision.clone());
        Ok(step)
    }

    fn wakeup(&self) -> Option<Moment> {
        self.machine.next_wakeup(now(self.last_second))
    }

    fn last(&self) -> &Decision {
        self.decisions.last().expect("the start")
    }
}

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
