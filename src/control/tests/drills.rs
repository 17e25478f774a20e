//! Rehearsed failovers: how they begin, what ends them, what is written of them.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::world::*;
use crate::control::{Command, ControlError, DrillCommand, DrillOrder};
use crate::model::{DrillEnding, DrillReport, DrillState, Phase, Verdict};
use crate::telemetry::WorkerId;

const TEN: Duration = Duration::from_secs(600);

impl Rig {
    async fn drill(&self, pool: &str, to: Option<&str>, window: Option<&str>) -> Result<DrillReport, ControlError> {
        let order = DrillOrder {
            pool: pool.into(),
            to: to.map(Into::into),
            lasts: Some(TEN),
            window: window.map(|window| window.parse().unwrap()),
            by: "ann".into(),
            reason: Some("patch day".into()),
        };
        self.handle.ask(|reply| Command::Drill(DrillCommand::Start(order, reply))).await
    }

    async fn stop(&self, id: &str) -> Result<DrillReport, ControlError> {
        let (id, by, reason) = (id.to_owned(), "bob".to_owned(), Some("enough".to_owned()));
        self.handle.ask(|reply| Command::Drill(DrillCommand::Stop { id, by, reason, reply })).await
    }

    async fn report(&self) -> DrillReport {
        self.handle.ask(|reply| Command::Drill(DrillCommand::Find(None, reply))).await.unwrap().unwrap()
    }

