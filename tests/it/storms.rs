//! Regions that are killed, stopped and resumed at random under messages of a channel that sends again.

use std::time::Duration;

use crate::support::messages::{Account, Channel};
use crate::support::sim::Region;
use crate::support::site::{HOST, Site, pool_of};
use crate::support::stage::QUICK;
use crate::support::storm::{SimVictim, Storm, seed, under_storm};
use crate::support::wait::alone;
use crate::support::{Gateway, Outcome};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_is_answered_and_delivered_and_no_resend_is_delivered_beside_its_first() -> Outcome<()> {
    let _machine = alone().await;
    let (site, seed) = (Site::new(), seed());
    let mut victims = Vec::new();
    for name in ["one", "two"] {
        victims.push(SimVictim { site: &site, region: Region::start(&site, name, "127.0.0.1:0").await });
    }
    let urls: Vec<_> = victims.iter().map(|it| (it.region.name.as_str(), it.region.url(), String::new())).collect();
    // Half a channel's patience, all told: a resend comes while the first is under way, and after it.
    let keys = format!(
        "kind = \"bot\"\n{QUICK}\ndeadline = \"2800ms\"\nfailback = {{ hold = \"500ms\" }}\nflap = {{ failovers = 1000 }}"
    );
    let log = format!("[access_log]\ntarget = {:?}\n\n", site.path("access.log"));
    let config = site.head("") + &log + &pool_of("bot", &keys, &urls, &format!("host = \"{HOST}\"\n"));
    drop(urls);
    let gateway = Gateway::start(&site, &config).await;
    for name in ["one", "two"] {
        gateway.until_health("bot", name, "healthy").await;
    }

    let mut channel = Channel::new(&site, gateway.address(), 3_000, 200, seed);
    // Shorter than a hang takes to be found out, so that resends come while the first delivery is under way.
    (channel.patience, channel.sends) = (Duration::from_millis(400), 30);
    let storm = Storm { seed, lasts: Duration::from_secs(12), lost: 300..=2_500, calm: 300..=1_500 };
    let (done, messages) = under_storm(channel, storm, &mut victims).await;

    let received: Vec<_> = victims.iter().map(|it| (it.region.name.clone(), it.region.received())).collect();
    let account = Account::new(&messages, &received);
    println!("{}\n{account}", done.join("\n"));
    account.assert_kept(&site.path("access.log"));
    assert!(account.regions.values().all(|count| *count > 0), "one region served all\n{account}");
    let resends = gateway.metric("botgate_resends_total", &[]).await;
    assert!(resends > 0.0, "the channel had no reason to send again\n{account}");
    let full = gateway.metric("botgate_ledger_full_total", &[]).await;
    assert_eq!(full, 0.0);
    Ok(())
}
