//! HTTP/1 of clients, read strictly: what two servers could read in two ways is refused, and no backend hears of it.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::support::backend::{Answer, Backend};
use crate::support::client::{Client, Protocol, tls};
use crate::support::raw::{Heard, Raw};
use crate::support::site::{HOST, PROBE, Site, pool_of};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

/// Closed within what a busy machine needs.
const SOON: Duration = Duration::from_secs(10);

/// Heads that break a rule, and the status that says so.
const BAD_HEADS: [(&str, &str, u16); 33] = [
    ("bare LF after the request line", "GET / HTTP/1.1\nhost: bot.test\r\n\r\n", 400),
    ("bare LF after a field", "GET / HTTP/1.1\r\nhost: bot.test\nx: y\r\n\r\n", 400),
    ("bare LF at the end", "GET / HTTP/1.1\r\nhost: bot.test\r\n\n", 400),
    ("bare CR in a value", "GET / HTTP/1.1\r\nhost: bot.test\r\nx: a\rb\r\n\r\n", 400),
    ("CR CR LF", "GET / HTTP/1.1\r\nhost: bot.test\r\r\n\r\n", 400),
    ("NUL in a value", "GET / HTTP/1.1\r\nhost: bot.test\r\nx: a\0b\r\n\r\n", 400),
    ("DEL in a value", "GET / HTTP/1.1\r\nhost: bot.test\r\nx: a\x7fb\r\n\r\n", 400),
    ("a folded field", "GET / HTTP/1.1\r\nhost: bot.test\r\nx: a\r\n b\r\n\r\n", 400),
    ("a field folded by a tab", "GET / HTTP/1.1\r\nhost: bot.test\r\nx: a\r\n\tb\r\n\r\n", 400),
    ("white space before the first field", "GET / HTTP/1.1\r\n host: bot.test\r\nhost: bot.test\r\n\r\n", 400),
    ("a space before a colon", "GET / HTTP/1.1\r\nhost : bot.test\r\n\r\n", 400),
    ("a field without a name", "GET / HTTP/1.1\r\nhost: bot.test\r\n: x\r\n\r\n", 400),
    ("a field without a colon", "GET / HTTP/1.1\r\nhost: bot.test\r\nx\r\n\r\n", 400),
    ("two spaces", "GET  / HTTP/1.1\r\nhost: bot.test\r\n\r\n", 400),
    ("a tab", "GET\t/ HTTP/1.1\r\nhost: bot.test\r\n\r\n", 400),
    ("a space at the end", "GET / HTTP/1.1 \r\nhost: bot.test\r\n\r\n", 400),
    ("no version", "GET /\r\n\r\n", 400),
    ("a version too new", "GET / HTTP/1.2\r\nhost: bot.test\r\n\r\n", 505),
    ("HTTP/2 by text", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("a fragment", "GET /#x HTTP/1.1\r\nhost: bot.test\r\n\r\n", 400),
    ("a target that is not ASCII", "GET /ä HTTP/1.1\r\nhost: bot.test\r\n\r\n", 400),
    ("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nhost: bot.test\r\n\r\n", 400),
    ("two lengths", "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx", 400),
    ("a list of lengths", "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 1, 1\r\n\r\nx", 400),
    ("a length with a leading zero", "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 01\r\n\r\nx", 400),
    ("a length with a sign", "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: +1\r\n\r\nx", 400),
    ("a padded length", "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length:  1 \r\n\r\nx", 400),
    (
        "a length beyond numbers",
        "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 18446744073709551617\r\n\r\nx",
        400,
    ),
    (
        "a length and chunks",
        "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "chunks and a length",
        "POST / HTTP/1.1\r\nhost: bot.test\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("a coding in disguise", "POST / HTTP/1.1\r\nhost: bot.test\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunks by a tab", "POST / HTTP/1.1\r\nhost: bot.test\r\ntransfer-encoding:\tchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunks on HTTP/1.0", "POST / HTTP/1.0\r\nhost: bot.test\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
];

async fn simple(site: &Site) -> (Gateway, Backend) {
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(site, &site.config(PROBE, &[&backend])).await;
    (gateway, backend)
}

async fn heard(gateway: &Gateway, site: &Site, bytes: impl AsRef<[u8]>) -> Heard {
    let mut raw = Raw::tls(gateway.address(), site).await;
    raw.write(bytes).await;
    raw.hear(SOON).await
}

/// What is wrong with a refusal; nothing when it is as it should be.
fn flaw(text: &str, status: u16) -> Option<&'static str> {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let problem: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    match () {
        () if !head.starts_with(&format!("HTTP/1.1 {status} ")) => Some("its status"),
        () if !head.contains("connection: close") => Some("it does not say that it closes"),
        () if !head.contains("application/problem+json") || problem["status"] != status => Some("its body"),
        () => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_could_be_read_in_two_ways_is_refused_and_never_forwarded() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let mut wrong = Vec::new();
    for (what, bytes, status) in BAD_HEADS {
        let heard = heard(&gateway, &site, bytes).await;
        if let Some(flaw) = flaw(&heard.text, status).or((!heard.closed).then_some("open")) {
            wrong.push(format!("{what}: {flaw}: {heard:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(backend.log().count(), 0);
    wait_until("they are counted", || async {
        gateway.metric("botgate_requests_refused_total", &[]).await >= BAD_HEADS.len() as f64
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_head_behind_good_requests_is_refused_in_its_turn_and_they_are_answered() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let good = "GET /one HTTP/1.1\r\nhost: bot.test\r\n\r\n\
                POST /two HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 5\r\n\r\nhello\
                POST /three HTTP/1.1\r\nhost: bot.test\r\ntransfer-encoding: chunked\r\n\r\n1\r\n!\r\n0\r\n\r\n";
    for (what, bad, status) in BAD_HEADS {
        let before = backend.log().count();
        // The first one is slow: what is wrong with the last is known long before.
        backend.once(Answer::with(200, "slow").delay(Duration::from_millis(20)).into());
        let heard = heard(&gateway, &site, [good, bad, "GET /never HTTP/1.1\r\nhost: bot.test\r\n\r\n"].concat()).await;
        let answers: Vec<&str> = heard.text.split_inclusive("HTTP/1.1 ").collect();
        assert_eq!(answers.len(), 5, "{what}: {heard:?}");
        assert!(answers[1..4].iter().all(|answer| answer.starts_with("200 ")), "{what}: {heard:?}");
        assert_eq!(flaw(&format!("HTTP/1.1 {}", answers[4]), status), None, "{what}: {heard:?}");
        let seen: Vec<String> = backend.log().all()[before..].iter().map(|seen| seen.target.clone()).collect();
        assert_eq!(seen, ["/one", "/two", "/three"], "{what}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_whose_framing_breaks_is_refused_and_what_follows_it_is_no_request() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let head = "POST /body HTTP/1.1\r\nhost: bot.test\r\ntransfer-encoding: chunked\r\n\r\n";
    for bad in [
        "zz\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloo\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5;\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\r\nhello\r\n0\r\n\r\n",
        "5;a\nGET /smuggled HTTP/1.1\r\n\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\ncontent-length: 7\r\n\r\n",
        "5\r\nhello\r\n0\r\nx : y\r\n\r\n",
        "5\r\nhello\r\n0\r\n x: y\r\n\r\n",
        "5\r\nhello\r\n00 \r\n\r\n",
    ] {
        let before = backend.log().count();
        let smuggled = "GET /smuggled HTTP/1.1\r\nhost: bot.test\r\n\r\n";
        let heard = heard(&gateway, &site, [head, bad, smuggled].concat()).await;
        assert!(heard.closed, "{bad:?}: {heard:?}");
        assert_eq!(flaw(&heard.text, 400), None, "{bad:?}: {heard:?}");
        for seen in &backend.log().all()[before..] {
            assert!(seen.target == "/body" && !seen.complete, "{bad:?}: {seen:?}");
        }
    }
    assert_eq!(gateway.client(&site, Protocol::H1).await.post("/", &[], "next").await?.text(), "next");
    assert_eq!(gateway.active("bot").await, "one", "that was no fault of the backend");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_come_byte_by_byte_are_the_same_requests() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let text = "\r\nPOST /a HTTP/1.1\r\nhost: bot.test\r\ntransfer-encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n1\r\n!\r\n0\r\nx-sum: 7\r\n\r\n\
                GET /b HTTP/1.1\r\nhost: bot.test\r\nconnection: close\r\n\r\n";
    let mut raw = Raw::tls(gateway.address(), &site).await;
    for byte in text.as_bytes() {
        raw.io.write_all(&[*byte]).await?;
        raw.io.flush().await?;
    }
    let heard = raw.hear(SOON).await;
    assert_eq!((heard.responses(), heard.closed), (2, true), "{heard:?}");
    let seen = backend.log().all();
    assert_eq!((&*seen[0].target, &seen[0].body[..], &*seen[1].target), ("/a", &b"hello!"[..], "/b"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_sends_ahead_of_its_101_reaches_the_tunnel_and_nothing_before() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _backend) = simple(&site).await;
    let upgrade = "GET /ws HTTP/1.1\r\nhost: bot.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // A text message "hi", masked with 1 2 3 4.
    let message = [0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
    let mut raw = Raw::tls(gateway.address(), &site).await;
    raw.write([upgrade.as_bytes(), &message].concat()).await;
    let heard = raw.hear_until(SOON, |text| text.ends_with("hi")).await;
    assert!(heard.status() == 101 && heard.text.ends_with("\u{2}hi"), "{heard:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_with_an_item_that_is_no_text_is_a_list_all_the_same() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let head = b"GET / HTTP/1.1\r\nhost: bot.test\r\nconnection: upgrade, x-secret, \x80\r\nupgrade: h2c, \x80\r\nx-secret: 1\r\n";
    let said = heard(
        &gateway,
        &site,
        [&head[..], b"\r\nGET /last HTTP/1.1\r\nhost: bot.test\r\nconnection: close\r\n\r\n"].concat(),
    );
    assert_eq!(said.await.responses(), 2);
    let seen = &backend.log().all()[0];
    assert!(!seen.has("upgrade") && !seen.has("connection") && !seen.has("x-secret"), "{seen:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_of_a_strange_version_is_told_the_one_that_is_spoken() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let upgrade = "GET /ws HTTP/1.1\r\nhost: bot.test\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 777\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let heard = heard(&gateway, &site, upgrade).await;
    assert!(heard.status() == 426 && heard.text.contains("sec-websocket-version: 13"), "{heard:?}");
    assert_eq!(backend.log().count(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_the_certificate_of_the_connection_does_not_bear_is_misdirected() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let entry = [("one", backend.url(), String::new())];
    // Every host is served, so that only the certificate can be what speaks against it.
    let believed = site.head("trusted = [\"127.0.0.0/8\"]").replace("state\"", "state2\"");
    let config = believed + &pool_of("bot", PROBE, &entry, "");
    let behind_a_proxy = Gateway::start_with(&site, "proxied.toml", &config, &[]).await;
    let stream = tls(behind_a_proxy.address(), HOST, site.authority.client(&[b"http/1.1"])).await?;
    assert_eq!(Client::over(stream, "other.test", Protocol::H1).await?.get("/").await?.status, 200);
    let gateway = Gateway::start(&site, &(site.head("") + &pool_of("bot", PROBE, &entry, ""))).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let alpn: &[u8] = if protocol == Protocol::H2 { b"h2" } else { b"http/1.1" };
        for (sni, host, status) in [
            (HOST, HOST, 200),
            (HOST, "BOT.test.", 200),
            (HOST, "bot.test:8443", 200),
            (HOST, "qna.bot.test", 200),
            (HOST, "other.test", 421),
            (HOST, "a.b.bot.test", 421),
            (HOST, "127.0.0.1", 421),
            ("other.test", HOST, 421),
            ("127.0.0.1", "other.test", 200),
        ] {
            let stream = tls(gateway.address(), sni, site.authority.client(&[alpn])).await?;
            let mut client = Client::over(stream, host, protocol).await?;
            assert_eq!(client.get("/").await?.status, status, "{protocol:?}: {sni} asked for {host}");
        }
    }
    Ok(())
}