    /// The final report.
    async fn ended(&self) -> DrillReport {
        loop {
            let report = self.report().await;
            if report.state == DrillState::Ended {
                return report;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// One request that this backend answers.
    fn answer(&self, backend: usize, class: usize, took: Duration) {
        let pool = self.pool();
        pool.stats.cells.of(WorkerId(0)).requests.increment();
        let cell = pool.backends[backend].stats.cells.of(WorkerId(0));
        cell.started.increment();
        cell.ended.increment();
        cell.responses[class].increment();
        cell.observe_latency(took);
    }
}

fn why(error: ControlError) -> String {
    error.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_drill_moves_away_serves_and_moves_back_and_its_report_counts_what_ended_in_between() {
    let rig = Rig::start(two()).await;
    sleep(Duration::from_secs(61)).await;
    (0..1000).for_each(|_| rig.answer(0, 0, Duration::from_millis(4)));
    let report = rig.drill("bot", None, None).await.unwrap();
    assert_eq!((report.state, rig.active().as_str()), (DrillState::UnderWay, "neu"));
    let (origin, target) = (report.origin.clone().unwrap(), report.target.clone().unwrap());
    assert_eq!((origin.as_str(), target.as_str()), ("weu", "neu"));
    assert_eq!((report.before.requests, report.before.failed), (1000, 0));
    assert!(report.move_ms.is_some_and(|ms| ms < 60.0), "{report:?}");
    assert_eq!(rig.stats.drill(), Some("bot".into()));
    let began = Instant::now();
    for _ in 0..500 {
        sleep(Duration::from_secs(1)).await;
        rig.answer(1, 0, Duration::from_millis(4));
    }
    rig.answer(1, 2, Duration::from_millis(4));
    let report = rig.ended().await;
    assert!(began.elapsed() >= TEN && began.elapsed() < TEN + Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!((report.ending, report.verdict), (Some(DrillEnding::Over), Some(Verdict::Pass)), "{report:?}");
    assert_eq!((report.during.requests, report.during.failed), (501, 0));
    let neu = report.backends.iter().find(|count| count.name == Some("neu".into())).unwrap();
    assert_eq!(neu.responses, [500, 0, 1, 0]);
    assert!(report.move_back_ms.is_some());
    assert_eq!((rig.active().as_str(), rig.view().await.phase), ("weu", Phase::Steady));
    assert_eq!(rig.stats.drill(), None);
    assert_eq!(rig.stats.drills(), [(("bot".into(), "passed"), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_drill_whose_standby_dies_is_given_up_within_two_probe_intervals() {
    for mood in [Mood::Refuses, Mood::Hangs] {
        let rig = Rig::start(two()).await;
        rig.drill("bot", None, None).await.unwrap();
        sleep(Duration::from_secs(30)).await;
        rig.world.set("neu", mood);
        let died = Instant::now();
        while rig.active() == "neu" {
            sleep(Duration::from_millis(10)).await;
        }
        // A probe that hangs takes its timeout to be bad.
        let bound = 2 * INTERVAL + if matches!(mood, Mood::Hangs) { TIMEOUT } else { Duration::ZERO };
        assert!(died.elapsed() <= bound + Duration::from_millis(100), "{mood:?}: {:?}", died.elapsed());
        let report = rig.ended().await;
        assert_eq!((report.ending, report.verdict), (Some(DrillEnding::Aborted), Some(Verdict::Fail)));
        assert!(report.why.as_ref().is_some_and(|why| why.contains("drill was given up: neu")), "{report:?}");
        assert_eq!(rig.stats.drills(), [(("bot".into(), "aborted"), 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_drill_whose_requests_fail_is_given_up_within_a_second() {
    let rig = Rig::start(two()).await;
    rig.drill("bot", None, None).await.unwrap();
    for _ in 0..50 {
        sleep(Duration::from_millis(20)).await;
        rig.answer(1, 0, Duration::from_millis(4));
    }
    assert_eq!(rig.active(), "neu");
    let turned = Instant::now();
    (0..5).for_each(|_| rig.answer(1, 3, Duration::from_millis(4)));
    let report = rig.ended().await;
    assert!(turned.elapsed() < Duration::from_secs(1), "{:?}", turned.elapsed());
    assert_eq!((report.ending, rig.active().as_str()), (Some(DrillEnding::Aborted), "weu"));
    assert!(report.why.as_ref().is_some_and(|why| why.contains("5 of 55 requests failed")), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drill_whose_origin_dies_ends_at_once_and_stays_where_requests_are_served() {
    let rig = Rig::start(two()).await;
    rig.drill("bot", None, None).await.unwrap();
    rig.world.set("weu", Mood::Refuses);
    let report = rig.ended().await;
    assert_eq!((report.ending, report.verdict), (Some(DrillEnding::Aborted), Some(Verdict::Fail)));
    assert_eq!(report.move_back_ms, None);
    assert!(report.findings.iter().any(|found| found.contains("did not move back to weu")), "{report:?}");
    assert_eq!((rig.active().as_str(), rig.view().await.phase), ("neu", Phase::FailedOver));
}

#[tokio::test(start_paused = true)]
async fn an_operator_ends_a_drill_before_its_time() {
    let rig = Rig::start(two()).await;
    let id = rig.drill("bot", None, None).await.unwrap().id;
    assert!(rig.stop("other").await.map_err(why).unwrap_err().contains(&id));
    let report = rig.stop(&id).await.unwrap();
    assert_eq!((report.ending, rig.active().as_str()), (Some(DrillEnding::Stopped), "weu"));
    let report = rig.ended().await;
    assert_eq!(report.verdict, Some(Verdict::Pass));
    assert!(report.why.as_ref().is_some_and(|why| why.contains("bob: enough")), "{report:?}");
    assert!(rig.stop(&id).await.is_err(), "it is over");
}

#[tokio::test(start_paused = true)]
async fn there_is_one_drill_at_a_time_over_all_pools() {
    let rig = Rig::start(config(vec![
        pool("bot", vec![backend("weu", 1), backend("neu", 2)]),
        pool("qna", vec![backend("weu", 1), backend("neu", 2)]),
    ]))
    .await;
    let id = rig.drill("bot", None, None).await.unwrap().id;
    let refused = why(rig.drill("qna", None, None).await.unwrap_err());
    assert!(refused.contains(&id) && refused.contains("by ann"), "{refused}");
    rig.stop(&id).await.unwrap();
    rig.ended().await;
    assert_ne!(rig.drill("qna", None, None).await.unwrap().id, id);
}

#[tokio::test(start_paused = true)]
async fn a_drill_onto_a_standby_that_is_not_ready_is_refused_with_its_reasons() {
    let rig = Rig::start(two()).await;
    rig.world.set("neu", Mood::Refuses);
    sleep(Duration::from_secs(10)).await;
    let refused = why(rig.drill("bot", None, None).await.unwrap_err());
    assert!(refused.contains("neu") && refused.contains("connection refused"), "{refused}");
    assert!(matches!(rig.drill("bot", Some("sea"), None).await, Err(ControlError::UnknownBackend { .. })));
    assert!(matches!(rig.drill("nope", None, None).await, Err(ControlError::UnknownPool { .. })));
    assert_eq!((rig.view().await.phase, rig.stats.drills().len()), (Phase::Steady, 0));
}

#[tokio::test(start_paused = true)]
async fn a_real_failover_of_another_pool_ends_a_drill() {
    let others = vec![backend("sea", 1), backend("jpe", 2)];
    let rig =
        Rig::start(config(vec![pool("bot", vec![backend("weu", 1), backend("neu", 2)]), pool("qna", others)])).await;
    rig.drill("bot", None, None).await.unwrap();
    rig.world.set("sea", Mood::Refuses);
    let report = rig.ended().await;
    assert_eq!((report.ending, rig.active().as_str()), (Some(DrillEnding::Aborted), "weu"));
    assert!(report.why.as_ref().is_some_and(|why| why.contains("qna failed over")), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_under_way_on_the_standby_are_followed_to_their_end() {
    let rig = Rig::start(two()).await;
    let id = rig.drill("bot", None, None).await.unwrap().id;
    let cell = |rig: &Rig| rig.pool().backends[1].stats.clone();
    cell(&rig).cells.of(WorkerId(1)).started.increment();
    rig.stop(&id).await.unwrap();
    sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.report().await.state, DrillState::Closing);
    let stats = cell(&rig);
    stats.cells.of(WorkerId(1)).ended.increment();
    stats.cells.of(WorkerId(1)).responses[0].increment();
    // What the origin ends by now is not of the drill.
    rig.answer(0, 0, Duration::from_millis(4));
    let report = rig.ended().await;
    assert_eq!(report.during.requests, 1, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_planned_drill_waits_for_its_window_and_can_be_called_off() {
    let rig = Rig::start(two()).await;
    // Half the week away from now, whenever this runs.
    let now = crate::model::Utc::now();
    let window = ["Mon 00:00-00:30", "Thu 12:00-12:30"].into_iter().find(|text| {
        let window: crate::model::Window = text.parse().unwrap();
        window.opens(now).since(now) > Duration::from_secs(86_400)
    });
    let planned = rig.drill("bot", None, window).await.unwrap();
    assert_eq!((planned.state, rig.active().as_str()), (DrillState::Planned, "weu"));
    assert!(planned.window.is_some_and(|window| window.opens > now));
    let id = rig.drill("bot", None, None).await.unwrap().id;
    let all = rig.handle.ask(|reply| Command::Drill(DrillCommand::List(10, reply))).await.unwrap();
    assert_eq!(all.iter().map(|report| report.id.as_str()).collect::<Vec<_>>(), [id.as_str(), &planned.id]);
    let cancelled = rig.stop(&planned.id).await.unwrap();
    assert_eq!((cancelled.ending, cancelled.verdict), (Some(DrillEnding::Cancelled), None));
    assert_eq!(rig.active(), "neu", "the other one goes on");
}

#[tokio::test(start_paused = true)]
async fn a_schedule_begins_one_drill_in_its_window() {
    let mut config = two();
    config.pools[0].drill.windows = vec!["00:00-24:00".parse().unwrap()];
    config.pools[0].drill.lasts = Duration::from_secs(5);
    let rig = Rig::start(config).await;
    while rig.stats.drills().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    let report = rig.ended().await;
    assert_eq!((report.by.as_str(), report.verdict), ("schedule", Some(Verdict::Pass)));
    assert!(report.window.is_some());
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(rig.stats.drills(), [(("bot".into(), "passed"), 1)], "once in its window");
}
