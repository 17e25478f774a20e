//! Each phase and each way out of it (design, section 4), on the real binary. Regions are processes: killed, stopped,
//! resumed. What happened is read from the journal.

use std::time::Duration;

use serde_json::json;

use crate::support::Outcome;
use crate::support::site::{HOST, pool_of};
use crate::support::stage::{QUICK, Stage, tell};
use crate::support::wait::together;

/// Longer than a hold and a few probes: what has not moved by then does not move by itself.
const LONG: Duration = Duration::from_millis(2500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steady_failed_over_holding_and_back() -> Outcome<()> {
    let _machine = together().await;
    let mut stage = Stage::new(2, "failback = { hold = \"1500ms\" }").await;
    stage.until("steady", "one").await;
    stage.regions[0].process.sigstop();
    stage.until("failed-over", "two").await;
    assert!(stage.explain().contains("two"), "{}", stage.explain());
    stage.regions[0].process.sigcont();
    stage.until("holding", "two").await;
    stage.regions[0].process.sigkill();
    stage.until("failed-over", "two").await;
    stage.revive(0).await;
    stage.until("holding", "two").await;
    stage.until("steady", "one").await;
    let journal = stage.journal("bot").await;
    let expected = [
        tell("steady", "steady", "", "one", "start"),
        tell("steady", "failed-over", "one", "two", "probes"),
        tell("failed-over", "holding", "two", "two", "recovered"),
        tell("holding", "failed-over", "two", "two", "probes"),
        tell("failed-over", "holding", "two", "two", "recovered"),
        tell("holding", "steady", "two", "one", "hold-over"),
    ];
    assert_eq!(journal, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awaiting_approval_until_an_operator_moves_it_back() -> Outcome<()> {
    let _machine = together().await;
    let stage = Stage::new(2, "failback = { mode = \"approve\", hold = \"500ms\" }").await;
    stage.regions[0].process.sigstop();
    stage.until("failed-over", "two").await;
    let refused = stage.order("failback", json!({})).await;
    assert_eq!(refused.status, 409, "not onto a backend that is down: {}", refused.text());
    assert!(refused.text().contains("one is not ready"), "{}", refused.text());
    stage.regions[0].process.sigcont();
    stage.until("awaiting-approval", "two").await;
    stage.stays("awaiting-approval", "two", LONG).await;
    let explained = stage.explain();
    assert!(explained.contains("botgate failback bot"), "{explained}");
    stage.ordered("failback", json!({})).await;
    assert_eq!(stage.stands("bot").await, ("steady".into(), "one".into()), "done when the answer comes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_back_by_itself() -> Outcome<()> {
    let _machine = together().await;
    let stage = Stage::new(2, "failback = { mode = \"never\", hold = \"300ms\" }").await;
    stage.regions[0].process.sigstop();
    stage.until("failed-over", "two").await;
    stage.regions[0].process.sigcont();
    stage.gateway.until_health("bot", "one", "healthy").await;
    stage.stays("failed-over", "two", LONG).await;
    stage.ordered("failback", json!({})).await;
    stage.until("steady", "one").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn back_only_inside_a_window() -> Outcome<()> {
    let _machine = together().await;
    // Closed for hours before and after now.
    let now = jiff::Timestamp::now();
    let hour = |offset: i64| (now + jiff::SignedDuration::from_hours(offset)).strftime("%H:%M").to_string();
    let keys = |from: i64, to: i64| {
        format!("failback = {{ mode = \"window\", hold = \"300ms\", windows = [\"{}-{}\"] }}", hour(from), hour(to))
    };
    let stage = Stage::new(2, &keys(4, 6)).await;
    stage.regions[0].process.sigstop();
    stage.until("failed-over", "two").await;
    stage.regions[0].process.sigcont();
    stage.until("holding", "two").await;
    stage.stays("holding", "two", LONG).await;
    let open = stage.config.replace(&keys(4, 6), &keys(-1, 2));
    assert_ne!(open, stage.config);
    stage.site.write("botgate.toml", &open);
    assert_eq!(stage.gateway.reload().await["result"], "applied");
    stage.until("steady", "one").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_flaps_is_latched_until_released_also_across_a_power_cut() -> Outcome<()> {
    let _machine = together().await;
    let keys = "failback = { hold = \"300ms\" }\nflap = { failovers = 1, within = \"1h\" }";
    let mut stage = Stage::new(2, keys).await;
    stage.regions[0].process.sigstop();
    stage.until("failed-over", "two").await;
    stage.regions[0].process.sigcont();
    stage.until("steady", "one").await;
    stage.regions[0].process.sigstop();
    stage.until("latched", "two").await;
    stage.regions[0].process.sigcont();
    stage.gateway.until_health("bot", "one", "healthy").await;
    stage.stays("latched", "two", LONG).await;
    stage.power_cut().await;
    assert_eq!(stage.stands("bot").await, ("latched".into(), "two".into()));
    stage.gateway.until_health("bot", "one", "healthy").await;
    stage.stays("latched", "two", LONG).await;
    let explained = stage.explain();
    assert!(explained.contains("botgate unpin bot") || explained.contains("botgate failback bot"), "{explained}");
    stage.ordered("unpin", json!({})).await;
    stage.until("steady", "one").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_holds_a_stopped_backend_until_it_is_over() -> Outcome<()> {
    let _machine = together().await;
    let mut stage = Stage::new(2, "failback = { hold = \"300ms\" }").await;
    stage.ordered("pin", json!({ "backend": "two" })).await;
    assert_eq!(stage.stands("bot").await, ("pinned".into(), "two".into()));
    stage.regions[1].process.sigstop();
    stage.gateway.until_health("bot", "two", "unhealthy").await;
    stage.stays("pinned", "two", Duration::from_millis(800)).await;
    stage.power_cut().await;
    assert_eq!(stage.stands("bot").await, ("pinned".into(), "two".into()));
    stage.regions[1].process.sigcont();
    stage.gateway.until_health("bot", "two", "healthy").await;
    stage.ordered("unpin", json!({})).await;
    stage.until("steady", "one").await;

    // One that is over by itself, and one that gives way.
    stage.ordered("pin", json!({ "backend": "two", "for": "1s" })).await;
    stage.until("pinned", "two").await;
    stage.until("steady", "one").await;
    stage.ordered("pin", json!({ "backend": "two", "yield_when_down": true })).await;
    stage.regions[1].process.sigkill();
    stage.until("steady", "one").await;
    let causes: Vec<String> = stage.journal("bot").await.into_iter().map(|told| told.4).collect();
    assert_eq!(causes.iter().filter(|cause| *cause == "pin-over").count(), 2, "{causes:?}");
    let refused = stage.order("pin", json!({ "backend": "two" })).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_failover_stays_until_an_operator_moves_it_back() -> Outcome<()> {
    let _machine = together().await;
    let mut stage = Stage::new(3, "failback = { hold = \"300ms\" }").await;
    stage.ordered("failover", json!({ "to": "three" })).await;
    assert_eq!(stage.stands("bot").await, ("awaiting-approval".into(), "three".into()));
    stage.stays("awaiting-approval", "three", LONG).await;
    stage.power_cut().await;
    assert_eq!(stage.stands("bot").await, ("awaiting-approval".into(), "three".into()));
    stage.gateway.until_health("bot", "one", "healthy").await;
    stage.ordered("failback", json!({})).await;
    assert_eq!(stage.stands("bot").await, ("steady".into(), "one".into()));

    // Not onto one that is down, but by force; and then it stays.
    stage.regions[1].process.sigstop();
    stage.gateway.until_health("bot", "two", "unhealthy").await;
    let refused = stage.order("failover", json!({ "to": "two" })).await;
    let problem = refused.json();
    assert_eq!((refused.status, &problem["forcible"]), (409, &json!(true)), "{problem}");
    assert!(problem["reasons"][0].as_str().unwrap().contains("two is not ready"), "{problem}");
    stage.ordered("failover", json!({ "to": "two", "force": true })).await;
    stage.stays("awaiting-approval", "two", Duration::from_millis(800)).await;
    stage.regions[1].process.sigcont();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_down_and_out_of_it() -> Outcome<()> {
    let _machine = together().await;
    let mut stage = Stage::new(2, "failback = { hold = \"300ms\" }\nall_down = \"reject\"").await;
    stage.regions[1].process.sigkill();
    stage.gateway.until_health("bot", "two", "unhealthy").await;
    stage.regions[0].process.sigkill();
    stage.until("all-down", "").await;
    let explained = stage.explain();
    assert!(explained.contains("503"), "{explained}");
    stage.revive(1).await;
    stage.until("failed-over", "two").await;
    stage.revive(0).await;
    stage.until("steady", "one").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_outlives_a_power_cut() -> Outcome<()> {
    let _machine = together().await;
    let mut stage = Stage::new(2, "failback = { hold = \"300ms\" }").await;
    assert_eq!(stage.gateway.order("bot", "one", "drain").await.status, 200);
    stage.until("failed-over", "two").await;
    stage.power_cut().await;
    assert_eq!(stage.stands("bot").await, ("failed-over".into(), "two".into()));
    assert_eq!(stage.gateway.pool("bot").await["backends"][0]["drained"], true);
    stage.stays("failed-over", "two", LONG).await;
    assert_eq!(stage.gateway.order("bot", "one", "resume").await.status, 200);
    stage.until("steady", "one").await;
    let epochs = stage.gateway.pool("bot").await["epoch"].as_u64();
    assert_eq!(epochs, Some(3), "the epoch goes on where it was");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_follows_moves_along_or_stays_by_its_own_rule() -> Outcome<()> {
    let _machine = together().await;
    let stage = Stage::with(2, |urls| {
        let keys = format!("{QUICK}\nfailback = {{ hold = \"300ms\" }}");
        let bot = pool_of("bot", &keys, urls, &format!("host = \"{HOST}\"\n"));
        bot + &pool_of("qna", &format!("{keys}\nfollow = \"bot\""), urls, "host = \"qna.bot.test\"\n")
    })
    .await;
    stage.gateway.until_health("qna", "two", "healthy").await;
    stage.ordered("failover", json!({})).await;
    stage.until_pool("qna", "steady", "two").await;
    assert_eq!(stage.journal("qna").await.last(), Some(&tell("steady", "steady", "one", "two", "followed")));
    stage.ordered("failback", json!({})).await;
    stage.until_pool("qna", "steady", "one").await;
    // Its own backend there is out: it stays where it is.
    assert_eq!(stage.gateway.order("qna", "two", "drain").await.status, 200);
    stage.ordered("failover", json!({})).await;
    stage.until_pool("qna", "failed-over", "one").await;
    assert_eq!(stage.gateway.order("qna", "two", "resume").await.status, 200);
    stage.until_pool("qna", "steady", "two").await;
    Ok(())
}
