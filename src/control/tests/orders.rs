//! What operators order.

use std::time::Duration;

use tokio::time::sleep;

use super::world::*;
use crate::control::ControlError;
use crate::model::{Cause, Health, Phase};

#[tokio::test(start_paused = true)]
async fn a_drain_is_done_when_its_answer_comes() {
    let mut rig = Rig::start(two()).await;
    let view = rig.drain("weu").await.unwrap();
    assert_eq!(view.pool.active, Some("neu".into()));
    assert!(view.pool.backends[0].drained && !view.pool.backends[0].ready);
    assert_eq!(rig.active(), "neu");
    assert_eq!(rig.pool().order, [1]);
    let decision = rig.decision().await;
    assert_eq!(decision.text, "bot: failover weu → neu (epoch 2): weu drained by ann: patch day");

    let view = rig.resume("weu").await.unwrap();
    assert_eq!((view.pool.phase, view.pool.active), (Phase::Holding, Some("neu".into())));
    assert_eq!(rig.decision().await.cause, Cause::Resumed);
    sleep(HOLD + Duration::from_millis(5)).await;
    assert_eq!(rig.active(), "weu");
}

#[tokio::test(start_paused = true)]
async fn the_last_backend_cannot_be_drained() {
    let rig = Rig::start(two()).await;
    rig.drain("neu").await.unwrap();
    let refused = rig.drain("weu").await.unwrap_err();
    assert!(refused.to_string().contains("resume another one first"), "{refused}");
    assert_eq!(rig.active(), "weu");
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_would_leave_only_dead_backends_is_refused() {
    let mut rig = Rig::start(two()).await;
    rig.world.set("neu", Mood::Refuses);
    sleep(INTERVAL * 4).await;
    assert_eq!(rig.view().await.backends[1].health, Health::Unhealthy);
    let refused = rig.drain("weu").await.unwrap_err();
    assert!(refused.to_string().contains("the only backend"), "{refused}");
    assert_eq!(rig.active(), "weu");
    // A dead one may be taken out at any time.
    rig.drain("neu").await.unwrap();
    rig.resume("neu").await.unwrap();
    let told = (rig.decision().await.cause, rig.decision().await.cause);
    assert_eq!(told, (Cause::Drained, Cause::Resumed), "an order is told although nothing moves");
    rig.world.set("weu", Mood::Refuses);
    assert_eq!(rig.decision().await.phase, Phase::AllDown);
    rig.drain("weu").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wrong_name_is_answered_with_those_there_are() {
    let rig = Rig::start(two()).await;
    let known = vec!["weu".to_owned(), "neu".to_owned()];
    let expected = ControlError::UnknownBackend { pool: "bot".into(), name: "seu".into(), known };
    assert_eq!(rig.drain("seu").await.unwrap_err(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_done_when_its_answer_comes_though_a_successor_writes_the_journal() {
    let rig = Rig::start(two()).await;
    rig.handle.ask::<()>(crate::control::Command::Retire).await.unwrap();
    let view = rig.drain("weu").await.unwrap();
    assert!(!view.journalled);
    assert_eq!(rig.active(), "neu");
}

#[tokio::test]
async fn an_order_is_done_when_its_answer_comes_however_slow_the_disk_is() {
    let rig = Rig::start_on_disk(two()).await;
    for _ in 0..10 {
        assert!(rig.drain("weu").await.unwrap().journalled);
        assert_eq!(rig.pool().order, [1]);
        assert!(rig.resume("weu").await.unwrap().journalled);
        assert_eq!(rig.pool().order, [1, 0]);
    }
}
