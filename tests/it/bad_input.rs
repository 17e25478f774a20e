//! Bad input has a clear answer, and disturbs nobody else.

use std::time::{Duration, Instant};

use crate::support::backend::Backend;
use crate::support::client::Protocol;
use crate::support::raw::Raw;
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

/// Every deadline of a client is this long.
const PATIENCE: &str = "handshake_timeout = \"500ms\"\nheader_timeout = \"500ms\"\nbody_timeout = \"500ms\"\n\
                        idle_timeout = \"60s\"\nmax_header_size = \"16KiB\"";

async fn impatient(site: &Site) -> (Gateway, Backend) {
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(site, &(site.head(PATIENCE) + &site.pool(PROBE, &[&backend]))).await;
    (gateway, backend)
}

/// Closed within what the deadline of 500 ms allows on a busy machine.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_never_ends_is_cut_off() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _backend) = impatient(&site).await;
    let mut raw = Raw::tcp(gateway.address()).await;
    raw.write([0x16, 3, 1, 2, 0, 1]).await;
    let start = Instant::now();
    let mut client = gateway.client(&site, Protocol::H1).await;
    assert_eq!(client.get("/").await?.status, 200, "another client was held up");
    assert!(raw.hear(SOON).await.closed);
    assert!(start.elapsed() < SOON);
    wait_until("it is counted", || async { gateway.metric("botgate_tls_handshakes_total", &["timeout"]).await >= 1.0 })
        .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_tls_are_turned_away() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = impatient(&site).await;
    for garbage in [b"GET / HTTP/1.1\r\nhost: bot.test\r\n\r\n".to_vec(), vec![0xff; 4096], vec![0; 4096]] {
        let mut raw = Raw::tcp(gateway.address()).await;
        raw.write(garbage).await;
        assert!(raw.hear(SOON).await.closed);
    }
    assert_eq!(backend.log().count(), 0);
    assert_eq!(gateway.client(&site, Protocol::H2).await.get("/").await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_never_ends_is_answered_408_or_closed() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = impatient(&site).await;
    let mut raw = Raw::tls(gateway.address(), &site).await;
    raw.write("GET / HTTP/1.1\r\nhost: bot.te").await;
    let heard = raw.hear(SOON).await;
    assert!(heard.closed && matches!(heard.status(), 0 | 408), "{heard:?}");
    assert_eq!(backend.log().count(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_never_ends_is_answered_408_and_closed() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _backend) = impatient(&site).await;
    let mut raw = Raw::tls(gateway.address(), &site).await;
    raw.write("POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 100\r\n\r\nonly this").await;
    let heard = raw.hear(SOON).await;
    assert!(heard.closed && matches!(heard.status(), 0 | 408), "{heard:?}");
    assert_eq!(gateway.active("bot").await, "one");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_head_is_answered_431() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = impatient(&site).await;
    let big = "x".repeat(20 * 1024);
    let mut raw = Raw::tls(gateway.address(), &site).await;
    let heard = raw.ask(format!("GET / HTTP/1.1\r\nhost: bot.test\r\nx-big: {big}\r\n\r\n")).await;
    assert_eq!(heard.status(), 431, "{heard:?}");
    let mut many = Raw::tls(gateway.address(), &site).await;
    let fields: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    assert_eq!(many.ask(format!("GET / HTTP/1.1\r\nhost: bot.test\r\n{fields}\r\n")).await.status(), 431);
    let mut client = gateway.client(&site, Protocol::H2).await;
    let answer = client.post("/", &[("x-big", &big)], "").await;
    assert!(answer.is_err() || answer?.status == 431);
    assert_eq!(backend.log().count(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_requests_are_refused_and_never_forwarded() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = impatient(&site).await;
    let bad = [
        ("no host", "GET / HTTP/1.1\r\n\r\n"),
        ("empty host", "GET / HTTP/1.1\r\nhost:\r\n\r\n"),
        ("two hosts", "GET / HTTP/1.1\r\nhost: bot.test\r\nhost: bot.test\r\n\r\n"),
        ("userinfo in host", "GET / HTTP/1.1\r\nhost: a@bot.test\r\n\r\n"),
        ("a path in host", "GET / HTTP/1.1\r\nhost: bot.test/x\r\n\r\n"),
        ("two targets", "GET https://other.test/ HTTP/1.1\r\nhost: bot.test\r\n\r\n"),
        ("two lengths", "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
        ("a signed length", "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: +1\r\n\r\nx"),
        ("a length that is none", "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 1x\r\n\r\nx"),
        ("an unknown coding", "POST / HTTP/1.1\r\nhost: bot.test\r\ntransfer-encoding: gzip\r\n\r\nx"),
        ("chunked twice", "POST / HTTP/1.1\r\nhost: bot.test\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        ("chunks on HTTP/1.0", "POST / HTTP/1.0\r\nhost: bot.test\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("CONNECT", "CONNECT bot.test:443 HTTP/1.1\r\nhost: bot.test\r\n\r\n"),
        ("a space before the colon", "GET / HTTP/1.1\r\nhost: bot.test\r\nx : y\r\n\r\n"),
        ("a folded field", "GET / HTTP/1.1\r\nhost: bot.test\r\nx: y\r\n z\r\n\r\n"),
        ("no HTTP", "hello\r\n\r\n"),
        ("HTTP/3 by text", "GET / HTTP/3.0\r\nhost: bot.test\r\n\r\n"),
    ];
    let mut forwarded = Vec::new();
    for (what, bytes) in bad {
        let before = backend.log().count();
        let mut raw = Raw::tls(gateway.address(), &site).await;
        raw.write(bytes).await;
        let heard = raw.hear_until(SOON, |text| text.contains("\r\n\r\n")).await;
        let status = heard.status();
        if backend.log().count() > before || !matches!(status, 400 | 405 | 411 | 421 | 501 | 505) {
            forwarded.push(format!("{what}: {} forwarded, answer {:?}", backend.log().count() - before, heard.text));
        }
    }
    assert!(forwarded.is_empty(), "{}", forwarded.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_cap_wait_or_are_turned_away_and_the_rest_is_served() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(&site, &(site.head("max_connections = 4") + &site.pool(PROBE, &[&backend]))).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut client = gateway.client(&site, Protocol::H1).await;
        client.get("/").await?;
        held.push(client);
    }
    let open = crate::support::client::tls(gateway.address(), "bot.test", site.authority.client(&[b"http/1.1"]));
    let fifth = tokio::time::timeout(Duration::from_secs(1), open).await;
    assert!(!matches!(fifth, Ok(Ok(_))), "a fifth connection was served");
    assert_eq!(held[0].get("/").await?.status, 200);
    held.clear();
    wait_until("there is room again", async || {
        let open = crate::support::client::tls(gateway.address(), "bot.test", site.authority.client(&[b"http/1.1"]));
        matches!(tokio::time::timeout(Duration::from_secs(1), open).await, Ok(Ok(_)))
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_listener_takes_the_client_from_the_proxy_protocol() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let plain =
        "\n[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\nproxy_protocol = true\nheader_timeout = \"500ms\"";
    let gateway = Gateway::start(&site, &(site.head(plain) + &site.pool(PROBE, &[&backend]))).await;
    let address = gateway.addresses()[1];
    let request = "GET / HTTP/1.1\r\nhost: bot.test\r\nconnection: close\r\n\r\n";
    let mut v1 = Raw::tcp(address).await;
    let heard = v1.ask(format!("PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n{request}")).await;
    assert_eq!(heard.status(), 200, "{heard:?}");
    assert_eq!(backend.log().last().header("x-forwarded-for"), "192.0.2.7");
    assert_eq!(backend.log().last().header("x-forwarded-proto"), "http");
    let mut v2 = Raw::tcp(address).await;
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend_from_slice(&[192, 0, 2, 8, 192, 0, 2, 1, 0x12, 0x34, 0, 80]);
    header.extend_from_slice(request.as_bytes());
    assert_eq!(v2.ask(header).await.status(), 200);
    assert_eq!(backend.log().last().header("x-forwarded-for"), "192.0.2.8");
    let before = backend.log().count();
    let mut none = Raw::tcp(address).await;
    assert_ne!(none.ask(request).await.status(), 200, "a connection without the header was served");
    assert_eq!(backend.log().count(), before);
    Ok(())
}
