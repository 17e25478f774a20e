//! What operators touch: orders, refusals, the journal and explain, through the command line of the real binary.

use serde_json::{Value, json};

use crate::support::backend::{Backend, Health};
use crate::support::process;
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

struct Desk {
    one: Backend,
    two: Backend,
    gateway: Gateway,
    _site: Site,
}

impl Desk {
    /// A gateway with two backends, both healthy; `keys` are the pool's.
    async fn open(keys: &str) -> Self {
        let site = Site::new();
        let (one, two) = (Backend::start("one").await, Backend::start("two").await);
        let gateway = Gateway::start(&site, &site.config(&format!("{PROBE}\n{keys}"), &[&one, &two])).await;
        gateway.until_health("bot", "two", "healthy").await;
        Self { one, two, gateway, _site: site }
    }

    /// Runs an operator's command: exit code, standard output, standard error.
    async fn say(&self, words: &[&str]) -> (i32, String, String) {
        let url = format!("http://{}", self.gateway.admin());
        let words: Vec<String> = words.iter().chain(&["--admin", &url]).map(|word| (*word).to_owned()).collect();
        let run = move || process::run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let (code, stdout, stderr) = tokio::task::spawn_blocking(run).await.unwrap();
        (code.unwrap_or(-1), stdout, stderr)
    }

    /// The same for a command that has to be carried out: standard output.
    async fn done(&self, words: &[&str]) -> String {
        let (code, stdout, stderr) = self.say(words).await;
        assert_eq!((code, stderr.as_str()), (0, ""), "{words:?}: {stdout}");
        stdout
    }

    /// The same for a command that has to be refused: standard error.
    async fn refused(&self, words: &[&str]) -> String {
        let (code, stdout, stderr) = self.say(words).await;
        assert_eq!((code, stdout.as_str()), (1, ""), "{words:?}: {stderr}");
        stderr
    }

    async fn stands(&self) -> (String, String) {
        let pool = self.gateway.pool("bot").await;
        (pool["phase"].as_str().unwrap().to_owned(), pool["active"].as_str().unwrap_or_default().to_owned())
    }

    async fn until_phase(&self, phase: &str) {
        wait_until(&format!("the pool is {phase}"), || async { self.stands().await.0 == phase }).await;
    }

    /// The entries of the journal about the pool, newest first.
    async fn journal(&self) -> Vec<Value> {
        let said = self.done(&["journal", "bot", "--json"]).await;
        serde_json::from_str(&said).unwrap()
    }
}

