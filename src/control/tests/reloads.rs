//! New configs, good and bad.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::world::*;
use crate::config::{Config, HostPattern, RouteConfig};
use crate::control::{Command, Participant, Prepared};
use crate::model::{Health, Phase, ReloadOutcome};

fn applied(outcome: ReloadOutcome) -> (Vec<String>, Vec<String>) {
    match outcome {
        ReloadOutcome::Applied { changes, needs_restart, .. } => (changes, needs_restart),
        ReloadOutcome::Rejected { errors } => panic!("rejected: {errors:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_health_drains_and_identity_of_what_did_not_change() {
    let mut rig = Rig::start(two()).await;
    rig.world.set("weu", Mood::Refuses);
    rig.decision().await;
    let before = rig.pool();
    let mut next = two();
    next.pools[0].deadline = Duration::from_secs(5);
    next.pools[0].backends.push(backend("seu", 3));
    rig.world.resolve("seu.example", Ok("10.0.0.3"));
    let (changes, restart) = applied(rig.reload(Ok(next)).await);
    assert_eq!(changes, ["pool bot, backend seu: added", "pool bot: rules changed"]);
    assert!(restart.is_empty());
    let view = rig.view().await;
    assert_eq!((view.phase, view.epoch), (Phase::FailedOver, 2));
    assert_eq!(view.backends[0].health, Health::Unhealthy, "a reload never marks anything up");
    assert_eq!(view.backends[2].health, Health::Unknown);
    let after = rig.pool();
    assert_eq!(after.config.deadline, Duration::from_secs(5));
    assert_eq!(*after.backends[2].addresses, ["10.0.0.3:80".parse().unwrap()], "resolved before it may be used");
    for (was, is) in before.backends.iter().zip(&after.backends) {
        assert_eq!(was.id, is.id);
        assert!(Arc::ptr_eq(&was.stats, &is.stats));
    }
    rig.drain("seu").await.unwrap();
    let same = rig.world.file.lock().unwrap().clone().unwrap();
    applied(rig.reload(Ok(same)).await);
    assert!(rig.view().await.backends[2].drained);
}

#[tokio::test(start_paused = true)]
async fn a_changed_url_is_a_new_backend_with_unknown_health() {
    let rig = Rig::start(two()).await;
    let before = rig.pool();
    let mut next = two();
    next.pools[0].backends[0].url.port = 8080;
    let (changes, _) = applied(rig.reload(Ok(next)).await);
    assert_eq!(changes, ["pool bot, backend weu: now at http://weu.example:8080, its health starts unknown"]);
    assert_ne!(rig.pool().backends[0].id, before.backends[0].id);
    assert_eq!(rig.active(), "neu", "the healthy standby serves until the new one has held");
}

#[tokio::test(start_paused = true)]
async fn an_invalid_config_changes_nothing_and_says_why() {
    let rig = Rig::start(two()).await;
    let before = rig.snapshots.load();
    let outcome = rig.reload(Err("botgate.toml:3:1: unknown key `polo`")).await;
    let errors = vec!["botgate.toml:3:1: unknown key `polo`".to_owned()];
    assert_eq!(outcome, ReloadOutcome::Rejected { errors });
    assert!(Arc::ptr_eq(&before, &rig.snapshots.load()));
    assert_eq!((rig.stats.reloads_applied(), rig.stats.reloads_rejected()), (0, 1));
    assert!(applied(rig.reload(Ok(two())).await).0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn tls_that_cannot_be_set_up_rejects_the_reload_and_names_the_backend() {
    let rig = Rig::start(two()).await;
    let mut next = two();
    next.pools[0].backends[1].url.tls = true;
    next.pools[0].backends[1].ca = Some("/nonexistent/ca.pem".into());
    let ReloadOutcome::Rejected { errors } = rig.reload(Ok(next)).await else { panic!("applied") };
    assert!(errors[0].starts_with("pool bot, backend neu: /nonexistent/ca.pem"), "{errors:?}");
    assert!(!rig.pool().backends[1].config.url.tls);
}

struct Part {
    committed: Arc<AtomicU32>,
    refuse: Arc<AtomicU32>,
}

impl Participant for Part {
    fn prepare(&self, _: &Config) -> Result<Prepared, Vec<String>> {
        if self.refuse.load(Relaxed) > 0 {
            return Err(vec!["the key does not fit the certificate".into()]);
        }
        let committed = self.committed.clone();
        let commit = Box::new(move || {
            committed.fetch_add(1, Relaxed);
        });
        Ok(Prepared { commit, needs_restart: vec!["listener.bind".into()] })
    }
}

#[tokio::test(start_paused = true)]
async fn one_part_that_refuses_keeps_all_others_from_changing() {
    let (committed, refuse) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(1)));
    let willing = Part { committed: committed.clone(), refuse: Arc::default() };
    let unwilling = Part { committed: committed.clone(), refuse: refuse.clone() };
    let rig = Rig::start_with(two(), vec![Arc::new(willing), Arc::new(unwilling)]).await;
    let mut next = two();
    next.workers = Some(4);
    let ReloadOutcome::Rejected { errors } = rig.reload(Ok(next.clone())).await else { panic!("applied") };
    assert_eq!(errors, ["the key does not fit the certificate"]);
    assert_eq!(committed.load(Relaxed), 0);
    refuse.store(0, Relaxed);
    let (_, restart) = applied(rig.reload(Ok(next)).await);
    assert_eq!(restart, ["listener.bind", "workers"]);
    assert_eq!(committed.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn reloads_that_come_while_one_waits_are_all_answered() {
    let rig = Rig::start(two()).await;
    let mut next = two();
    next.pools[0].backends.push(backend("nowhere", 3));
    rig.world.write(Ok(next));
    let asked = tokio::time::Instant::now();
    let ask = || rig.handle.ask(|reply| Command::Reload(None, reply));
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    for outcome in [first, second, third] {
        applied(outcome.unwrap());
    }
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "a name without an answer holds nobody up: {:?}",
        asked.elapsed()
    );
    assert_eq!(rig.stats.reloads_applied(), 2, "those that came meanwhile share one more");
    assert_eq!(rig.pool().backends.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn steering_goes_on_while_a_reload_waits_for_a_name() {
    let mut rig = Rig::start(two()).await;
    let mut next = two();
    next.dns.timeout = Duration::from_secs(1);
    next.pools[0].backends.push(backend("nowhere", 3));
    rig.world.write(Ok(next));
    rig.world.set("weu", Mood::Refuses);
    let handle = rig.handle.clone();
    let reload = tokio::spawn(async move { handle.ask(|reply| Command::Reload(None, reply)).await });
    rig.say(0, crate::model::EvidenceKind::Slow);
    assert_eq!(rig.decision().await.phase, Phase::FailedOver);
    applied(reload.await.unwrap().unwrap());
}

#[tokio::test]
async fn steering_and_orders_go_on_while_a_file_system_hangs() {
    let mut rig = Rig::start(two()).await;
    let (let_go, hang) = std::sync::mpsc::channel::<()>();
    let (hangs, hanging) = tokio::sync::oneshot::channel();
    let world = rig.world.clone();
    let hung = std::thread::spawn(move || {
        let _file = world.file.lock();
        let _ = hangs.send(());
        let _ = hang.recv();
    });
    hanging.await.unwrap();
    let ask = |handle: crate::control::Handle| {
        tokio::spawn(async move { handle.ask(|reply| Command::Reload(None, reply)).await })
    };
    let (first, gone, last) = (ask(rig.handle.clone()), ask(rig.handle.clone()), ask(rig.handle.clone()));
    rig.world.set("weu", Mood::Refuses);
    rig.say(0, crate::model::EvidenceKind::Slow);
    let moved = tokio::time::timeout(Duration::from_secs(20), rig.decision()).await.expect("control hangs");
    assert_eq!(moved.phase, Phase::FailedOver);
    gone.abort();
    drop(let_go);
    hung.join().unwrap();
    for answered in [first, last] {
        applied(answered.await.unwrap().unwrap());
    }
    assert_eq!(rig.stats.reloads_applied(), 2);
}

#[tokio::test]
async fn a_reload_is_answered_once_requests_see_it_however_slow_the_disk_is() {
    let rig = Rig::start_on_disk(two()).await;
    for round in 1..=20 {
        let mut next = two();
        let added = (0..round).map(|i| pool(&format!("pool-{i}"), vec![backend("weu", 1), backend("neu", 2)]));
        next.pools.extend(added);
        applied(rig.reload(Ok(next)).await);
        assert_eq!(rig.snapshots.load().pools.len(), 1 + round, "answered, but not published");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_was_gone_and_is_back_goes_on_where_it_was() {
    let mut rig = Rig::start(two()).await;
    rig.drain("weu").await.unwrap();
    rig.decision().await;
    let mut without = two();
    without.pools[0].name = "other".into();
    without.routes[0].pool = "other".into();
    applied(rig.reload(Ok(without)).await);
    applied(rig.reload(Ok(two())).await);
    let view = rig.view().await;
    assert_eq!(view.epoch, 2, "an epoch never falls: backends refuse what is older");
    assert_eq!((view.active, view.backends[0].drained), (Some("neu".into()), true), "what an operator ordered holds");
    assert_eq!(rig.stats.pools().iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>(), ["bot"]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_follows_no_more_has_its_own_first_priority_again() {
    let pair = |name| pool(name, vec![backend("weu", 1), backend("neu", 2)]);
    let mut qna = pair("qna");
    let rule = crate::model::WhenUnavailable::Stay;
    qna.follow = Some(crate::config::FollowConfig { pool: "bot".into(), when_unavailable: rule });
    let rig = Rig::start(config(vec![pair("bot"), qna])).await;
    rig.drain("weu").await.unwrap();
    let qna = async || rig.handle.ask(Command::Pools).await.unwrap().remove(1);
    assert_eq!((qna().await.phase, qna().await.active), (Phase::Steady, Some("neu".into())), "it went along");
    applied(rig.reload(Ok(config(vec![pair("bot"), pair("qna")]))).await);
    assert_eq!((qna().await.phase, qna().await.active), (Phase::Holding, Some("neu".into())));
    sleep(HOLD + Duration::from_millis(5)).await;
    assert_eq!((qna().await.phase, qna().await.active), (Phase::Steady, Some("weu".into())));
}

#[tokio::test(start_paused = true)]
async fn metrics_show_where_every_pool_stands_from_the_start_and_after_a_reload() {
    let mut config = two();
    config.pools[0].probe = None;
    let rig = Rig::start(config.clone()).await;
    let ready = || rig.stats.pools().into_iter().flat_map(|(_, state)| state.ready).collect::<Vec<_>>();
    assert_eq!(ready(), [("weu".into(), true), ("neu".into(), true)]);
    config.pools[0].backends[1].name = "seu".into();
    applied(rig.reload(Ok(config)).await);
    assert_eq!(ready(), [("weu".into(), true), ("seu".into(), true)]);
}

/// Pools and routes as in the largest config that is promised to swap within 10 ms.
fn large() -> Config {
    let two = |i: usize| vec![backend("weu", 1), backend("neu", 2 + (i as u32 % 2))];
    let mut config = config((0..100).map(|i| pool(&format!("pool-{i}"), two(i))).collect());
    let route = |i: usize| RouteConfig {
        host: HostPattern::Exact(format!("host-{i}.example")),
        path: "/api".into(),
        pool: format!("pool-{}", i % 100).as_str().into(),
        max_body: 1024,
        guard: None,
    };
    config.routes = (0..1000).map(route).collect();
    config
}

#[tokio::test(start_paused = true)]
async fn a_switch_among_a_thousand_routes_shares_all_that_did_not_change() {
    let mut rig = Rig::start(large()).await;
    let before = rig.snapshots.load();
    let asked = Instant::now();
    let order = crate::control::PoolOrder {
        pool: "pool-7".into(),
        what: crate::control::Action::Drain { backend: "weu".into() },
        by: "ann".into(),
        reason: None,
        force: false,
        reply: tokio::sync::oneshot::channel().0,
    };
    let _ = rig
        .handle
        .ask::<crate::model::OrderView>(|reply| Command::Order(crate::control::PoolOrder { reply, ..order }))
        .await;
    let took = asked.elapsed();
    rig.decision().await;
    let after = rig.snapshots.load();
    let rebuilt = before.pools.iter().zip(&after.pools).filter(|(was, is)| !Arc::ptr_eq(was, is)).count();
    assert_eq!(rebuilt, 1);
    assert_eq!(after.routes.find("host-999.example", "/api/x").unwrap().pool, 99);
    assert!(took < Duration::from_millis(10), "order, switch, publication and answer took {took:?}");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.snapshots.load().generation, after.generation);
}
