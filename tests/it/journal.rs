//! The journal on disks that misbehave: steering goes on, says so, and loses nothing that can still be read.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

struct Pair {
    site: Site,
    one: Backend,
    _two: Backend,
    config: String,
}

async fn pair() -> Pair {
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let config = site.config(&format!("{PROBE}\nfailback = {{ hold = \"1h\" }}"), &[&one, &two]);
    Pair { site, one, _two: two, config }
}

async fn trouble(gateway: &Gateway) -> Option<String> {
    let ready = gateway.api("/readyz").await;
    Some(ready["trouble"].as_array()?.first()?.as_str()?.to_owned())
}

fn rows(site: &Site, sql: &str) -> Vec<String> {
    let file = Connection::open(site.path("state/journal.db")).unwrap();
    let mut statement = file.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_does_not_answer_delays_a_failover_by_50_ms_and_no_more() -> Outcome<()> {
    let _machine = together().await;
    let Pair { site, one, _two, config } = pair().await;
    let gateway = Gateway::start(&site, &config).await;
    gateway.until_health("bot", "two", "healthy").await;
    // Another connection holds the file: every write waits.
    let holder = Connection::open(site.path("state/journal.db"))?;
    holder.execute_batch("BEGIN IMMEDIATE")?;
    one.refuse().await;
    wait_until("the pool has moved", || async {
        let mut client = gateway.client(&site, crate::support::Protocol::H1).await;
        let _ = client.get("/").await;
        gateway.active("bot").await == "two"
    })
    .await;
    // What a snapshot shows is what requests see: published while the row still waits.
    wait_until("requests go to the standby", || async {
        gateway.metric("botgate_active", &["pool=\"bot\"", "backend=\"two\""]).await == 1.0
    })
    .await;
    assert_eq!(rows(&site, "SELECT reason FROM entries WHERE phase = 'failed-over'"), Vec::<String>::new());
    let told = gateway.api("/api/v1/journal").await;
    assert_eq!((&told[0]["id"], &told[0]["phase"]), (&Value::from(0), &Value::from("failed-over")), "{told}");
    wait_until("it is said", || async { trouble(&gateway).await.is_some() }).await;
    holder.execute_batch("ROLLBACK")?;
    wait_until("it is written", || async {
        rows(&site, "SELECT reason FROM entries WHERE phase = 'failed-over' AND late = 1").len() == 1
    })
    .await;
    wait_until("the trouble is over", || async { trouble(&gateway).await.is_none() }).await;
    assert_eq!(gateway.metric("botgate_journal_well", &[]).await, 1.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_dir_that_cannot_be_written_stops_nothing_and_is_said_loudly() -> Outcome<()> {
    let _machine = together().await;
    let Pair { site, one: _one, _two, config } = pair().await;
    site.write("state", "a file where the folder should be");
    let gateway = Gateway::start(&site, &config).await;
    gateway.until_health("bot", "two", "healthy").await;
    let said = trouble(&gateway).await.unwrap_or_default();
    assert!(said.contains("state"), "{said}");
    assert_eq!(gateway.metric("botgate_journal_well", &[]).await, 0.0);
    let reply = gateway.order("bot", "one", "drain").await;
    let view = reply.json();
    assert_eq!((reply.status, &view["journalled"]), (200, &Value::from(false)), "{view}");
    assert_eq!(view["pool"]["active"], "two");
    assert!(gateway.process.stderr().contains("journal"), "{}", gateway.process.stderr());
    // It heals as soon as the disk does.
    std::fs::remove_file(site.path("state"))?;
    wait_until("what waited is written", || async { trouble(&gateway).await.is_none() }).await;
    assert_eq!(rows(&site, "SELECT cause FROM entries WHERE late = 1 AND cause = 'drained'").len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_journal_is_moved_aside_and_what_it_still_says_is_kept() -> Outcome<()> {
    let _machine = together().await;
    let Pair { site, one: _one, _two, config } = pair().await;
    let mut gateway = Gateway::start(&site, &config).await;
    assert_eq!(gateway.order("bot", "one", "drain").await.status, 200);
    gateway.stop().await;
    let file = site.path("state/journal.db");
    let mut bytes = std::fs::read(&file)?;
    bytes[..100].fill(0xEE);
    std::fs::write(&file, bytes)?;
    let gateway = Gateway::start(&site, &config).await;
    let pool = gateway.pool("bot").await;
    assert_eq!((&pool["active"], &pool["backends"][0]["drained"]), (&Value::from("two"), &Value::from(true)), "{pool}");
    let aside = std::fs::read_dir(site.path("state"))?.filter_map(Result::ok);
    let aside = aside.filter(|entry| entry.file_name().to_string_lossy().contains("corrupt")).count();
    assert!(aside > 0, "{}", gateway.process.stderr());
    assert!(gateway.metric("botgate_journal_damage", &[]).await >= 1.0);
    assert!(trouble(&gateway).await.is_some_and(|trouble| trouble.contains("corrupt")));
    let journal = gateway.api("/api/v1/journal").await;
    assert!(journal.as_array().unwrap().iter().any(|entry| entry["cause"] == "drained"), "{journal}");
    // What was lost with it is not found out otherwise: it is told until the next start.
    let told = trouble(&gateway).await.unwrap_or_default();
    assert!(told.contains("when botgate was started: the journal") && told.contains("moved to"), "{told}");
    let explained = gateway.api("/api/v1/pools/bot/explain").await;
    assert!(explained["trouble"][0].as_str().is_some_and(|told| told.contains("moved to")), "{explained}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_goes_on_where_its_predecessor_was() -> Outcome<()> {
    let _machine = together().await;
    let Pair { site, one, _two, config } = pair().await;
    let mut gateway = Gateway::start(&site, &config).await;
    gateway.until_health("bot", "two", "healthy").await;
    one.refuse().await;
    gateway.until_active("bot", "two").await;
    let epoch = gateway.pool("bot").await["epoch"].as_u64();
    assert_eq!(gateway.stop().await.code(), Some(0));
    one.listen_again().await;
    let gateway = Gateway::start(&site, &config).await;
    tokio::time::timeout(Duration::from_secs(5), gateway.until_health("bot", "one", "healthy")).await?;
    let pool = gateway.pool("bot").await;
    assert_eq!((pool["active"].as_str(), pool["epoch"].as_u64()), (Some("two"), epoch), "{pool}");
    assert_eq!(pool["phase"], "holding", "a restart never fails back by itself");
    Ok(())
}
