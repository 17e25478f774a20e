//! The admin API over TLS, and callers that are known by their certificates.

use std::sync::Arc;

use crate::admin_access::{command, with_admin};
use crate::support::backend::Backend;
use crate::support::client::{self, Client, Protocol, full};
use crate::support::site::Site;
use crate::support::tls::Authority;
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

const CLIENTS: &str = "[{ cn = \"ann\", role = \"operator\" }, { dns = \"wall.test\", role = \"viewer\" }]";

fn keys(site: &Site, ca: &str, clients: &str) -> String {
    let at = |name: &str| site.text_path(name);
    format!(
        "certificates = [{{ chain = \"{}\", key = \"{}\" }}]\nclient_ca = \"{}\"\nclients = {clients}",
        at("bot.pem"),
        at("bot.key"),
        at(ca)
    )
}

/// A gateway whose operators have certificates `ann`, `wall` and `eve`, of whom the config does not know the last.
async fn start(site: &Site, backend: &Backend) -> Gateway {
    site.authority.issue(&["ann"]).write(site.dir(), "ann");
    site.authority.issue(&["wall.test"]).write(site.dir(), "wall");
    site.authority.issue(&["eve"]).write(site.dir(), "eve");
    let config = with_admin(site, &[backend], &keys(site, "ca.pem", CLIENTS));
    let gateway = Gateway::start_unready(site, "botgate.toml", &config, &[]).await;
    wait_until("the gateway is ready", || async {
        let mut client = connect(site, &gateway, None).await.unwrap();
        client.get("/readyz").await.is_ok_and(|reply| reply.status == 200)
    })
    .await;
    gateway
}

/// A connection to the admin API with the certificate of this name.
async fn connect(site: &Site, gateway: &Gateway, who: Option<&str>) -> Outcome<Client> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(site.authority.pem().as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    let config = match who {
        None => builder.with_no_client_auth(),
        Some(who) => {
            let chain = vec![CertificateDer::from_pem_file(site.path(&format!("{who}.pem")))?];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(site.path(&format!("{who}.key")))?)?
        }
    };
    let stream = client::tls(gateway.admin(), "localhost", Arc::new(config)).await?;
    Client::over(stream, "localhost", Protocol::H1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_are_known_by_their_certificates() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let gateway = start(&site, &one).await;
    let url = format!("https://localhost:{}", gateway.admin().port());
    let ca = site.text_path("ca.pem");
    let run = async |who: &str, words: &[&str]| {
        let (cert, key) = (site.text_path(&format!("{who}.pem")), site.text_path(&format!("{who}.key")));
        let reach = ["--admin", &url, "--ca", &ca];
        let proof: &[&str] = if who.is_empty() { &[] } else { &["--cert", &cert, "--key", &key] };
        command(&[words, &reach[..], proof].concat()).await
    };
    assert_eq!(run("wall", &["status"]).await.0, 0);
    let (code, _, err) = run("wall", &["drain", "bot", "one"]).await;
    assert!(code == 1 && err.contains("certificate:wall.test is a viewer"), "{code} {err}");
    assert_eq!(run("eve", &["status"]).await.0, 1, "of the CA, and nobody here");
    assert_eq!(run("", &["status"]).await.0, 1, "without a certificate");
    let (code, _, err) = run("ann", &["resume", "bot", "one", "--reason", "updates"]).await;
    assert_eq!(code, 0, "{err}");
    let (_, journal, _) = run("wall", &["journal", "bot", "--json"]).await;
    assert!(
        journal.contains("\"actor\":\"certificate:ann") || journal.contains("\"actor\": \"certificate:ann"),
        "{journal}"
    );

    // Of a CA that nobody here believes.
    let other = Authority::new();
    other.issue(&["ann"]).write(site.dir(), "mallory");
    let (code, _, err) = run("mallory", &["status"]).await;
    assert_eq!(code, 3, "{err}");
    let plain = format!("http://{}", gateway.admin());
    let (code, _, err) = command(&["status", "--admin", &plain]).await;
    assert!(code == 3 && err.contains("https://"), "{code} {err}");
    let (code, _, err) = command(&["status", "--admin", &url]).await;
    assert!(code == 3 && err.contains("--ca"), "{code} {err}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_a_browser_shows_by_itself_is_good_for_the_listeners_own_names_only() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let gateway = start(&site, &one).await;
    for (host, expected) in
        [("localhost:1", 200), ("bot.test", 200), ("a.bot.test", 200), ("evil.example", 403), ("a.b.bot.test", 403)]
    {
        let mut ann = connect(&site, &gateway, Some("ann")).await?;
        let mut request = ann.request("GET", "/api/v1/pools").body(full(""))?;
        request.headers_mut().insert("host", host.parse()?);
        assert_eq!(ann.send(request).await?.status, expected, "{host}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_takes_certificates_away_from_connections_that_are_open() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let gateway = start(&site, &one).await;
    let (mut ann, mut wall) =
        (connect(&site, &gateway, Some("ann")).await?, connect(&site, &gateway, Some("wall")).await?);
    assert_eq!((ann.get("/api/v1/pools").await?.status, wall.get("/api/v1/pools").await?.status), (200, 200));
    let fewer = "[{ dns = \"wall.test\", role = \"operator\" }]";
    site.write("botgate.toml", &with_admin(&site, &[&one], &keys(&site, "ca.pem", fewer)));
    wait_until("ann is nobody now", || async {
        connect(&site, &gateway, Some("ann")).await.unwrap().get("/api/v1/pools").await.unwrap().status == 403
    })
    .await;
    assert_eq!(ann.get("/api/v1/pools").await?.status, 403, "on the connection of before");
    assert_eq!(wall.post("/api/v1/pools/bot/backends/one/resume", &[], "").await?.status, 200);

    // Another CA: whom the former one vouched for is not believed any more, on no connection.
    let other = Authority::new();
    site.write("other-ca.pem", &other.pem());
    other.issue(&["wall.test"]).write(site.dir(), "next");
    site.write("botgate.toml", &with_admin(&site, &[&one], &keys(&site, "other-ca.pem", fewer)));
    wait_until("the other CA's are let in", || async {
        match connect(&site, &gateway, Some("next")).await {
            Ok(mut next) => next.get("/api/v1/pools").await.is_ok_and(|reply| reply.status == 200),
            Err(_) => false,
        }
    })
    .await;
    let refused = wall.get("/api/v1/pools").await.map_or(401, |reply| reply.status);
    assert_eq!(refused, 401);
    let again = match connect(&site, &gateway, Some("wall")).await {
        Ok(mut wall) => wall.get("/api/v1/pools").await.map(|reply| reply.status),
        Err(error) => Err(error),
    };
    assert!(again.is_err(), "{again:?}");
    Ok(())
}
