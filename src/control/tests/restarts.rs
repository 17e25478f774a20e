//! What a process finds that another has left.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::world::*;
use crate::config::{Config, FollowConfig, PoolConfig};
use crate::control::Command;
use crate::model::{BackendName, Phase, PoolView, WhenUnavailable};

async fn until(rig: &Rig, what: &str, holds: impl Fn(&PoolView) -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds(&rig.view().await) {
        assert!(Instant::now() < end, "never: {what}: {:?}", rig.view().await);
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_is_over_before_the_first_priority_was_probed_is_no_endless_loop() {
    let three = |hold| {
        let mut config = config(vec![pool("bot", vec![backend("weu", 1), backend("neu", 2), backend("seu", 3)])]);
        config.pools[0].failback.hold = hold;
        config
    };
    let rig = Rig::start_on_disk(three(HOLD)).await;
    rig.world.set("weu", Mood::Refuses);
    rig.world.set("neu", Mood::Refuses);
    until(&rig, "on the last", |pool| pool.active == Some("seu".into())).await;
    rig.world.set("neu", Mood::Good);
    until(&rig, "holding", |pool| pool.phase == Phase::Holding).await;
    let rig = rig.restart(three(Duration::ZERO), |world| world.set("weu", Mood::Hangs)).await;
    until(&rig, "back on the second", |pool| pool.active == Some("neu".into())).await;
    assert_eq!(rig.view().await.phase, Phase::FailedOver);
}

fn chain() -> Config {
    let follows = |name: &str, leader: &str| PoolConfig {
        follow: Some(FollowConfig { pool: leader.into(), when_unavailable: WhenUnavailable::Stay }),
        ..pool(name, vec![backend("weu", 1), backend("neu", 2)])
    };
    // Written in an order in which followers come first.
    config(vec![follows("c", "b"), follows("b", "bot"), two_backends()])
}

#[tokio::test(start_paused = true)]
async fn pools_that_follow_one_another_stay_together_across_a_restart() {
    let rig = Rig::start_on_disk(chain()).await;
    rig.drain("weu").await.unwrap();
    let where_all_are = async |rig: &Rig| {
        let pools = rig.handle.ask(Command::Pools).await.unwrap();
        pools.into_iter().map(|pool| (pool.phase, pool.active.unwrap(), pool.epoch)).collect::<Vec<_>>()
    };
    let neu = || BackendName::from("neu");
    let expected = [(Phase::Steady, neu(), 2), (Phase::Steady, neu(), 2), (Phase::FailedOver, neu(), 2)];
    assert_eq!(where_all_are(&rig).await, expected);
    let rig = rig.restart(chain(), |_| ()).await;
    assert_eq!(where_all_are(&rig).await, expected);
    sleep(HOLD * 3).await;
    assert_eq!(where_all_are(&rig).await, expected, "and nobody moves back");
    let rig = rig.restart(two(), |_| ()).await;
    assert_eq!(rig.view().await.epoch, 2);
    let next = chain();
    assert!(matches!(rig.reload(Ok(next)).await, crate::model::ReloadOutcome::Applied { .. }));
    assert_eq!(where_all_are(&rig).await, expected, "what the config lacked for a while is remembered");
}
