//! Two minutes of messages while regions are killed, stopped and resumed at random.
//!
//! `BOTGATE_SEED` repeats the faults of a run; `BOTGATE_LONG_RUN` makes it longer or shorter, in seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

use super::bots::Sdk;
use super::faults::{Delivery, Fault, Kind, Move, deliveries, make, moves, why};
use super::messages::message;
use super::regions::{More, NORTH, POOL, Regions, WEST};
use super::support::messages::{Account, Channel, Messages};
use super::support::storm::seed;
use super::support::{Load, alone};
use super::table::{Row, print};

/// Messages per second.
const RATE: u32 = 300;

/// Messages per second of a channel that gives up too early and sends the same again.
const IMPATIENT: u32 = 15;

/// Faults follow each other more closely than a pool in service would bear, and on two cores that share everything with the
/// bots more is under way when one comes.
const BORNE: &str = "flap = { failovers = 1000, within = \"1h\" }\nretry = { budget = \"100%\", floor = 300 }";

/// A bot that takes over all that waited for the other one is busy with it for a quarter of a second and more.
const PROBE: &str = r#"probe = { path = "/healthz", interval = "500ms", timeout = "500ms", fall = 2, rise = 2 }"#;

/// A message that a bot thinks about for 300 ms.
fn slow(id: &str) -> String {
    message(id, &format!("wait 300 for {id}"))
}

/// So many messages, each of them sent again when it has waited between 0.12 and 0.6 s: about every second one.
fn impatient(regions: &Regions, messages: usize, seed: u64) -> Channel {
    let mut channel = Channel::new(&regions.site, regions.gateway.address(), messages, IMPATIENT, seed);
    (channel.patience, channel.sends, channel.body) = (Duration::from_millis(600), 200, slow);
    channel
}

/// The channel's messages against what the bots received.
fn account(regions: &Regions, messages: &Messages) -> Account {
    let received = [(WEST, &regions.west), (NORTH, &regions.north)];
    Account::new(messages, &received.map(|(name, bot)| (name.to_owned(), bot.received())))
}

#[tokio::test]
async fn every_message_is_answered_once_while_regions_are_killed_stopped_and_resumed_at_random() {
    let _machine = alone().await;
    let seed = seed();
    let time = std::env::var("BOTGATE_LONG_RUN").map_or(120, |text| text.parse().unwrap());
    let mut rng = Rng::with_seed(seed);
    let mut regions =
        Regions::start_with(Sdk::BotBuilder, &More { pool: BORNE, probe: Some(PROBE), ..More::default() }).await;
    for bot in [&regions.west, &regions.north] {
        bot.warm_up(2000).await;
    }

    let mut load = Load::new(&regions.site, regions.gateway.address());
    (load.rate, load.keyed) = (RATE, false);
    let channel = impatient(&regions, usize::try_from(time).unwrap() * IMPATIENT as usize, rng.u64(..));
    let (load, channel) = (load.start(), tokio::spawn(channel.run()));
    load.passes(2 * RATE as usize).await;
    let active = regions.gateway.active(POOL).await;
    assert_eq!(active, WEST, "a region was given up before any fault: this machine does not carry {RATE} messages/s");
    let faults = make(&mut regions, &mut rng, Duration::from_secs(time)).await;
    let (report, resent) = (load.stop().await, channel.await.unwrap());

    let (resends, messages): (BTreeMap<_, _>, BTreeMap<_, _>) =
        deliveries(&regions).into_iter().partition(|(id, _)| resent.contains_key(id));
    let twice = messages.values().filter(|deliveries| deliveries.len() > 1).count();
    let killed = faults.iter().filter(|fault| fault.kind == Kind::Killed).count();
    let what = format!("{killed} × killed, {} × stopped", faults.len() - killed);
    let title = format!("{WEST} and {NORTH}, {RATE} messages/s for {time} s");
    print(&title, &[Row { what: &what, report: &report, twice }]);
    let moves = moves(&regions).await;
    let unexplained = [
        explain("messages", &messages, &faults, &moves),
        explain("of the impatient channel", &resends, &faults, &moves),
    ];
    let account = account(&regions, &resent);
    println!("{account}");

    let half = report.percentile(0.5);
    assert!(
        half < Duration::from_millis(250),
        "half took {half:?}: this machine does not carry {RATE} messages/s\n{report}"
    );
    report.assert_none_failed(usize::try_from(u64::from(RATE) * time).unwrap() * 9 / 10);
    assert_eq!(report.statuses.keys().collect::<Vec<_>>(), [&200], "{report}");
    assert_eq!(messages.len(), report.total(), "every message reached a bot");
    assert!(account.unanswered.is_empty() && account.undelivered.is_empty(), "{:?}", account.unanswered);
    assert!(account.resends.values().sum::<usize>() > 0, "the channel had no reason to send again");
    assert_eq!(unexplained, [0, 0], "nothing explains these second deliveries");
}

/// Prints how many were delivered more than once, and why: how many nothing explains.
fn explain(what: &str, all: &BTreeMap<String, Vec<Delivery>>, faults: &[Fault], moves: &[Move]) -> usize {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for (id, deliveries) in all.iter().filter(|(_, deliveries)| deliveries.len() > 1) {
        let reason = why(deliveries, faults, moves);
        *reasons.entry(reason.unwrap_or("nothing explains it")).or_default() += 1;
        if reason.is_none() {
            unexplained.push(format!("{id}: {deliveries:?}"));
        }
    }
    let twice: usize = reasons.values().sum();
    println!("{what}: {} delivered, {twice} more than once", all.len());
    for (reason, count) in reasons {
        println!("{count:>8} {reason}");
    }
    for line in unexplained.iter().take(20) {
        println!("         {line}");
    }
    unexplained.len()
}

#[tokio::test]
async fn a_message_that_a_channel_gave_up_on_and_sent_again_is_delivered_once() {
    let _machine = alone().await;
    let regions = Regions::start(Sdk::BotBuilder).await;
    for bot in [&regions.west, &regions.north] {
        bot.warm_up(200).await;
    }
    let messages = impatient(&regions, 100, 1).run().await;
    let account = account(&regions, &messages);
    println!("{account}");
    assert!(account.unanswered.is_empty(), "{:?}", account.unanswered);
    assert!(account.sends.keys().any(|sends| *sends > 1), "none was sent again");
    assert_eq!(account.deliveries.keys().collect::<Vec<_>>(), [&(1, None)], "each was delivered once");
}
