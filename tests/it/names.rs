//! Backends by name, while their names change, fail and vanish.

use std::net::IpAddr;

use crate::support::backend::Backend;
use crate::support::client::Protocol;
use crate::support::dns::{NameServer, Says};
use crate::support::site::{HOST, PROBE, Site, pool_of};
use crate::support::wait::{alone, together, wait_until};
use crate::support::{Gateway, Load, Outcome};

fn loopback() -> Says {
    Says::Addresses(vec![IpAddr::from([127, 0, 0, 1])], 1)
}

/// A gateway whose first backend is reached by name.
async fn named(site: &Site, names: &NameServer, one: &Backend, two: &Backend) -> Gateway {
    let spans = "min_ttl = \"200ms\"\nmax_ttl = \"500ms\"\ntimeout = \"300ms\"";
    Gateway::start(site, &config(site, names, spans, one, two)).await
}

/// Its config; `spans` are further keys of `[dns]`.
fn config(site: &Site, names: &NameServer, spans: &str, one: &Backend, two: &Backend) -> String {
    let url = format!("http://one.region.test:{}", one.address().port());
    let backends = [("one", url, String::new()), ("two", two.url(), String::new())];
    let dns = format!("[dns]\nservers = [\"{}\"]\n{spans}\n\n", names.address);
    let keys = format!("replay = \"keyed\"\n{PROBE}");
    site.head("") + &dns + &pool_of("bot", &keys, &backends, &format!("host = \"{HOST}\"\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_good_answer_is_kept_when_names_fail() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let names = NameServer::start().await;
    names.say("one.region.test", loopback());
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = named(&site, &names, &one, &two).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    let reply = client.get("/").await?;
    assert_eq!(reply.header("x-backend"), "one");
    assert_eq!(one.log().last().header("host"), format!("one.region.test:{}", one.address().port()));
    for says in [Says::Failure, Says::Nothing] {
        names.say("one.region.test", says.clone());
        let asked = names.asked();
        wait_until("the name was asked again in vain", || async { names.asked() > asked + 2 }).await;
        one.cut_connections();
        assert_eq!(client.get("/").await?.header("x-backend"), "one", "{says:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_moves_takes_its_connections_with_it() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let names = NameServer::start().await;
    // Nobody listens on 127.0.0.2 at this port: the good address must be found beside it.
    let second = IpAddr::from([127, 0, 0, 2]);
    names.say("one.region.test", Says::Addresses(vec![second, IpAddr::from([127, 0, 0, 1])], 1));
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = named(&site, &names, &one, &two).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    assert_eq!(client.get("/").await?.header("x-backend"), "one");
    names.say("one.region.test", Says::Addresses(vec![second], 1));
    gateway.until_active("bot", "two").await;
    assert_eq!(client.get("/").await?.header("x-backend"), "two");
    wait_until("connections to the address that vanished are closed", || async { one.open() == 0 }).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_vanishes_from_dns_costs_no_request() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let names = NameServer::start().await;
    names.say("one.region.test", loopback());
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = named(&site, &names, &one, &two).await;
    let running = Load::new(&site, gateway.address()).start();
    running.passes(500).await;
    names.say("one.region.test", Says::NoSuchName);
    let asked = names.asked();
    wait_until("the name was asked again", || async { names.asked() > asked + 2 }).await;
    running.passes(250).await;
    one.refuse().await;
    gateway.until_active("bot", "two").await;
    running.passes(500).await;
    let report = running.stop().await;
    println!("{report}");
    report.assert_none_failed(1250);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_moves_name_resolution_to_other_servers_and_other_spans() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (old, new) = (NameServer::start().await, NameServer::start().await);
    old.say("one.region.test", loopback());
    new.say("one.region.test", Says::Addresses(vec![IpAddr::from([127, 0, 0, 2])], 1));
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    // The old answer would hold for an hour.
    let hour = "min_ttl = \"1h\"\nmax_ttl = \"1h\"";
    let gateway = Gateway::start(&site, &config(&site, &old, hour, &one, &two)).await;
    assert_eq!(gateway.active("bot").await, "one");
    let short = "min_ttl = \"200ms\"\nmax_ttl = \"500ms\"\ntimeout = \"300ms\"";
    site.write("botgate.toml", &config(&site, &new, short, &one, &two));
    let outcome = gateway.reload().await;
    assert_eq!((&outcome["result"], outcome["needs_restart"].to_string().as_str()), (&"applied".into(), "[]"));
    // The new server leads to where nobody listens.
    gateway.until_active("bot", "two").await;
    let (asked_old, asked_new) = (old.asked(), new.asked());
    wait_until("the new spans hold", async || new.asked() > asked_new + 4).await;
    assert_eq!(old.asked(), asked_old, "the old server is asked no more");
    Ok(())
}
