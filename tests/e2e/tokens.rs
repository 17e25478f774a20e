//! The same requests to bots of three SDKs that check tokens, and to botgate in front of such bots: what the strictest of
//! them refuses does not get past botgate.

use std::net::SocketAddr;

use serde_json::Value;

use super::bots::{Bot, Sdk};
use super::issuer::Issuer;
use super::matrix::{Case, cases};
use super::regions::{More, NORTH, POOL, Regions, WEST};
use super::support::client::full;
use super::support::{Client, Protocol, Site, together};

/// The bots that are asked past the gateway.
const STRAIGHT: [Sdk; 3] = [Sdk::BotBuilder, Sdk::Agents, Sdk::Python];

/// What a case came to: a status each, 0 where the bot's process ended.
struct Outcome {
    case: Case,
    straight: [u16; 3],
    botgate: u16,
    /// The id of the activity that went to botgate.
    id: String,
}

#[tokio::test]
async fn what_the_strictest_sdk_refuses_does_not_get_past_botgate() {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start());
    let trust = issuer.trust();
    let mut straight = STRAIGHT.map(|sdk| Bot::start_with(sdk, &format!("straight-{sdk:?}"), site.dir(), Some(&trust)));
    let west = Bot::start_with(Sdk::BotBuilder, WEST, site.dir(), Some(&trust));
    let north = Bot::start_with(Sdk::Agents, NORTH, site.dir(), Some(&trust));
    let regions = Regions::around(site, west, north, &More { route: &issuer.guard(), ..More::default() }).await;
    for region in [WEST, NORTH] {
        regions.gateway.until_health(POOL, region, "healthy").await;
    }
    let before = standing(&regions).await;
    let fetched = issuer.fetched("connector").await;

    let mut outcomes = Vec::new();
    for (number, case) in cases(&issuer).await.into_iter().enumerate() {
        let mut seen = [0; 3];
        for (bot, seen) in straight.iter_mut().zip(&mut seen) {
            *seen = post_plain(bot.address(), &case, &format!("straight-{number}")).await.unwrap_or_default();
            if bot.ended() {
                bot.restart();
            }
        }
        let id = format!("case-{number}");
        let mut client = regions.gateway.client(&regions.site, Protocol::H1).await;
        let botgate = post(&mut client, &case, &id).await.unwrap_or_default();
        outcomes.push(Outcome { case, straight: seen, botgate, id });
    }

    print(&outcomes);
    let received = regions.west.received();
    let mut wrong = Vec::new();
    for Outcome { case, straight, botgate, id } in &outcomes {
        let Case { name, documented, .. } = case;
        if botgate != documented {
            wrong.push(format!("{name}: documented is {documented}, botgate says {botgate}"));
        }
        if straight.iter().any(|status| !passed(*status)) && passed(*botgate) {
            wrong.push(format!("{name}: an SDK refuses it ({straight:?}), and it got past botgate"));
        }
        if received.contains_key(id) != passed(*botgate) {
            wrong.push(format!("{name}: botgate said {botgate}, and the bot's record says otherwise"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), outcomes.len(), wrong.join("\n"));
    assert!(regions.north.received().is_empty(), "nothing reached {NORTH}");
    assert_eq!(standing(&regions).await, before, "no case moves the pool's health");
    let refetched = issuer.fetched("connector").await - fetched;
    // Three bots and the gateway learn the keys, and look once more for the first unknown one; the Agents SDK always does.
    println!("the connector's keys were fetched {refetched} times during {} cases\n", outcomes.len());
}

fn passed(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Everything about the pool that evidence could move, and how much the journal holds.
async fn standing(regions: &Regions) -> Value {
    let pool = regions.gateway.pool(POOL).await;
    let journal = regions.gateway.api(&format!("/api/v1/journal?pool={POOL}&limit=1000")).await;
    let backends: Vec<Value> = pool["backends"].as_array().unwrap().iter().map(|it| it["health"].clone()).collect();
    serde_json::json!({
        "phase": pool["phase"], "active": pool["active"], "epoch": pool["epoch"], "health": backends,
        "journal": journal.as_array().unwrap().len(),
    })
}

async fn post_plain(address: SocketAddr, case: &Case, id: &str) -> Option<u16> {
    let mut client = Client::open_plain(address, &address.to_string()).await.ok()?;
    post(&mut client, case, id).await
}

/// The status; none when the connection ended without one.
async fn post(client: &mut Client, case: &Case, id: &str) -> Option<u16> {
    let mut request = client.request("POST", "/api/messages").header("content-type", case.content_type);
    for authorization in &case.authorization {
        request = request.header("authorization", authorization);
    }
    Some(client.send(request.body(full(case.body.with_id(id))).unwrap()).await.ok()?.status)
}

fn print(outcomes: &[Outcome]) {
    println!("\n{:<48} {:>10} {:>7} {:>7} {:>9} {:>8}", "", "botbuilder", "agents", "python", "documented", "botgate");
    for Outcome { case, straight: [botbuilder, agents, python], botgate, .. } in outcomes {
        let Case { name, documented, .. } = case;
        println!("{name:<48} {botbuilder:>10} {agents:>7} {python:>7} {documented:>9} {botgate:>8}");
    }
    println!("0: no answer, the process ended\n");
}