fn is(phase: &str, active: &str) -> (String, String) {
    (phase.to_owned(), active.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_stays_until_the_failback_and_the_journal_says_who_and_why() -> Outcome<()> {
    let _machine = together().await;
    let desk = Desk::open("failback = { hold = \"0s\" }").await;
    let said = desk.done(&["failover", "bot", "--reason", "West Europe is slow"]).await;
    assert!(said.starts_with("done: failover one → two (epoch 2): moved to two by local"), "{said}");
    assert!(said.contains("\nbot  awaiting-approval  active two  epoch 2\n"), "{said}");
    assert!(said.contains("moves back when an operator says `botgate failback bot`"), "{said}");
    // No hold, and one is healthy: if anything but an operator could move it back, the next probes would.
    let probes = desk.one.probes();
    wait_until("one was probed", || async { desk.one.probes() > probes + 2 }).await;
    assert_eq!(desk.stands().await, is("awaiting-approval", "two"));

    let said = desk.done(&["failback", "bot", "--reason", "it is fast again", "--json"]).await;
    let view: Value = serde_json::from_str(&said)?;
    assert_eq!((&view["journalled"], &view["pool"]["active"]), (&json!(true), &json!("one")));

    let journal = desk.journal().await;
    for (entry, cause, reason) in
        [(&journal[0], "failback", "it is fast again"), (&journal[1], "failover", "West Europe is slow")]
    {
        assert_eq!(entry["cause"], cause);
        assert!(entry["actor"].as_str().unwrap().starts_with("local"), "{entry}");
        assert!(entry["reason"].as_str().unwrap().contains(reason), "{entry}");
        assert_eq!(entry["evidence"]["backends"].as_array().map(Vec::len), Some(2));
    }
    let told = desk.done(&["journal", "bot"]).await;
    assert!(told.contains("failover one → two, awaiting-approval"), "{told}");
    assert!(told.contains("failback two → one, steady") && told.contains("West Europe is slow"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_is_not_ready_is_moved_to_only_by_force() -> Outcome<()> {
    let _machine = together().await;
    let desk = Desk::open("").await;
    desk.two.health(Health::Status(500));
    desk.gateway.until_health("bot", "two", "unhealthy").await;
    let why = desk.refused(&["failover", "bot", "--to", "two", "--reason", "x"]).await;
    assert!(why.contains("refused, nothing changed:\n  two is not ready: it is unhealthy"), "{why}");
    assert!(why.contains("--force does it all the same"), "{why}");
    assert_eq!(desk.stands().await, is("steady", "one"));
    let reply = desk.gateway.post("/api/v1/pools/bot/failover", &json!({ "to": "two", "reason": "x" })).await;
    assert_eq!((reply.status, &reply.json()["forcible"]), (409, &json!(true)));

    desk.done(&["failover", "bot", "--to", "two", "--force", "--reason", "the probe is wrong"]).await;
    assert_eq!(desk.stands().await.1, "two");
    assert!(desk.journal().await[0]["reason"].as_str().unwrap().contains("by force, although two is not ready"));
    let said = desk.done(&["explain", "bot"]).await;
    assert!(said.contains("FOR USERS\n  - Requests go to two first, but two is unhealthy"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_holds_its_backend_through_an_outage_until_it_is_released() -> Outcome<()> {
    let _machine = together().await;
    let desk = Desk::open("failback = { hold = \"200ms\" }").await;
    let pin = ["pin", "bot", "two", "--for", "2h", "--reason", "the vendor measures there"];
    let said = desk.done(&pin).await;
    assert!(said.contains("bot  pinned  active two") && said.contains("pin to two until "), "{said}");
    desk.two.health(Health::Status(500));
    desk.gateway.until_health("bot", "two", "unhealthy").await;
    assert_eq!(desk.stands().await, is("pinned", "two"));
    let why = desk.refused(&["failover", "bot", "--to", "one", "--reason", "x"]).await;
    assert!(why.contains("the pool is pinned (pinned to two for 2 h by local"), "{why}");
    let said = desk.done(&["explain", "bot"]).await;
    assert!(said.contains("two is unhealthy: status 500"), "{said}");
    assert!(said.contains("      botgate unpin bot\n"), "{said}");

    desk.done(&["unpin", "bot"]).await;
    desk.gateway.until_active("bot", "one").await;
    let why = desk.refused(&["unpin", "bot"]).await;
    assert!(why.contains("neither pinned nor latched") && !why.contains("--force"), "{why}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_ends_by_itself_or_gives_way_where_it_was_told_to() -> Outcome<()> {
    let _machine = together().await;
    let desk = Desk::open("failback = { hold = \"200ms\" }").await;
    desk.done(&["pin", "bot", "two", "--for", "300ms", "--reason", "short"]).await;
    desk.gateway.until_active("bot", "one").await;
    let causes: Vec<Value> = desk.journal().await.into_iter().map(|mut entry| entry["cause"].take()).collect();
    assert!(causes.contains(&json!("pin-over")), "{causes:?}");

    desk.done(&["pin", "bot", "two", "--yield-when-down", "--reason", "gently"]).await;
    desk.two.health(Health::Status(500));
    desk.gateway.until_active("bot", "one").await;
    let journal = desk.journal().await;
    assert!(journal.iter().any(|it| it["reason"].as_str().unwrap().contains("the pin to two gave way")), "{journal:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_backend_is_never_moved_to_and_the_last_one_is_never_drained() -> Outcome<()> {
    let _machine = together().await;
    let desk = Desk::open("failback = { hold = \"200ms\" }").await;
    let said = desk.done(&["drain", "bot", "one", "--reason", "patch day"]).await;
    assert!(said.starts_with("done: failover one → two (epoch 2): one drained by local"), "{said}");
    assert!(said.contains("not ready: it is drained"), "{said}");
    for words in [
        &["drain", "bot", "two", "--force"][..],
        &["failback", "bot", "--force", "--reason", "x"],
        &["pin", "bot", "one", "--force", "--reason", "x"],
        &["failover", "bot", "--to", "one", "--force", "--reason", "x"],
    ] {
        let why = desk.refused(words).await;
        assert!(why.contains("drained") && !why.contains("--force"), "{words:?}: {why}");
    }
    let said = desk.done(&["explain", "bot"]).await;
    assert!(said.contains("      botgate resume bot one\n"), "{said}");
    desk.done(&["resume", "bot", "one"]).await;
    desk.gateway.until_active("bot", "one").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_tells_an_outage_from_its_beginning_to_its_end() -> Outcome<()> {
    let _machine = together().await;
    let desk = Desk::open("failback = { hold = \"1h\" }").await;
    let view = desk.gateway.api("/api/v1/pools/bot/explain").await;
    assert_eq!((&view["phase"], &view["active"]), (&json!("steady"), &json!("one")));
    assert_eq!(view["advice"], json!([{ "text": "Nothing.", "command": null }]));

    desk.one.health(Health::Status(500));
    desk.until_phase("failed-over").await;
    let said = desk.done(&["explain", "bot"]).await;
    for words in [
        "two serves in place of one.",
        "no standby is ready: if two fails now",
        "one is unhealthy: ",
        "Not before ",
        "LAST DECISIONS\n",
        "failover one → two, by steering: one: 2 probes in a row failed: status 500",
    ] {
        let told = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(words.trim()), "{words}: {said}");
    }

    // An order about another backend does not hide why this one serves.
    desk.done(&["drain", "bot", "one", "--reason", "repairs"]).await;
    let said = desk.done(&["explain", "bot"]).await;
    let told = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("- Why: one: 2 probes in a row failed: status 500"), "{said}");
    assert!(told.contains("- Since then: one drained by"), "{said}");
    desk.done(&["resume", "bot", "one"]).await;

    desk.two.health(Health::Status(500));
    desk.until_phase("all-down").await;
    let said = desk.done(&["explain", "bot"]).await;
    assert!(said.contains("Expect most requests to fail."), "{said}");
    assert_eq!(desk.say(&["status", "bot"]).await.0, 1);

    desk.two.health(Health::Good);
    desk.until_phase("failed-over").await;
    desk.one.health(Health::Good);
    desk.until_phase("holding").await;
    let view = desk.gateway.api("/api/v1/pools/bot/explain").await;
    let at = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let apart = at(&view["failback"]["at"]) - at(&desk.gateway.pool("bot").await["failback_at"]);
    assert!(apart.total(jiff::Unit::Second)?.abs() < 1.0, "{apart}");
    assert!(view["active_since"].is_string(), "{view}");
    desk.done(&["failback", "bot", "--reason", "enough waited"]).await;
    assert_eq!(desk.stands().await, is("steady", "one"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_command_is_told_by_its_exit_code() -> Outcome<()> {
    let _machine = together().await;
    let desk = Desk::open("").await;
    assert_eq!(desk.say(&["failover", "bot"]).await.0, 2, "a failover wants a reason");
    assert_eq!(desk.say(&["pin", "bot", "one", "--for", "soon", "--reason", "x"]).await.0, 2);
    let why = desk.refused(&["failover", "bto", "--reason", "x"]).await;
    assert!(why.contains("there is no pool \"bto\"; the pools are: bot"), "{why}");
    let why = desk.refused(&["failover", "bot", "--to", "three", "--reason", "x"]).await;
    assert!(why.contains("its backends are: one, two"), "{why}");
    let why = desk.refused(&["failback", "bot", "--reason", "x"]).await;
    assert!(why.contains("one is the first priority and active already") && !why.contains("--force"), "{why}");
    let reply = desk.gateway.post("/api/v1/pools/bot/failover", &json!({})).await;
    assert_eq!((reply.status, &reply.json()["type"]), (422, &json!("urn:botgate:reason-wanted")));
    assert_eq!(desk.journal().await.len(), 1, "what was refused is no decision");
    Ok(())
}
