//! The same requests to bots of three SDKs that check tokens, and to botgate in front of such bots: what the strictest of
//! them refuses does not get past botgate.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::bots::{Bot, Sdk};
use super::matrix::{Case, cases};
use super::regions::{More, NORTH, POOL, Regions, WEST};
use super::secrets::Search;
use super::support::client::{full, tls};
use super::support::issuer::{Door, Issuer};
use super::support::process::Process;
use super::support::site::HOST;
use super::support::{Client, Protocol, Site, together};
use super::trust::{Trust, guard};

/// The bots that are asked past the gateway.
const STRAIGHT: [Sdk; 3] = [Sdk::BotBuilder, Sdk::Agents, Sdk::Python];

/// The host of the route whose guard takes tokens of channels only.
const CHANNELS_ONLY: &str = "other.test";

/// What a case came to.
struct Outcome {
    case: Case,
    /// The statuses of the bots, 0 where there was none: the process ended.
    straight: [u16; 3],
    /// The status of botgate.
    botgate: u16,
    /// Whether it reached a bot behind botgate.
    passed: bool,
}

#[tokio::test]
async fn what_the_strictest_sdk_refuses_does_not_get_past_botgate() {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let trust = Trust::of(&issuer);
    let mut straight = STRAIGHT.map(|sdk| Bot::start_with(sdk, &format!("straight-{sdk:?}"), site.dir(), Some(&trust)));
    let regions = start(site, &issuer, &trust).await;
    let before = standing(&regions).await;
    let admin = format!("http://{}", regions.gateway.admin());
    let watch = Process::start("watch", &["watch", "--activities", "--admin", &admin], regions.site.dir());
    let fetched = issuer.given();

    let mut outcomes = Vec::new();
    for (number, case) in cases(&issuer).into_iter().enumerate() {
        let mut statuses = [0; 3];
        for (bot, status) in straight.iter_mut().zip(&mut statuses) {
            *status = post_plain(bot.address(), &case, &format!("straight-{number}")).await;
            if *status == 0 && bot.until_ended() {
                bot.restart();
            }
        }
        let id = format!("case-{number}");
        let botgate = post_gateway(&regions, &case, &id).await;
        outcomes.push((id, Outcome { case, straight: statuses, botgate, passed: false }));
    }
    let received = regions.west.received();
    let outcomes: Vec<Outcome> =
        outcomes.into_iter().map(|(id, outcome)| Outcome { passed: received.contains_key(&id), ..outcome }).collect();
    print(&outcomes);
    // A bot that ended and was started again has to fetch them too, and the Agents SDK does so for every unknown key.
    println!("the connector's keys were fetched {} times in {} cases\n", issuer.given() - fetched, outcomes.len());

    let wrong: Vec<String> = outcomes.iter().filter_map(complaint).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), outcomes.len(), wrong.join("\n"));
    assert!(regions.north.received().is_empty(), "nothing reached {NORTH}");
    assert_eq!(standing(&regions).await, before, "no case moves the pool's health");
    let shown = outcomes.iter().flat_map(|outcome| &outcome.case.authorization);
    // Of a token, the signature: the header and the claims of one are those of many.
    let signatures = shown.filter_map(|value| value.rsplit('.').next()).filter(|text| text.len() > 100);
    let secrets: Vec<String> = signatures.map(str::to_owned).collect();
    let search =
        Search::new(&regions.gateway, &regions.site).and("botgate watch --activities", watch.stdout().join("\n"));
    search.finds_none_of(&secrets).await;
}

/// A gateway that logs all it can, in front of two bots that check tokens, with a door for each of the matrix.
async fn start(site: Site, issuer: &Issuer, trust: &Trust) -> Regions {
    let west = Bot::start_with(Sdk::BotBuilder, WEST, site.dir(), Some(trust));
    let north = Bot::start_with(Sdk::Agents, NORTH, site.dir(), Some(trust));
    let log = format!("[access_log]\ntarget = \"{}\"\n", site.text_path("access.log"));
    let end = format!(
        "[[route]]\nhost = \"{CHANNELS_ONLY}\"\npath = \"/api/messages\"\npool = \"{POOL}\"\n[route.guard]\n{}\n{log}",
        issuer.channels_only()
    );
    let more = More { route: &guard(issuer), end: &end, debug: true, ..More::default() };
    let regions = Regions::around(site, west, north, &more).await;
    for region in [WEST, NORTH] {
        regions.gateway.until_health(POOL, region, "healthy").await;
    }
    regions
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// What is wrong with an outcome.
fn complaint(outcome: &Outcome) -> Option<String> {
    let Outcome { case: Case { name, documented, .. }, straight, botgate, passed } = outcome;
    if botgate != documented {
        return Some(format!("{name}: documented is {documented}, botgate says {botgate}"));
    }
    if *passed != is_success(*documented) {
        return Some(format!("{name}: documented is {documented}, and reached a bot: {passed}"));
    }
    let refused = straight.iter().any(|status| !is_success(*status));
    (refused && *passed).then(|| format!("{name}: an SDK refuses it ({straight:?}), and it got past botgate"))
}

/// Everything about the pool that evidence could move, and how much the journal holds.
async fn standing(regions: &Regions) -> Value {
    let pool = regions.gateway.pool(POOL).await;
    let journal = regions.gateway.api(&format!("/api/v1/journal?pool={POOL}&limit=1000")).await;
    let backends: Vec<Value> = pool["backends"].as_array().unwrap().iter().map(|it| it["health"].clone()).collect();
    json!({
        "phase": pool["phase"], "active": pool["active"], "epoch": pool["epoch"], "health": backends,
        "journal": journal.as_array().unwrap().len(),
    })
}

async fn post_plain(address: SocketAddr, case: &Case, id: &str) -> u16 {
    match Client::open_plain(address, &address.to_string()).await {
        Ok(client) => post(client, case, id).await,
        Err(_) => 0,
    }
}

async fn post_gateway(regions: &Regions, case: &Case, id: &str) -> u16 {
    let host = if case.door == Door::Open { HOST } else { CHANNELS_ONLY };
    let config = regions.site.authority.client(&[b"http/1.1"]);
    let stream = tls(regions.gateway.address(), host, config).await.unwrap();
    post(Client::over(stream, host, Protocol::H1).await.unwrap(), case, id).await
}

/// The status; 0 when the connection ended without one.
async fn post(mut client: Client, case: &Case, id: &str) -> u16 {
    let mut request = client.request("POST", "/api/messages").header("content-type", case.content_type);
    for authorization in &case.authorization {
        request = request.header("authorization", authorization);
    }
    let request = request.body(full(case.body.with_id(id))).unwrap();
    client.send(request).await.map_or(0, |reply| reply.status)
}

fn print(outcomes: &[Outcome]) {
    println!("\n{:<48} {:>10} {:>7} {:>7} {:>11} {:>8}", "", "botbuilder", "agents", "python", "documented", "botgate");
    for Outcome { case, straight: [botbuilder, agents, python], botgate, .. } in outcomes {
        let Case { name, documented, .. } = case;
        println!("{name:<48} {botbuilder:>10} {agents:>7} {python:>7} {documented:>11} {botgate:>8}");
    }
    println!("0: no answer, the process ended\n");
}
