//! Pools that follow another.

use super::*;
use crate::model::WhenUnavailable;

fn follower(rule: WhenUnavailable) -> Pool {
    Pool::healthy(Policy { follow: Some(rule), ..policy(&[1, 2, 3]) })
}

impl Pool {
    fn lead(&mut self, second: u64, region: Option<usize>) {
        let note = "bot-api moved".to_owned();
        self.see(second, Observation::Followed { region, note });
    }
}

#[test]
fn a_follower_goes_along_at_once_and_back_at_once() {
    let mut pool = follower(WhenUnavailable::Stay);
    pool.lead(5, Some(1));
    assert_eq!(pool.stands(), (Phase::Steady, Some(1), 2));
    assert_eq!(pool.told(), "failover a → b (epoch 2): bot-api moved");
    pool.lead(6, Some(0));
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
    assert_eq!(pool.told(), "failback b → a (epoch 3): bot-api moved");
}

#[test]
fn one_that_stays_waits_for_its_backend_there_and_goes_nowhere_else() {
    let mut pool = follower(WhenUnavailable::Stay);
    pool.lead(5, Some(1));
    pool.probes(6, 2, "--");
    pool.lead(100, Some(2));
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2), "a is ready, and no concern of it");
    pool.see(1000, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(1), 2));
    pool.probes(1001, 2, "++");
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    pool.see(1061, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(2), 3));
}

#[test]
fn one_that_goes_by_priority_goes_to_its_own_best_and_then_to_the_region() {
    let mut pool = follower(WhenUnavailable::Priority);
    pool.lead(5, Some(1));
    pool.probes(6, 2, "--");
    pool.lead(100, Some(2));
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(0), 3));
    pool.probes(200, 2, "++");
    pool.see(260, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(2), 4));
}

#[test]
fn its_own_failure_comes_before_the_region() {
    let mut pool = follower(WhenUnavailable::Stay);
    pool.lead(5, Some(1));
    pool.probes(6, 1, "--");
    assert_eq!(pool.stands(), (Phase::FailedOver, Some(0), 3));
}

#[test]
fn a_region_that_the_pool_does_not_have_sends_it_home_after_a_hold() {
    let mut pool = follower(WhenUnavailable::Stay);
    pool.lead(5, Some(1));
    pool.lead(100, None);
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    pool.see(160, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_pinned_follower_goes_to_the_last_region_after_it_is_released_and_a_hold() {
    let mut pool = follower(WhenUnavailable::Stay);
    pool.order(2, What::Pin { backend: 0, lasts: None, yield_when_down: false }).unwrap();
    for (second, region) in [(5, 1), (6, 2), (7, 1), (8, 2)] {
        pool.lead(second, Some(region));
        assert_eq!(pool.stands(), (Phase::Pinned, Some(0), 1));
    }
    pool.order(100, What::Unpin).unwrap();
    assert_eq!(pool.stands(), (Phase::Holding, Some(0), 1));
    pool.see(160, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(2), 2));
}

#[test]
fn a_follower_that_an_operator_moved_away_waits_for_the_operator() {
    let mut pool = follower(WhenUnavailable::Stay);
    pool.order(2, What::Failover { to: Some(2) }).unwrap();
    pool.lead(5, Some(1));
    pool.see(1000, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::AwaitingApproval, Some(2), 2));
    pool.order(1001, What::Failback).unwrap();
    assert_eq!(pool.stands(), (Phase::Steady, Some(1), 3), "its first priority is where the leader is");
}

#[test]
fn a_leader_that_comes_to_where_its_follower_was_moved_ends_the_wait() {
    let mut pool = follower(WhenUnavailable::Stay);
    pool.order(2, What::Failover { to: Some(2) }).unwrap();
    pool.lead(5, Some(2));
    assert_eq!(pool.stands(), (Phase::Steady, Some(2), 2));
    pool.lead(6, Some(0));
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}

#[test]
fn a_latched_follower_stays_until_released() {
    let flap = FlapPolicy { failovers: 1, within: Duration::from_secs(3600) };
    let mut pool = Pool::healthy(Policy { follow: Some(WhenUnavailable::Stay), flap, ..policy(&[1, 2, 3]) });
    pool.probes(5, 0, "--");
    pool.probes(6, 1, "--");
    assert_eq!(pool.stands(), (Phase::Latched, Some(2), 3));
    pool.probes(7, 1, "++");
    pool.lead(10, Some(1));
    assert_eq!(pool.stands(), (Phase::Latched, Some(2), 3));
    pool.order(20, What::Unpin).unwrap();
    assert_eq!(pool.stands(), (Phase::Holding, Some(2), 3));
    pool.see(80, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(1), 4));
}

#[test]
fn a_pool_that_follows_no_longer_goes_by_its_own_priorities() {
    let mut pool = follower(WhenUnavailable::Stay);
    pool.lead(5, Some(1));
    let kept = vec![Some(0), Some(1), Some(2)];
    pool.see(6, Observation::Reload { policy: policy(&[1, 2, 3]), kept });
    assert_eq!(pool.stands(), (Phase::Holding, Some(1), 2));
    pool.see(66, Observation::Tick);
    assert_eq!(pool.stands(), (Phase::Steady, Some(0), 3));
}
