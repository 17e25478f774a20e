//! Backends that die, hang and come back.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::a_backend;
use super::world::*;
use crate::model::{Cause, EvidenceKind, Health, Phase, Sign};
use crate::telemetry::WorkerId;

const REFUSED_DIAL: EvidenceKind = EvidenceKind::Failed(Sign::Dial);

#[tokio::test(start_paused = true)]
async fn a_pool_starts_on_its_first_priority_with_its_names_resolved() {
    let rig = Rig::start(two()).await;
    let view = rig.view().await;
    assert_eq!((view.phase, view.epoch), (Phase::Steady, 1));
    assert!(view.backends.iter().all(|backend| backend.health == Health::Healthy && backend.ready));
    assert_eq!(view.backends[0].addresses, ["10.0.0.1:80"]);
    assert_eq!(rig.active(), "weu");
    assert_eq!(rig.pool().epoch_header, "1");
}

#[tokio::test(start_paused = true)]
async fn a_killed_backend_is_given_up_within_milliseconds_of_the_first_evidence() {
    let mut rig = Rig::start(two()).await;
    sleep(Duration::from_millis(700)).await;
    rig.world.set("weu", Mood::Refuses);
    let killed = Instant::now();
    rig.say(0, REFUSED_DIAL);
    let decision = rig.decision().await;
    assert!(killed.elapsed() < Duration::from_millis(60), "{:?}", killed.elapsed());
    assert_eq!(decision.text, "bot: failover weu → neu (epoch 2): weu: 2 probes in a row failed: connection refused");
    assert_eq!((decision.cause, rig.active().as_str()), (Cause::Probes, "neu"));
    assert_eq!(rig.pool().backends[0].health, Health::Unhealthy);
    assert_ne!(rig.pool().backends[1].health, Health::Unhealthy);
    let (_, seconds) = &rig.stats.failover_seconds()[0];
    assert_eq!(seconds.count(), 1);
    assert!(seconds.sum < 0.06, "from the first evidence: {} s", seconds.sum);
}

#[tokio::test(start_paused = true)]
async fn a_hung_backend_is_given_up_within_a_timeout_and_a_half_of_a_slow_request() {
    let mut rig = Rig::start(two()).await;
    sleep(Duration::from_millis(100)).await;
    rig.world.set("weu", Mood::Hangs);
    let hung = Instant::now();
    rig.say(0, EvidenceKind::Slow);
    let decision = rig.decision().await;
    assert!(hung.elapsed() < TIMEOUT * 3 / 2 + Duration::from_millis(100), "{:?}", hung.elapsed());
    assert!(decision.text.ends_with("no answer within 500ms"), "{}", decision.text);
}

#[tokio::test(start_paused = true)]
async fn probes_that_cannot_be_made_say_nothing_about_a_backend() {
    let rig = Rig::start(two()).await;
    sleep(Duration::from_millis(700)).await;
    for backend in ["weu", "neu"] {
        rig.world.set(backend, Mood::Unaskable);
    }
    rig.say(0, EvidenceKind::Slow);
    let probes = rig.world.probes("weu");
    sleep(10 * INTERVAL).await;
    assert!((8..=12).contains(&(rig.world.probes("weu") - probes)), "they go on, and not more often");
    assert_eq!(rig.active(), "weu");
    assert!(rig.pool().backends.iter().all(|backend| backend.health == Health::Healthy));
    rig.world.set("weu", Mood::Refuses);
    sleep(3 * INTERVAL).await;
    assert_eq!(rig.pool().backends[0].health, Health::Unhealthy, "what it does itself counts again");
}

