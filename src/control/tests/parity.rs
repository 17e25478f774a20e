//! Parity checks in the loop: who is asked when, and what is told.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::world::*;
use crate::config::{Config, Difference, ParityConfig, ParityRequest, ParityRule, Take};
use crate::model::{EvidenceKind, ParityGate, ParityVerdict, ParityView, Sign};
use crate::steering::Sample;

const INTERVAL: Duration = Duration::from_secs(300);

/// Pool `bot` with a check of its backends' numbers.
fn checked(rule: ParityRule) -> Config {
    let mut config = two();
    let pool = &mut config.pools[0];
    let request = |backend: &crate::config::BackendConfig| ParityRequest {
        backend: backend.name.clone(),
        service: std::sync::Arc::new(backend.clone()),
        companion: false,
        method: http::Method::GET,
        path: "/count".into(),
        headers: vec![],
        body: None,
    };
    pool.parity = vec![ParityConfig {
        name: "index size".into(),
        interval: INTERVAL,
        timeout: Duration::from_secs(10),
        gate: ParityGate::Prefer,
        take: Take::Body,
        rule,
        unit: "documents",
        requests: pool.backends.iter().map(request).collect(),
    }];
    config
}

fn few() -> ParityRule {
    ParityRule::MaxDifference(Difference::Absolute(100.0))
}

fn say(rig: &Rig, backend: &str, value: Result<&str, &str>) {
    rig.world.values.lock().unwrap().insert(backend.into(), value.map(Sample::text).map_err(str::to_owned));
}

async fn check(rig: &Rig) -> ParityView {
    rig.view().await.parity.remove(0)
}

/// Waits for verdicts, and tells how long it took.
async fn until(rig: &Rig, wanted: [ParityVerdict; 2]) -> Duration {
    let began = Instant::now();
    loop {
        let view = check(rig).await;
        if view.backends.iter().map(|backend| backend.verdict).eq(wanted) {
            return began.elapsed();
        }
        assert!(began.elapsed() < INTERVAL * 3, "{view:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

use ParityVerdict::{Drifted, InStep, Unknown};

#[tokio::test(start_paused = true)]
async fn a_standby_that_drifts_is_told_within_an_interval_and_one_that_comes_back_too() {
    let rig = Rig::start(checked(few())).await;
    until(&rig, [Unknown, Unknown]).await;
    assert!(check(&rig).await.backends[1].why.as_ref().unwrap().contains("connection refused"));
    say(&rig, "weu", Ok("13002"));
    say(&rig, "neu", Ok("12480"));
    assert!(until(&rig, [InStep, Drifted]).await < Duration::from_secs(40), "a failed question is asked again soon");
    let view = check(&rig).await;
    assert_eq!((view.name.as_str(), view.rule.as_str()), ("index size", "at most 100 from the active's"));
    assert!(view.last.is_some());
    assert_eq!(view.backends[1].value.as_deref(), Some("\"12480\""));
    let why = "12,480 documents against 13,002 on weu (active): 522 apart, at most 100 allowed";
    assert_eq!(view.backends[1].why.as_deref(), Some(why));
    say(&rig, "neu", Ok("13000"));
    let took = until(&rig, [InStep, InStep]).await;
    assert!(took > INTERVAL / 2 && took < INTERVAL * 2, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_fails_is_no_drift() {
    let rig = Rig::start(checked(few())).await;
    say(&rig, "weu", Ok("13002"));
    say(&rig, "neu", Ok("13002"));
    until(&rig, [InStep, InStep]).await;
    say(&rig, "neu", Err("status 503, expected 200-299"));
    until(&rig, [InStep, Unknown]).await;
    assert_eq!(check(&rig).await.backends[1].why.as_deref(), Some("no value: status 503, expected 200-299"));
}

#[tokio::test(start_paused = true)]
async fn after_a_switch_the_new_active_is_the_truth_and_all_are_asked_anew() {
    let mut rig = Rig::start(checked(few())).await;
    say(&rig, "weu", Ok("13002"));
    say(&rig, "neu", Ok("12480"));
    until(&rig, [InStep, Drifted]).await;
    rig.world.set("weu", Mood::Refuses);
    rig.say(0, EvidenceKind::Failed(Sign::Dial));
    rig.decision().await;
    assert!(until(&rig, [Drifted, InStep]).await < Duration::from_secs(1));
    say(&rig, "weu", Ok("12480"));
    assert!(until(&rig, [InStep, InStep]).await < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_an_unchanged_check_found_and_asks_a_changed_one_anew() {
    let rig = Rig::start(checked(few())).await;
    say(&rig, "weu", Ok("13002"));
    say(&rig, "neu", Ok("12480"));
    until(&rig, [InStep, Drifted]).await;
    let last = check(&rig).await.last;
    let mut same = checked(few());
    same.pools[0].keep_alive *= 2;
    rig.reload(Ok(same)).await;
    assert_eq!(check(&rig).await.last, last);
    rig.reload(Ok(checked(ParityRule::MaxDifference(Difference::Share(0.1))))).await;
    assert!(until(&rig, [InStep, InStep]).await < Duration::from_secs(1));
    rig.reload(Ok(two())).await;
    assert!(rig.view().await.parity.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_moves_the_pool_leaves_no_verdict_of_before_the_move() {
    use crate::config::Against;
    let mut config = checked(ParityRule::MaxLag { lag: Duration::from_secs(60), against: Against::Active });
    config.pools[0].failback.hold = Duration::ZERO;
    let rig = Rig::start(config).await;
    say(&rig, "neu", Ok("2026-11-20T00:00:00Z"));
    rig.world.set("weu", Mood::Refuses);
    rig.say(0, EvidenceKind::Failed(Sign::Dial));
    while rig.active() != "neu" {
        sleep(Duration::from_millis(10)).await;
    }
    rig.world.set("weu", Mood::Good);
    until(&rig, [Unknown, InStep]).await;
    // It is found in step, ahead of the active: the pool goes back at once, and from there the other is far behind.
    say(&rig, "weu", Ok("2026-11-22T00:00:00Z"));
    while rig.active() != "weu" {
        sleep(Duration::from_millis(1)).await;
    }
    let view = rig.view().await;
    assert_eq!(view.parity[0].backends[1].verdict, Drifted);
    assert!(!view.backends[1].ready, "{:?}", view.backends[1].lacks);
}
