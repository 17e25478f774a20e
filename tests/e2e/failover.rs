//! A region is lost under load, and comes back: no client may notice, but for a wait.

use std::time::Duration;

use super::bots::Sdk;
use super::callers::curl;
use super::messages::{message, region, reply};
use super::regions::{NORTH, POOL, Regions, WEST};
use super::support::load::Running;
use super::support::{Load, Report, alone};
use super::table::{Row, print};

/// Requests per second: what the issue that these tests come from asks for.
const RATE: u32 = 500;

/// How long the load goes on before and after each fault, in requests: three seconds.
const STRETCH: usize = 3 * RATE as usize;

/// How a region is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// SIGKILL: its connections are reset, new ones refused.
    Killed,
    /// SIGSTOP: it hangs.
    Frozen,
}

impl Regions {
    fn load(&self, rate: u32) -> Running {
        let mut load = Load::new(&self.site, self.gateway.address());
        load.rate = rate;
        load.start()
    }

    fn lose(&mut self, loss: Loss) {
        match loss {
            Loss::Killed => self.west.kill(),
            Loss::Frozen => self.west.freeze(),
        }
    }

    fn heal(&mut self, loss: Loss) {
        match loss {
            Loss::Killed => self.west.restart(),
            Loss::Frozen => self.west.thaw(),
        }
    }

    /// Which region answers a client now.
    fn answers(&self) -> String {
        let (_, status, body) = curl(
            "--http1.1",
            &self.ca(),
            &self.url(),
            &message(&format!("who-{:016x}", fastrand::u64(..)), "who is there?"),
        );
        assert_eq!(status, 200, "{body}");
        region(&reply(&body).unwrap()).unwrap().to_owned()
    }
}

async fn a_region_is_lost_and_comes_back(sdk: Sdk, loss: Loss) {
    let _machine = alone().await;
    let mut regions = Regions::start(sdk).await;
    warm_up(&regions).await;

    let load = regions.load(RATE);
    load.passes(STRETCH).await;
    let active = regions.gateway.active(POOL).await;
    assert_eq!(active, WEST, "a region was given up before any fault: this machine does not carry {RATE} requests/s");
    assert_eq!(regions.received_twice(), 0, "nothing is replayed while both regions are well");
    regions.lose(loss);
    regions.gateway.until_active(POOL, NORTH).await;
    load.passes(STRETCH).await;
    let lost = load.stop().await;
    assert_eq!(regions.answers(), NORTH);
    let twice_lost = regions.received_twice();

    let load = regions.load(RATE);
    load.passes(STRETCH / 3).await;
    regions.heal(loss);
    regions.gateway.until_active(POOL, WEST).await;
    load.passes(STRETCH).await;
    let back = load.stop().await;
    assert_eq!(regions.answers(), WEST);
    let twice_back = regions.received_twice() - twice_lost;

    let rows = [
        Row { what: &format!("{WEST} is {loss:?}"), report: &lost, twice: twice_lost },
        Row { what: "it comes back, automatic failback", report: &back, twice: twice_back },
    ];
    print(&format!("{sdk:?}, two regions, {RATE} requests/s over TLS"), &rows);

    served_by_both(&lost);
    served_by_both(&back);
    lost.assert_none_failed(2 * STRETCH);
    back.assert_none_failed(STRETCH);
    let slowest = lost.slowest().max(back.slowest());
    assert!(slowest < Duration::from_secs(2), "the slowest took {slowest:?}\n{lost}\n{back}");
}

/// A bot's first requests compile its code; what is measured here is the gateway.
async fn warm_up(regions: &Regions) {
    for bot in [&regions.west, &regions.north] {
        bot.warm_up(2000).await;
    }
    let gentle = regions.load(50);
    gentle.passes(50).await;
    gentle.stop().await.assert_none_failed(50);
}

fn served_by_both(report: &Report) {
    for region in [WEST, NORTH] {
        assert!(report.backends.get(region).is_some_and(|count| *count > 0), "{region} served none\n{report}");
    }
}

#[tokio::test]
async fn no_request_fails_when_a_botbuilder_region_is_killed_and_when_it_comes_back() {
    a_region_is_lost_and_comes_back(Sdk::BotBuilder, Loss::Killed).await;
}

#[tokio::test]
async fn no_request_fails_or_waits_two_seconds_when_a_botbuilder_region_hangs_and_when_it_goes_on() {
    a_region_is_lost_and_comes_back(Sdk::BotBuilder, Loss::Frozen).await;
}

#[tokio::test]
async fn no_request_fails_when_an_agents_sdk_region_is_killed_and_when_it_comes_back() {
    a_region_is_lost_and_comes_back(Sdk::Agents, Loss::Killed).await;
}

#[tokio::test]
async fn no_request_fails_or_waits_two_seconds_when_an_agents_sdk_region_hangs_and_when_it_goes_on() {
    a_region_is_lost_and_comes_back(Sdk::Agents, Loss::Frozen).await;
}
