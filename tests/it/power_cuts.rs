//! kill -9 of the gateway at random moments, under load and commands: what was acknowledged is there afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::client::{self, Client, Protocol};
use crate::support::site::{HOST, PROBE, Site};
use crate::support::wait::together;
use crate::support::{Gateway, Outcome};

/// What an operator would be told of a pool, and what a restart must bring back.
#[derive(Clone, Debug, PartialEq)]
struct Held {
    phase: Value,
    active: Value,
    epoch: u64,
    pin: Value,
    latched: Value,
    drained: Vec<Value>,
}

fn held(pool: &Value) -> Held {
    let backends = pool["backends"].as_array().unwrap().iter();
    Held {
        phase: pool["phase"].clone(),
        active: pool["active"].clone(),
        epoch: pool["epoch"].as_u64().unwrap(),
        pin: pool["pin"]["backend"].clone(),
        latched: pool["latched"].clone(),
        drained: backends.filter(|it| it["drained"] == true).map(|it| it["name"].clone()).collect(),
    }
}

/// Orders that always leave the pool in a phase that only an operator ends.
fn order(random: &mut fastrand::Rng) -> (&'static str, Value) {
    let names = ["one", "two", "three"];
    let name = names[random.usize(0..3)];
    match random.u32(0..10) {
        0..4 => ("pin", json!({ "backend": name, "force": true, "reason": "power cut" })),
        4..7 => ("failover", json!({ "to": name, "force": true, "reason": "power cut" })),
        7 => ("failback", json!({ "force": true, "reason": "power cut" })),
        8 => ("unpin", json!({})),
        _ => ("drain", json!({ "reason": "power cut" })),
    }
}

fn path(what: &str, random: &mut fastrand::Rng) -> String {
    match what {
        "drain" => {
            let order = if random.bool() { "drain" } else { "resume" };
            format!("/api/v1/pools/bot/backends/{}/{order}", ["one", "two", "three"][random.usize(0..3)])
        }
        _ => format!("/api/v1/pools/bot/{what}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_power_cuts_lose_nothing_that_was_acknowledged() -> Outcome<()> {
    let _machine = together().await;
    let seed =
        std::env::var("BOTGATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("BOTGATE_SEED={seed} repeats this");
    let mut random = fastrand::Rng::with_seed(seed);
    let site = Site::new();
    let (one, two, three) = (Backend::start("one").await, Backend::start("two").await, Backend::start("three").await);
    // A hold that no run outlives: nothing moves but by order.
    let keys = format!("{PROBE}\nfailback = {{ hold = \"1h\" }}");
    let config = site.config(&keys, &[&one, &two, &three]);
    let (mut cuts, mut orders) = (0, 0);
    // The last state that was acknowledged, and an order that was sent and not answered.
    let mut known: Option<Held> = None;
    let mut unanswered: Option<String> = None;
    while cuts < 100 {
        let mut gateway = Gateway::start_unready(&site, "botgate.toml", &config, &[]).await;
        let now = held(&gateway.pool("bot").await);
        if let Some(known) = &known {
            // An order that nobody was told of may have been carried out or not; all else must be as it was told.
            if unanswered.is_none() {
                assert_eq!(&now, known, "after {cuts} power cuts");
            }
            assert!(
                now.epoch >= known.epoch && now.epoch <= known.epoch + 1,
                "{now:?} after {known:?}, {unanswered:?}"
            );
        }
        known = Some(now);
        unanswered = None;
        let load = Traffic::start(&site, &gateway);
        let until = Instant::now() + Duration::from_millis(random.u64(5..120));
        while Instant::now() < until {
            let (what, body) = order(&mut random);
            let path = path(what, &mut random);
            unanswered = Some(format!("{path} {body}"));
            let sent = client::post_json(gateway.admin(), &path, &body);
            match tokio::time::timeout_at(until.into(), sent).await {
                Err(_) => break,
                Ok(reply) => {
                    let reply = reply?;
                    match reply.status {
                        200 => {
                            let view = reply.json();
                            assert_eq!(view["journalled"], true, "{view}");
                            known = Some(held(&view["pool"]));
                            orders += 1;
                        }
                        // What speaks against an order, and, where the disk is quick, the limit of orders: neither did anything.
                        409 | 429 => {}
                        other => panic!("{path} {body}: {other} {}", reply.text()),
                    }
                    unanswered = None;
                }
            }
        }
        gateway.process.sigkill();
        gateway.process.exit(Duration::from_secs(5)).await;
        load.stop().await;
        cuts += 1;
    }
    // Every switch has its row, in the order of the epochs: nothing moved without a journal entry.
    let gateway = Gateway::start(&site, &config).await;
    let last = gateway.pool("bot").await["epoch"].as_u64().unwrap();
    let file = rusqlite::Connection::open(site.path("state/journal.db"))?;
    let mut statement = file.prepare("SELECT epoch FROM entries WHERE direction IS NOT NULL ORDER BY id")?;
    let epochs: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    assert_eq!(epochs, (2..=i64::try_from(last)?).collect::<Vec<i64>>());
    println!("{orders} orders acknowledged between {cuts} power cuts");
    assert!(orders > 100, "{orders} orders are too few to mean anything");
    Ok(())
}

/// Requests for as long as the gateway lives.
struct Traffic {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Traffic {
    fn start(site: &Site, gateway: &Gateway) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (authority, address, stopped) = (site.authority.clone(), gateway.address(), stop.clone());
        let task = tokio::spawn(async move {
            while !stopped.load(Relaxed) {
                let Ok(mut client) = Client::open(address, HOST, &authority, Protocol::H1).await else { continue };
                while !stopped.load(Relaxed) && client.get("/").await.is_ok() {}
            }
        });
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.store(true, Relaxed);
        self.task.await.unwrap();
    }
}
