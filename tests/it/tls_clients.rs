//! Clients that show certificates: who gets in, what backends are told, and what a session ticket is good for.

use std::sync::Arc;

use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::backend::Backend;
use crate::support::client::{Client, Protocol, tls};
use crate::support::site::{HOST, PROBE, Site};
use crate::support::tls::Leaf;
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

/// A second listener with these keys.
fn second(site: &Site, keys: &str) -> String {
    format!(
        "\n[[listener]]\nbind = \"127.0.0.1:0\"\ncertificates = [{{ chain = \"{}\", key = \"{}\" }}]\n{keys}\n\n",
        site.text_path("bot.pem"),
        site.text_path("bot.key")
    )
}

fn clients(site: &Site, more: &str) -> String {
    site.write("clients.pem", &site.authority.pem());
    format!("client_ca = \"{}\"\n{more}\n", site.text_path("clients.pem"))
}

fn person(site: &Site, name: &str) -> Leaf {
    site.authority.issue(&[name])
}

/// The status of one GET over a new connection to a listener; an error when it was turned away.
async fn status(gateway: &Gateway, at: usize, config: &Arc<ClientConfig>) -> Outcome<u16> {
    let mut client = Client::open_with(gateway.addresses()[at], HOST, config.clone(), Protocol::H1).await?;
    Ok(client.get("/").await?.status)
}

/// One GET over a new connection: whether it resumed a session, and what came back. Reads to the end, so that tickets have come.
async fn exchange(
    gateway: &Gateway,
    at: usize,
    config: &Arc<ClientConfig>,
) -> Outcome<(Option<HandshakeKind>, String)> {
    let mut stream = tls(gateway.addresses()[at], HOST, config.clone()).await?;
    let request = format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok((stream.get_ref().1.handshake_kind(), answer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_clients_of_the_ca_get_in_and_backends_learn_who_they_are() -> Outcome<()> {
    let _machine = together().await;
    let (site, strangers) = (Site::new(), Site::new());
    let backend = Backend::start("one").await;
    let log = format!("[access_log]\ntarget = \"{}\"\n\n", site.text_path("access.log"));
    let config = site.head(&clients(&site, "client_header = true")) + &log + &site.pool(PROBE, &[&backend]);
    let gateway = Gateway::start(&site, &config).await;
    assert!(status(&gateway, 0, &site.authority.client(&[b"http/1.1"])).await.is_err(), "no certificate");
    let forged = strangers.authority.issue(&["ops"]);
    assert!(status(&gateway, 0, &site.authority.client_showing(&forged, b"http/1.1")).await.is_err(), "another CA's");
    let expired = site.authority.issue_with(&["ops"], |params| params.not_after = rcgen::date_time_ymd(2024, 1, 1));
    assert!(status(&gateway, 0, &site.authority.client_showing(&expired, b"http/1.1")).await.is_err(), "expired");
    assert_eq!(backend.log().count(), 0);

    let ops = person(&site, "ops");
    assert_eq!(status(&gateway, 0, &site.authority.client_showing(&ops, b"http/1.1")).await?, 200);
    let told = backend.log().last().header("client-cert");
    let der = told.strip_prefix(':').and_then(|told| told.strip_suffix(':')).ok_or("no byte sequence")?;
    assert_eq!(der.len(), ops.der().len().div_ceil(3) * 4, "the whole certificate, as base64: {told}");
    wait_until("the access log names the client", async || {
        std::fs::read_to_string(site.path("access.log")).is_ok_and(|log| log.contains(r#""client_name":"ops""#))
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_only_requested_may_be_missing_but_not_bad_and_a_reload_demands_it() -> Outcome<()> {
    let _machine = together().await;
    let (site, strangers) = (Site::new(), Site::new());
    let backend = Backend::start("one").await;
    let config = |keys: &str| site.head(&clients(&site, keys)) + &site.pool(PROBE, &[&backend]);
    let gateway = Gateway::start(&site, &config("client_auth = \"request\"")).await;
    let nobody = site.authority.client(&[b"http/1.1"]);
    let mut open = Client::open_with(gateway.address(), HOST, nobody.clone(), Protocol::H1).await?;
    let answer = open.post("/", &[("client-cert", ":AAAA:")], "").await?;
    assert_eq!(answer.status, 200);
    assert_eq!(backend.log().last().header("client-cert"), "", "a client tells nothing of itself");
    let forged = strangers.authority.issue(&["ops"]);
    assert!(status(&gateway, 0, &site.authority.client_showing(&forged, b"http/1.1")).await.is_err());
    site.write("botgate.toml", &config("client_auth = \"require\""));
    assert_eq!(gateway.reload().await["result"], "applied");
    assert!(status(&gateway, 0, &nobody).await.is_err(), "its ticket of before lets it in no more");
    assert_eq!(open.get("/").await?.status, 200, "an open connection stays");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_one_realm_is_not_resumed_in_another() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let demanding = second(&site, &clients(&site, ""));
    let config = site.head("") + &second(&site, "") + &demanding + &demanding + &site.pool(PROBE, &[&backend]);
    let gateway = Gateway::start(&site, &config).await;
    let ops = person(&site, "ops");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = site.authority.client_showing_by(&ops, b"http/1.1", &[version]);
        let mut kinds = Vec::new();
        // Two that let everybody in, then two that ask for certificates, each twice.
        for at in [0, 1, 2, 2, 3, 3] {
            let (kind, answer) = exchange(&gateway, at, &client).await?;
            assert!(answer.starts_with("HTTP/1.1 200"), "{at}: {answer}");
            kinds.push(kind == Some(HandshakeKind::Resumed));
        }
        assert_eq!(kinds, [false, true, false, true, false, true], "{version:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_certificate_is_refused_and_so_is_its_session() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let (ops, leaving) = (person(&site, "ops"), person(&site, "leaving"));
    site.write("crl.pem", &site.authority.revoke(&[]));
    let keys = clients(&site, &format!("client_crl = [\"{}\"]", site.text_path("crl.pem")));
    let gateway = Gateway::start(&site, &(site.head(&keys) + &site.pool(PROBE, &[&backend]))).await;
    let client = |leaf: &Leaf| site.authority.client_showing(leaf, b"http/1.1");
    let (ops, gone) = (client(&ops), client(&leaving));
    assert!(exchange(&gateway, 0, &gone).await?.1.starts_with("HTTP/1.1 200"));
    assert_eq!(exchange(&gateway, 0, &gone).await?.0, Some(HandshakeKind::Resumed));
    site.write("crl.pem", &site.authority.revoke(&[&leaving]));
    wait_until("the new list counts", async || exchange(&gateway, 0, &gone).await.is_err()).await;
    assert!(exchange(&gateway, 0, &ops).await?.1.starts_with("HTTP/1.1 200"));
    site.write("crl.pem", "no list");
    assert_eq!(gateway.reload().await["result"], "rejected");
    assert!(exchange(&gateway, 0, &gone).await.is_err(), "a list that cannot be read lets nobody in again");
    Ok(())
}
