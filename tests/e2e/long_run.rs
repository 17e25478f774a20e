//! Two minutes of messages while regions are killed, stopped and resumed at random.
//!
//! `BOTGATE_SEED` repeats the faults of a run; `BOTGATE_LONG_RUN` makes it longer or shorter, in seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

use super::bots::Sdk;
use super::faults::{Fault, Kind, deliveries, make, why};
use super::impatient::Impatient;
use super::regions::{More, Regions};
use super::support::{Load, alone};
use super::table::{Row, print};

/// Messages per second.
const RATE: u32 = 300;

/// Faults follow each other more closely than a pool in service would bear.
const UNLATCHED: &str = r#"flap = { failovers = 1000, within = "1h" }"#;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[tokio::test]
async fn every_message_is_answered_once_while_regions_are_killed_stopped_and_resumed_at_random() {
    let _machine = alone().await;
    let seed = from_environment("BOTGATE_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let time = Duration::from_secs(from_environment("BOTGATE_LONG_RUN").unwrap_or(120));
    println!("BOTGATE_SEED={seed} repeats the faults of this run");
    let mut rng = Rng::with_seed(seed);
    let mut regions = Regions::start_with(Sdk::BotBuilder, &More { pool: UNLATCHED, ..More::default() }).await;
    for bot in [&regions.west, &regions.north] {
        bot.warm_up(2000).await;
    }

    let mut load = Load::new(&regions.site, regions.gateway.address());
    (load.rate, load.keyed) = (RATE, false);
    let load = load.start();
    let channel = Impatient::start(&regions.site, regions.gateway.address(), rng.u64(..));
    let faults = make(&mut regions, &mut rng, time).await;
    let (report, resent) = (load.stop().await, channel.stop().await);

    let all = deliveries(&regions);
    let (resends, messages): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.into_iter().partition(|(id, _)| id.starts_with("resent-"));
    let twice = messages.values().filter(|deliveries| deliveries.len() > 1).count();
    let killed = faults.iter().filter(|fault| fault.kind == Kind::Killed).count();
    let what = format!("{killed} × killed, {} × stopped", faults.len() - killed);
    print(
        &format!("two regions, {RATE} messages/s for {} s", time.as_secs()),
        &[Row { what: &what, report: &report, twice }],
    );
    let unexplained = [
        explain("messages", &messages, &faults),
        explain("messages sent again by an impatient channel", &resends, &faults),
    ];
    println!(
        "of {} messages sent again, {} were given up before their answer\n",
        resent.ids.len(),
        resent.ids.len() - resent.in_time
    );

    report.assert_none_failed(usize::try_from(u64::from(RATE) * time.as_secs()).unwrap() * 9 / 10);
    assert_eq!(report.statuses.keys().collect::<Vec<_>>(), [&200], "{report}");
    assert_eq!(messages.len(), report.total(), "every message reached a bot");
    assert!(resent.failed.is_empty(), "{} resends failed:\n{}", resent.failed.len(), resent.failed.join("\n"));
    assert_eq!(resends.len(), resent.ids.len(), "every message of the impatient channel reached a bot");
    assert_eq!(unexplained, [0, 0], "no fault explains these second deliveries");
}

/// Prints how many were delivered more than once, and why: how many no fault explains.
fn explain(what: &str, all: &BTreeMap<String, Vec<super::faults::Delivery>>, faults: &[Fault]) -> usize {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for (id, deliveries) in all.iter().filter(|(_, deliveries)| deliveries.len() > 1) {
        let reason = why(deliveries, faults);
        *reasons.entry(reason.unwrap_or("no fault explains it")).or_default() += 1;
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

/// A channel's resend alone, without any fault, delivers nothing a second time.
#[tokio::test]
async fn a_message_that_a_channel_gave_up_on_and_sent_again_is_delivered_once() {
    let _machine = alone().await;
    let regions = Regions::start(Sdk::BotBuilder).await;
    for bot in [&regions.west, &regions.north] {
        bot.warm_up(200).await;
    }
    let channel = Impatient::start(&regions.site, regions.gateway.address(), 1);
    super::support::wait::wait_within("80 messages were received", Duration::from_secs(60), || async {
        regions.west.received().len() >= 80
    })
    .await;
    let sent = channel.stop().await;
    assert!(sent.failed.is_empty(), "{:?}", sent.failed);
    assert!(sent.in_time < sent.ids.len(), "none was given up: {sent:?}");
    let received = regions.west.received();
    assert_eq!(received.len(), sent.ids.len(), "each was delivered");
    assert!(received.values().all(|count| *count == 1), "each once: {received:?}");
    assert!(regions.north.received().is_empty(), "and nowhere else");
}
