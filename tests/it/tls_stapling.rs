//! OCSP responses: from a file and from the responder, stapled while they are good, and never otherwise.

use rcgen::CustomExtension;

use crate::support::backend::Backend;
use crate::support::client::Protocol;
use crate::support::ocsp::access;
use crate::support::responder::{Responder, stapled};
use crate::support::site::{HOST, PROBE, Site};
use crate::support::tls::Leaf;
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

/// A certificate for [`HOST`] that names this responder, in files whose chain has the CA in it.
fn certificate(site: &Site, responder: &str) -> Leaf {
    let leaf = site.authority.issue_with(&[HOST], |params| {
        let names = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access(responder));
        params.custom_extensions.push(names);
    });
    let leaf = Leaf { chain: leaf.chain + &site.authority.pem(), key: leaf.key };
    leaf.write(site.dir(), "bot");
    leaf
}

async fn trouble(gateway: &Gateway) -> String {
    gateway.api("/readyz").await["trouble"].to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_in_a_file_is_stapled_while_it_is_good() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let leaf = certificate(&site, "http://127.0.0.1:1/");
    let good = site.authority.ocsp(&leaf, |_| ());
    std::fs::write(site.path("bot.ocsp"), &good)?;
    let ocsp = format!("key = \"{}\", ocsp = \"{}\"", site.text_path("bot.key"), site.text_path("bot.ocsp"));
    let config =
        site.config(PROBE, &[&backend]).replacen(&format!("key = \"{}\"", site.text_path("bot.key")), &ocsp, 1);
    let gateway = Gateway::start(&site, &config).await;
    assert_eq!(stapled(gateway.address(), HOST).await, good);
    let bad = [
        ("REVOKED", site.authority.ocsp(&leaf, |answer| answer.status = 1)),
        ("out of date", site.authority.ocsp(&leaf, |answer| answer.next_update = Some(answer.this_update + 60))),
        ("another certificate", site.authority.ocsp(&site.authority.issue(&[HOST]), |_| ())),
        ("not signed by", Site::new().authority.ocsp(&leaf, |answer| answer.issuer = ca_of(&site))),
        ("no OCSP response", b"rubbish".to_vec()),
    ];
    for (why, response) in bad {
        // A certificate whose good response was seen before keeps it, so each bad one meets a gateway that knows no good one.
        std::fs::write(site.path("bot.ocsp"), &response)?;
        let gateway = Gateway::start(&site, &config).await;
        assert!(stapled(gateway.address(), HOST).await.is_empty(), "{why}");
        let told = trouble(&gateway).await;
        assert!(told.contains(why) && told.contains("no OCSP response is stapled"), "{why}: {told}");
        assert!(gateway.process.stderr().contains("will not be stapled"), "{why}: it is not warned of");
        assert_eq!(gateway.client(&site, Protocol::H1).await.get("/").await?.status, 200, "{why}");
    }
    // The file watch sees to a renewed one.
    std::fs::write(site.path("bot.ocsp"), &good)?;
    wait_until("the good response is stapled", async || stapled(gateway.address(), HOST).await == good).await;
    Ok(())
}

fn ca_of(site: &Site) -> Vec<u8> {
    Leaf { chain: site.authority.pem(), key: String::new() }.der()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_is_fetched_and_outlives_a_restart_while_the_responder_is_away() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (backend, responder) = (Backend::start("one").await, Responder::start().await);
    let leaf = certificate(&site, &responder.url());
    let good = site.authority.ocsp(&leaf, |_| ());
    responder.says(good.clone());
    let config = site.head("ocsp = \"fetch\"") + &site.pool(PROBE, &[&backend]);
    let mut gateway = Gateway::start(&site, &config).await;
    wait_until("the response is stapled", async || stapled(gateway.address(), HOST).await == good).await;
    wait_until("it is counted", async || gateway.metric("botgate_ocsp_fetches_total", &["good"]).await == 1.0).await;
    assert!(gateway.metric("botgate_ocsp_stapled_until_seconds", &["bot.pem"]).await > 1.7e9);
    let written = || site.path("state").join("ocsp").read_dir().is_ok_and(|mut all| all.next().is_some());
    wait_until("the response is kept", async || written()).await;
    gateway.stop().await;
    responder.says(site.authority.ocsp(&leaf, |answer| answer.status = 2));
    let before = responder.asked();
    let gateway = Gateway::start(&site, &config).await;
    wait_until("the responder is asked again", async || responder.asked() > before).await;
    assert_eq!(stapled(gateway.address(), HOST).await, good, "it is fresh, and nothing better is known");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_responder_calls_revoked_is_not_shown_as_good() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (backend, responder) = (Backend::start("one").await, Responder::start().await);
    let leaf = certificate(&site, &responder.url());
    responder.says(site.authority.ocsp(&leaf, |answer| answer.status = 1));
    let config = site.head("ocsp = \"fetch\"") + &site.pool(PROBE, &[&backend]);
    let gateway = Gateway::start(&site, &config).await;
    wait_until("it is told", async || trouble(&gateway).await.contains("REVOKED")).await;
    assert!(stapled(gateway.address(), HOST).await.is_empty());
    assert!(gateway.metric("botgate_ocsp_fetches_total", &["failed"]).await >= 1.0);
    assert_eq!(gateway.metric("botgate_ocsp_stapled_until_seconds", &["bot.pem"]).await, 0.0);
    Ok(())
}