#[tokio::test(start_paused = true)]
async fn without_evidence_the_probes_keep_their_interval() {
    let mut rig = Rig::start(two()).await;
    rig.world.set("weu", Mood::Refuses);
    let began = Instant::now();
    rig.decision().await;
    assert!(began.elapsed() > INTERVAL && began.elapsed() <= 2 * INTERVAL, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_pool_comes_back_after_the_hold_and_not_before() {
    let mut rig = Rig::start(two()).await;
    rig.world.set("weu", Mood::Refuses);
    rig.decision().await;
    rig.world.set("weu", Mood::Good);
    assert_eq!(rig.decision().await.phase, Phase::Holding);
    let held = Instant::now();
    assert_eq!(rig.active(), "neu");
    let back = rig.decision().await;
    assert!(held.elapsed() >= HOLD && held.elapsed() < HOLD + Duration::from_millis(10), "{:?}", held.elapsed());
    assert_eq!((back.phase, back.cause, back.epoch), (Phase::Steady, Cause::HoldOver, 3));
    assert_eq!(rig.active(), "weu");
    assert_eq!(rig.stats.switches().iter().map(|(_, count)| count).sum::<u64>(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_slow_and_whose_probes_are_good_is_not_probed_without_end() {
    let rig = Rig::start(two()).await;
    let mut probes = vec![rig.world.probes("weu")];
    for _ in 0..20 {
        for _ in 0..1000 {
            rig.say(0, EvidenceKind::Slow);
            sleep(Duration::from_millis(1)).await;
        }
        probes.push(rig.world.probes("weu"));
    }
    // Ten times a second at most, and soon no more often than six times in an interval of 2 s.
    assert!((3..=10).contains(&(probes[1] - probes[0])), "{probes:?}");
    assert!(probes[20] - probes[10] <= 31, "{probes:?}");
    assert_eq!(rig.view().await.phase, Phase::Steady);
}

#[tokio::test(start_paused = true)]
async fn failed_traffic_gives_a_backend_up_whatever_its_probes_say() {
    let mut rig = Rig::start(two()).await;
    for _ in 0..5 {
        rig.pool().backends[0].stats.cells.of(WorkerId(0)).weighed.increment();
        rig.say(0, EvidenceKind::Status(503));
    }
    assert_eq!(rig.decision().await.cause, Cause::Evidence);
    assert_eq!(rig.active(), "neu");
}

#[tokio::test(start_paused = true)]
async fn a_few_failures_among_many_attempts_give_nobody_up() {
    let rig = Rig::start(two()).await;
    for _ in 0..100 {
        rig.pool().backends[0].stats.cells.of(WorkerId(1)).weighed.increment();
    }
    for _ in 0..20 {
        rig.say(0, EvidenceKind::Status(503));
    }
    sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.view().await.phase, Phase::Steady);
    assert_eq!(rig.stats.evidence_total(), 20);
}

#[tokio::test(start_paused = true)]
async fn attempts_of_a_quiet_hour_do_not_outweigh_failures_of_now() {
    let mut rig = Rig::start(two()).await;
    for _ in 0..1000 {
        rig.pool().backends[0].stats.cells.of(WorkerId(0)).weighed.increment();
    }
    sleep(Duration::from_secs(60)).await;
    for _ in 0..5 {
        rig.pool().backends[0].stats.cells.of(WorkerId(0)).weighed.increment();
        rig.say(0, EvidenceKind::Failed(Sign::Broken));
    }
    assert_eq!(rig.decision().await.cause, Cause::Evidence);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_is_a_bad_probe_and_the_loop_goes_on() {
    let mut rig = Rig::start(two()).await;
    rig.world.set("weu", Mood::Panics);
    assert_eq!(rig.decision().await.phase, Phase::FailedOver);
    rig.world.set("weu", Mood::Good);
    assert_eq!(rig.decision().await.phase, Phase::Holding);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_while_nothing_changes() {
    let rig = Rig::start(two()).await;
    let generation = rig.snapshots.load().generation;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.snapshots.load().generation, generation);
    assert!(rig.world.probes("weu") > 290);
}

#[tokio::test(start_paused = true)]
async fn changed_addresses_are_published_and_a_vanished_name_keeps_its_last() {
    let rig = Rig::start(two()).await;
    rig.world.resolve("weu.example", Ok("10.0.0.9"));
    sleep(Duration::from_secs(31)).await;
    assert_eq!(*rig.pool().backends[0].addresses, ["10.0.0.9:80".parse().unwrap()]);
    rig.world.resolve("weu.example", Err("NXDOMAIN"));
    sleep(Duration::from_secs(600)).await;
    assert_eq!(*rig.pool().backends[0].addresses, ["10.0.0.9:80".parse().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_dial_asks_for_the_name_again_at_once() {
    let rig = Rig::start(two()).await;
    rig.world.resolve("weu.example", Ok("10.0.0.9"));
    rig.say(0, REFUSED_DIAL);
    sleep(Duration::from_millis(50)).await;
    assert_eq!(*rig.pool().backends[0].addresses, ["10.0.0.9:80".parse().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn what_is_well_is_asked_over_a_new_connection_every_fifth_time() {
    let rig = Rig::start(two()).await;
    sleep(INTERVAL / 2).await;
    let (probes, fresh) = (rig.world.probes("weu"), rig.world.fresh("weu"));
    sleep(20 * INTERVAL).await;
    assert_eq!((rig.world.probes("weu") - probes, rig.world.fresh("weu") - fresh), (20, 4));
}

#[tokio::test(start_paused = true)]
async fn whatever_speaks_against_a_backend_has_it_asked_over_new_connections() {
    let mut rig = Rig::start(two()).await;
    sleep(INTERVAL / 2).await;
    let (probes, fresh) = (rig.world.probes("weu"), rig.world.fresh("weu"));
    // A slow request: it is well after all.
    rig.say(0, EvidenceKind::Slow);
    sleep(INTERVAL / 4).await;
    assert_eq!((rig.world.probes("weu") - probes, rig.world.fresh("weu") - fresh), (1, 1));
    // It is given up, and until it has a good verdict again nothing old is believed.
    rig.world.set("weu", Mood::Refuses);
    rig.say(0, REFUSED_DIAL);
    rig.decision().await;
    let (probes, fresh) = (rig.world.probes("weu"), rig.world.fresh("weu"));
    sleep(5 * INTERVAL).await;
    rig.world.set("weu", Mood::Good);
    while rig.pool().backends[0].health != Health::Healthy {
        sleep(Duration::from_millis(10)).await;
    }
    let (probed, opened) = (rig.world.probes("weu") - probes, rig.world.fresh("weu") - fresh);
    assert!(probed >= 6 && probed == opened, "{probed} probes, {opened} new connections");
}

#[tokio::test(start_paused = true)]
async fn one_pool_that_is_always_busy_keeps_no_other_from_its_turn() {
    let other = pool("other", vec![a_backend("far", 1), a_backend("near", 2)]);
    let mut rig = Rig::start(config(vec![two_backends(), other])).await;
    rig.world.resolve("far.example", Ok("10.0.0.3"));
    sleep(INTERVAL / 2).await;
    let before = rig.world.probes("far");
    for _ in 0..1000 {
        rig.say(0, EvidenceKind::Slow);
        sleep(Duration::from_millis(20)).await;
    }
    assert!((9..=11).contains(&(rig.world.probes("far") - before)), "{}", rig.world.probes("far") - before);
    rig.world.set("far", Mood::Refuses);
    let decision = rig.decision().await;
    assert!(decision.text.starts_with("other: failover far → near"), "{}", decision.text);
}
