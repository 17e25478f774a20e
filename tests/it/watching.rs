//! `botgate watch --activities`: who watches sees each activity, and never a token.

use serde_json::Value;

use crate::support::backend::{Answer, Backend};
use crate::support::client::Protocol;
use crate::support::process::Process;
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

const JSON: (&str, &str) = ("content-type", "application/json");
const TOKEN: (&str, &str) = ("authorization", "Bearer aaaa.bbbb.very-secret");

fn activity(id: &str) -> String {
    format!(
        r#"{{"type":"message","id":"{id}","channelId":"test","conversation":{{"id":"c"}},"text":"what users wrote"}}"#
    )
}

async fn watched(told: bool) -> Outcome<()> {
    let _machine = together().await;
    let (site, one) = (Site::new(), Backend::start("one").await);
    let config = site.config(&format!("kind = \"bot\"\n{PROBE}"), &[&one]);
    let config = config.replace("[admin]\n", &format!("[admin]\nactivity_text = {told}\n"));
    let gateway = Gateway::start(&site, &config).await;
    let admin = format!("http://{}", gateway.admin());
    let words = ["watch", "bot", "--activities", "--json", "--admin", &admin];
    let watch = Process::start("watch", &words, site.dir());
    let seen = || -> Vec<Value> { watch.stdout().iter().map(|line| serde_json::from_str(line).unwrap()).collect() };
    // Until the stream is open nothing is told.
    wait_until("the watch has begun", || async {
        let mut client = gateway.client(&site, Protocol::H1).await;
        client.post("/api/messages", &[JSON, TOKEN], activity("before")).await.unwrap();
        !seen().is_empty()
    })
    .await;
    let mut client = gateway.client(&site, Protocol::H2).await;
    one.once(Answer::status(500).into());
    client.post("/api/messages", &[JSON, TOKEN], activity("7")).await?;
    wait_until("the activity is told", || async { seen().iter().any(|one| one["id"] == "7") }).await;
    let all = seen();
    let it = all.iter().find(|one| one["id"] == "7").unwrap();
    assert_eq!((&it["type"], &it["channel"], &it["backend"]), (&"message".into(), &"test".into(), &"one".into()));
    assert_eq!((&it["status"], &it["pool"], &it["conversation"]), (&500.into(), &"bot".into(), &"c".into()));
    assert!(it["duration_ms"].as_f64().unwrap() > 0.0, "{it}");
    // Who watches slowly has botgate keep a thousand activities: not with ids of a mebibyte.
    let huge = activity("huge").replace("\"c\"", &format!("\"{}\"", "ä".repeat(100_000)));
    client.post("/api/messages", &[JSON, TOKEN], huge).await?;
    wait_until("the huge one is told", || async { seen().iter().any(|one| one["id"] == "huge") }).await;
    let all = seen();
    let it = all.iter().find(|one| one["id"] == "7").unwrap();
    let huge = all.iter().find(|one| one["id"] == "huge").unwrap();
    assert!(huge["conversation"].as_str().unwrap().len() < 1000);
    assert_eq!(it["text"], if told { "what users wrote".into() } else { Value::Null });
    assert!(!watch.stdout().concat().contains("very-secret"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_sees_each_activity_and_what_was_said_in_it() -> Outcome<()> {
    watched(true).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_is_kept_back_unless_the_config_allows_it() -> Outcome<()> {
    watched(false).await
}
