//! A new config while the gateway runs: whole or not at all, and nobody notices.

use std::time::Duration;

use crate::support::backend::{Backend, Health};
use crate::support::client::{Client, Protocol, tls};
use crate::support::site::{HOST, PROBE, Site};
use crate::support::wait::{alone, together, wait_until};
use crate::support::websocket::WebSocket;
use crate::support::{Gateway, Load, Outcome};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_reloads_under_load_lose_nothing() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let (one, two, three) = (Backend::start("one").await, Backend::start("two").await, Backend::start("three").await);
    let keys = format!("replay = \"keyed\"\n{PROBE}");
    // Every other valid config changes what a reload can change: another standby, another route.
    let first = site.config(&keys, &[&one, &two]);
    let second = site.config(&keys, &[&one, &two, &three]) + "[[route]]\npath = \"/more\"\npool = \"bot\"\n";
    let broken = [
        first.replace("[[pool]]", "[[pool]]\nspeling = 1"),
        first.replace("pool = \"bot\"", "pool = \"nobody\""),
        "not toml at all [".to_owned(),
        first.replace("bot.pem", "missing.pem"),
    ];
    let gateway = Gateway::start(&site, &first).await;
    let epoch = gateway.pool("bot").await["epoch"].clone();
    let mut socket = WebSocket::open(gateway.address(), &site, "/ws").await?;
    let load = Load::new(&site, gateway.address());
    let running = load.start();
    for round in 0..200 {
        let text = match round % 4 {
            0 => &second,
            2 => &first,
            _ => &broken[(round / 4) % broken.len()],
        };
        site.write("botgate.toml", text);
        let outcome = gateway.reload().await;
        let wanted = if round % 2 == 0 { "applied" } else { "rejected" };
        assert_eq!(outcome["result"], wanted, "round {round}: {outcome}");
        if round % 20 == 0 {
            assert_eq!(socket.echo("still here").await?, "still here", "round {round}");
        }
        assert_ne!(gateway.health("bot", "one").await, "unknown", "round {round}: a reload forgot the health");
    }
    running.passes(1000).await;
    let report = running.stop().await;
    println!("{report}");
    report.assert_none_failed(1000);
    assert_eq!(socket.echo("to the end").await?, "to the end");
    assert_eq!(gateway.pool("bot").await["epoch"], epoch, "a reload moved the pool");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_never_marks_a_dead_backend_up() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let keys = format!("failback = {{ mode = \"auto\", hold = \"60s\" }}\n{PROBE}");
    let gateway = Gateway::start(&site, &site.config(&keys, &[&one, &two])).await;
    one.health(Health::Status(500));
    gateway.until_active("bot", "two").await;
    let before = gateway.pool("bot").await;
    site.write("botgate.toml", &site.config(&format!("{keys}\ndeadline = \"5s\""), &[&one, &two]));
    let outcome = gateway.reload().await;
    assert_eq!(outcome["result"], "applied", "{outcome}");
    let after = gateway.pool("bot").await;
    for key in ["active", "epoch", "phase"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!(gateway.health("bot", "one").await, "unhealthy");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_reload_says_every_error_and_changes_nothing() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let good = site.config(PROBE, &[&one]);
    let gateway = Gateway::start(&site, &good).await;
    site.write("botgate.toml", &good.replace("[[pool]]", "[[pool]]\nreplai = \"safe\"\ndeadline = \"soon\""));
    let outcome = gateway.reload().await;
    assert_eq!(outcome["result"], "rejected");
    let errors = outcome["errors"].to_string();
    assert!(errors.contains("replai") && errors.contains("soon"), "{errors}");
    assert_eq!(gateway.client(&site, Protocol::H1).await.get("/").await?.status, 200);
    assert_eq!(gateway.metric("botgate_reloads_total", &["rejected"]).await, 1.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_and_a_changed_file_reload_too() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&one])).await;
    let backends = async || gateway.pool("bot").await["backends"].as_array().map_or(0, Vec::len);
    assert_eq!(backends().await, 1);
    // The file alone …
    site.write("botgate.toml", &site.config(PROBE, &[&one, &two]));
    wait_until("the changed file is applied", async || backends().await == 2).await;
    // … and the signal, with or without the watch being first.
    site.write("botgate.toml", &site.config(PROBE, &[&two]));
    gateway.process.sighup();
    wait_until("the config is applied on SIGHUP", async || backends().await == 1).await;
    // The admin API tells of it a moment before requests follow.
    wait_until("requests follow", async || {
        gateway.client(&site, Protocol::H1).await.get("/").await.unwrap().header("x-backend") == "two"
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_config_is_applied_once_the_file_it_lacked_is_there() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&one])).await;
    // The config comes first, its certificate a moment later, and nobody touches the config again.
    site.write(
        "botgate.toml",
        &site.config(PROBE, &[&one, &two]).replace("bot.pem", "new.pem").replace("bot.key", "new.key"),
    );
    wait_until("the config is rejected", async || gateway.metric("botgate_reloads_total", &["rejected"]).await >= 1.0)
        .await;
    site.authority.issue(&[HOST]).write(site.dir(), "new");
    wait_until("the config is applied", async || gateway.pool("bot").await["backends"].as_array().unwrap().len() == 2)
        .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_files_that_change_are_served_and_open_connections_stay() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&one])).await;
    let shown = async || -> Outcome<Vec<u8>> {
        let stream = tls(gateway.address(), HOST, site.authority.client(&[b"http/1.1"])).await?;
        Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
    };
    let mut kept = gateway.client(&site, Protocol::H2).await;
    kept.get("/").await?;
    let before = shown().await?;
    site.authority.issue(&[HOST]).write(site.dir(), "bot");
    wait_until("the new certificate is shown", async || shown().await.unwrap() != before).await;
    assert_eq!(kept.get("/").await?.status, 200);
    // A key that does not fit is not taken: the last good pair stays.
    let after = shown().await?;
    site.write("bot.key", &site.authority.issue(&[HOST]).key);
    let outcome = gateway.reload().await;
    assert_eq!(outcome["result"], "rejected", "{outcome}");
    assert_eq!(shown().await?, after);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_bind_address_is_named_as_needing_a_restart() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let good = site.config(PROBE, &[&one]);
    let gateway = Gateway::start(&site, &good).await;
    site.write("botgate.toml", &good.replace("workers = 2", "workers = 1"));
    let outcome = gateway.reload().await;
    assert_eq!(outcome["result"], "applied", "{outcome}");
    assert!(outcome["needs_restart"].to_string().contains("workers"), "{outcome}");
    let mut client = Client::open(gateway.address(), HOST, &site.authority, Protocol::H1).await?;
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), client.get("/")).await??.status, 200);
    Ok(())
}
