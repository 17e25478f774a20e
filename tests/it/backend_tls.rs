//! TLS towards backends: whom the gateway trusts, what it shows, and what a reload makes of both.

use crate::support::backend::{Backend, Manner};
use crate::support::client::Protocol;
use crate::support::site::{HOST, PROBE, Site, pool_of};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

/// Probes would keep the picture from being simple: here only requests dial.
const NO_PROBE: &str = "probe = false";

/// A config with one backend that has these keys.
fn config(site: &Site, backend: &Backend, keys: &str) -> String {
    let entry = [("one", backend.url(), keys.to_owned())];
    site.head("") + &pool_of("bot", NO_PROBE, &entry, &format!("host = \"{HOST}\"\n"))
}

fn ca(site: &Site) -> String {
    format!("ca = \"{}\"\nhttp2 = false\n", site.text_path("ca.pem"))
}

async fn status(gateway: &Gateway, site: &Site) -> Outcome<u16> {
    let mut client = gateway.client(site, Protocol::H1).await;
    Ok(client.get("/").await?.status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_asks_for_a_client_certificate_is_shown_one() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let manner = Manner { tls: true, mutual: true, ..Manner::default() };
    let backend = Backend::start_as("one", manner, Some(&site)).await;
    site.authority.issue(&["gateway"]).write(site.dir(), "gateway");
    let shown = format!(
        "client_certificate = {{ chain = \"{}\", key = \"{}\" }}\n",
        site.text_path("gateway.pem"),
        site.text_path("gateway.key")
    );
    let gateway = Gateway::start(&site, &config(&site, &backend, &(ca(&site) + &shown))).await;
    assert_eq!(status(&gateway, &site).await?, 200);

    let gateway = Gateway::start(&site, &config(&site, &backend, &ca(&site))).await;
    assert_eq!(status(&gateway, &site).await?, 502, "without a certificate the backend lets nobody in");
    assert_eq!(backend.log().count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_cannot_be_verified_gets_no_request() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start_tls("one", &site).await;
    let strangers = Site::new();
    for (what, keys, expected) in [
        ("its CA and its name", ca(&site), 200),
        ("a name that its certificate bears", ca(&site) + "server_name = \"localhost\"\n", 200),
        ("a name that it does not bear", ca(&site) + "server_name = \"elsewhere.test\"\n", 502),
        ("the CA of somebody else", ca(&strangers), 502),
    ] {
        let before = backend.log().count();
        let gateway = Gateway::start(&site, &config(&site, &backend, &keys)).await;
        assert_eq!(status(&gateway, &site).await?, expected, "{what}");
        assert_eq!(backend.log().count() - before, usize::from(expected == 200), "{what}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_made_by_the_old_rules_carries_no_request_after_a_reload() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start_tls("one", &site).await;
    let gateway = Gateway::start(&site, &config(&site, &backend, &ca(&site))).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    assert_eq!(client.get("/").await?.status, 200);
    assert_eq!(client.get("/").await?.status, 200);
    assert_eq!(backend.accepted(), 1, "a connection is used again");
    site.write("botgate.toml", &config(&site, &backend, &(ca(&site) + "server_name = \"localhost\"\n")));
    gateway.reload().await;
    wait_until("requests go over a connection made by the new rules", async || {
        client.get("/").await.is_ok_and(|reply| reply.status == 200) && backend.accepted() == 2
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_speaks_only_http2_is_probed_over_http2() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start_h2("one", &site).await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
    gateway.until_health("bot", "one", "healthy").await;
    assert!(backend.probes() > 0);
    assert_eq!(status(&gateway, &site).await?, 200);
    Ok(())
}
