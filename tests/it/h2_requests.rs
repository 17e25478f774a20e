//! HTTP/2 requests that break a rule, or that HTTP/1 would read in another way, reach no backend; those that keep the rules
//! reach it as they were meant. Between HTTP/2 and HTTP/1 nothing can be smuggled, in either direction.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::support::backend::{Backend, Seen};
use crate::support::client::{Protocol, full};
use crate::support::h2raw::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Fate, H2Client, HEADERS, PADDED, RST_STREAM, WHOLE, frame, headers,
    hpack, request,
};
use crate::support::raw::Raw;
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

const SOON: Duration = Duration::from_secs(5);

async fn stage(site: &Site) -> (Gateway, Backend) {
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(site, &site.config(PROBE, &[&backend])).await;
    (gateway, backend)
}

type Fields = Vec<(&'static str, &'static str)>;

fn get(more: &[(&'static str, &'static str)]) -> Fields {
    request("GET", "/", more)
}

/// The usual pseudo-header fields with one said otherwise, or not at all.
fn with(name: &str, value: Option<&'static str>) -> Fields {
    let usual = get(&[]).into_iter();
    usual.filter_map(|(n, v)| if n == name { value.map(|value| (n, value)) } else { Some((n, v)) }).collect()
}

fn bad_heads() -> Vec<(&'static str, Fields)> {
    let mut heads = vec![
        ("no :method", with(":method", None)),
        ("no :scheme", with(":scheme", None)),
        ("no :path", with(":path", None)),
        ("no host at all", with(":authority", None)),
        ("an empty :path", with(":path", Some(""))),
        ("an empty :authority", with(":authority", Some(""))),
        ("an unknown pseudo-header", [(":foo", "x")].into_iter().chain(get(&[])).collect()),
        (":status in a request", [(":status", "200")].into_iter().chain(get(&[])).collect()),
        (":protocol without CONNECT", [(":protocol", "websocket")].into_iter().chain(get(&[])).collect()),
        ("a pseudo-header after a field", [("x", "y")].into_iter().chain(get(&[])).collect()),
        ("CONNECT", vec![(":method", "CONNECT"), (":authority", "bot.test:443")]),
        (
            "extended CONNECT",
            [(":protocol", "websocket")].into_iter().chain(with(":method", Some("CONNECT"))).collect(),
        ),
        ("TRACE", with(":method", Some("TRACE"))),
        ("a method that is a request line", with(":method", Some("GET / HTTP/1.1\r\nx: y"))),
        ("an empty method", with(":method", Some(""))),
        ("another scheme", with(":scheme", Some("ftp"))),
        ("a scheme that is a head", with(":scheme", Some("https://evil/ HTTP/1.1\r\n\r\n"))),
    ];
    for pseudo in [":method", ":scheme", ":authority", ":path"] {
        let twice = get(&[]).into_iter().flat_map(|field| if field.0 == pseudo { vec![field; 2] } else { vec![field] });
        heads.push(("a pseudo-header twice", twice.collect()));
    }
    for path in [
        "relative",
        "*",
        "/a b",
        "/a\tb",
        "/a\r\nx: y",
        "/a\0",
        "/a/../b",
        "/a/%2e%2e/b",
        "/a%2fb",
        "/a\\b",
        "/ä",
        "/?ä",
        "/．．/b",
        "https://other.test/",
        "/ HTTP/1.1\r\nhost: other.test\r\n\r\n",
    ] {
        heads.push(("a path", with(":path", Some(path))));
    }
    for authority in
        ["user@bot.test", "bot.test/x", "bot test", "bot.test:99999999", "bot.test, other", "bot.test\r\nx: y", "[::1"]
    {
        heads.push(("an authority", with(":authority", Some(authority))));
    }
    for field in [
        ("X-Upper", "y"),
        ("x y", "z"),
        ("x:y", "z"),
        ("x\r\ny", "z"),
        ("x\0", "z"),
        ("", "z"),
        ("x", "a\rb"),
        ("x", "a\nb"),
        ("x", "a\r\ntransfer-encoding: chunked"),
        ("x", "a\0b"),
        ("x", " a"),
        ("x", "a\t"),
        ("connection", "close"),
        ("connection", "x-secret"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("host", "other.test"),
        ("host", "bot.test:1"),
        ("content-length", "5"),
        ("content-length", "+0"),
        ("content-length", "0x0"),
        ("content-length", "0, 0"),
        ("content-length", "-1"),
        ("content-length", "99999999999999999999"),
    ] {
        heads.push(("a field", get(&[field])));
    }
    heads.push(("two hosts", get(&[("host", "bot.test"), ("host", "bot.test")])));
    heads.push(("two lengths", get(&[("content-length", "0"), ("content-length", "1")])));
    heads.push(("one length twice", get(&[("content-length", "0"), ("content-length", "0")])));
    heads
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_break_a_rule_reach_no_backend() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    let mut passed = Vec::new();
    for (what, fields) in bad_heads() {
        let mut client = H2Client::open(gateway.address(), &site).await;
        let fate = client.ask(1, &fields).await;
        let refused = match &fate {
            Fate::Status(status) => matches!(status, 400 | 405 | 421 | 431 | 501),
            Fate::Reset(_) | Fate::Goaway(..) => true,
            Fate::Closed | Fate::Nothing => false,
        };
        if !refused || backend.log().count() > 0 {
            let seen: Vec<String> = backend.log().all().iter().map(|seen| format!("{seen:?}")).collect();
            passed.push(format!("{what} {fields:?}: {fate:?} {seen:?}"));
        }
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
    assert_eq!(gateway.client(&site, Protocol::H2).await.get("/").await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_refused_leaves_the_others_of_its_connection_alone() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    let mut client = H2Client::open(gateway.address(), &site).await;
    client.write(headers(END_HEADERS, 1, &request("POST", "/kept", &[]))).await;
    assert_eq!(client.ask(3, &get(&[("host", "other.test")])).await, Fate::Status(400));
    assert!(matches!(client.ask(5, &get(&[("transfer-encoding", "chunked")])).await, Fate::Reset(1)));
    assert!(matches!(client.ask(7, &with(":path", None)).await, Fate::Reset(1)));
    client.write(frame(DATA, END_STREAM, 1, b"whole")).await;
    assert_eq!(client.fate(1, SOON).await, Fate::Status(200));
    assert_eq!(&backend.log().last().body[..], b"whole");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_keep_the_rules_are_told_to_an_http1_backend_as_they_were_meant() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    let good = [
        get(&[("host", "bot.test")]),
        with(":authority", None).into_iter().chain([("host", "bot.test")]).collect(),
        with(":authority", Some("BOT.test:443")),
        with(":scheme", Some("http")),
        get(&[("te", "trailers"), ("cookie", "a=1"), ("cookie", "b=2"), ("x-empty", ""), ("x-within", "a b\tc")]),
    ];
    for fields in good {
        let mut client = H2Client::open(gateway.address(), &site).await;
        assert_eq!(client.ask(1, &fields).await, Fate::Status(200), "{fields:?}");
        let seen = backend.log().last();
        assert_eq!(seen.header("x-forwarded-host"), "bot.test", "{fields:?}");
        assert!(!seen.has("te") && !seen.has("transfer-encoding") && !seen.has("connection"), "{seen:?}");
    }
    let last = backend.log().last();
    assert_eq!((last.header("cookie"), last.header("x-within")), ("a=1; b=2".to_owned(), "a b\tc".to_owned()));
    // A head in many frames, padded, is the same head.
    let block = hpack(&request("GET", "/split", &[("x-split", "value")]));
    let mut client = H2Client::open(gateway.address(), &site).await;
    let padded = [&[3][..], &block[..10], &[0; 3]].concat();
    client.write(frame(HEADERS, PADDED | END_STREAM, 1, &padded)).await;
    client
        .write([frame(CONTINUATION, 0, 1, &block[10..20]), frame(CONTINUATION, END_HEADERS, 1, &block[20..])].concat())
        .await;
    assert_eq!(client.fate(1, SOON).await, Fate::Status(200));
    assert_eq!(backend.log().last().header("x-split"), "value");
    Ok(())
}

/// A POST of these frames; what became of it, and what the backend saw of it, if anything.
async fn post(
    gateway: &Gateway,
    site: &Site,
    backend: &Backend,
    declared: &'static str,
    frames: &[Vec<u8>],
) -> (Fate, Option<Seen>) {
    // Told by its target: what became of a post before may reach the backend late.
    static POSTS: AtomicUsize = AtomicUsize::new(0);
    let target = format!("/post-{}", POSTS.fetch_add(1, Relaxed));
    let more: &[(&str, &str)] = if declared.is_empty() { &[] } else { &[("content-length", declared)] };
    let mut client = H2Client::open(gateway.address(), site).await;
    client.write([headers(END_HEADERS, 1, &request("POST", &target, more)), frames.concat()].concat()).await;
    let fate = client.fate(1, SOON).await;
    (fate, backend.log().all().into_iter().find(|seen| seen.target == target))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_as_long_as_declared_is_never_whole_at_the_backend() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    let smuggled = b"GET /smuggled HTTP/1.1\r\nhost: bot.test\r\n\r\n";
    for (what, declared, frames) in [
        ("shorter", "100", vec![frame(DATA, END_STREAM, 1, b"short")]),
        ("longer", "3", vec![frame(DATA, END_STREAM, 1, smuggled)]),
        ("longer by a second frame", "3", vec![frame(DATA, 0, 1, b"abc"), frame(DATA, END_STREAM, 1, smuggled)]),
        ("none, and data comes", "0", vec![frame(DATA, END_STREAM, 1, smuggled)]),
        ("shorter, with trailers", "100", vec![frame(DATA, 0, 1, b"short"), headers(WHOLE, 1, &[("x-sum", "1")])]),
    ] {
        let (fate, seen) = post(&gateway, &site, &backend, declared, &frames).await;
        assert!(matches!(fate, Fate::Reset(_) | Fate::Status(400)), "{what}: {fate:?}");
        if let Some(seen) = seen {
            assert!(!seen.complete || seen.length == declared.parse::<usize>()?, "{what}: {seen:?}");
        }
        // The backend's connection carries no further request: a new one is whole.
        assert_eq!(gateway.client(&site, Protocol::H2).await.get("/after").await?.status, 200, "{what}");
        assert!(backend.log().all().iter().all(|seen| seen.target != "/smuggled"), "{what}: smuggled");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_taken_back_without_an_error_is_never_whole_at_the_backend() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    for code in [0, 8] {
        let mut client = H2Client::open(gateway.address(), &site).await;
        let frames = [
            headers(END_HEADERS, 1, &request("POST", "/half", &[])),
            frame(DATA, 0, 1, b"half of what"),
            frame(RST_STREAM, 0, 1, &[0, 0, 0, code]),
        ];
        client.write(frames.concat()).await;
        // The next request of the same connection is served, so those frames were read.
        client.write(headers(WHOLE, 3, &request("GET", "/after", &[]))).await;
        assert_eq!(client.fate(3, SOON).await, Fate::Status(200));
    }
    let halves = || backend.log().all().into_iter().filter(|seen| seen.target == "/half").collect::<Vec<_>>();
    assert!(halves().iter().all(|seen| !seen.complete), "{:?}", halves());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_out_of_order_end_their_stream_or_connection() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    let end = || frame(DATA, END_STREAM, 1, b"end");
    for (what, frames) in [
        ("trailers that end nothing", vec![headers(END_HEADERS, 1, &[("x", "y")]), end()]),
        ("a hop-by-hop field in trailers", vec![headers(WHOLE, 1, &[("transfer-encoding", "chunked")])]),
        ("data on stream 0", vec![frame(DATA, END_STREAM, 0, b"data")]),
        ("data with more padding than data", vec![frame(DATA, END_STREAM | PADDED, 1, &[9, 1, 2])]),
        ("a frame that is too large", vec![frame(DATA, END_STREAM, 1, &vec![0; 20_000])]),
        ("a frame within a head", vec![headers(0, 3, &get(&[])), end()]),
        ("a continuation of nothing", vec![frame(CONTINUATION, END_HEADERS, 1, &[])]),
        ("a continuation of another stream", vec![headers(0, 3, &get(&[])), frame(CONTINUATION, END_HEADERS, 5, &[])]),
        ("an even stream", vec![headers(WHOLE, 2, &get(&[]))]),
    ] {
        let (fate, seen) = post(&gateway, &site, &backend, "", &frames).await;
        assert!(matches!(fate, Fate::Reset(_) | Fate::Goaway(..) | Fate::Status(400)), "{what}: {fate:?}");
        assert!(seen.is_none_or(|seen| !seen.complete), "{what}: the backend took it for a whole request");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_reach_a_backend_without_what_would_change_the_request() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start_h2("one", &site).await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&one])).await;
    let trailers = [
        ("x-sum", "7"),
        ("content-length", "1"),
        ("host", "other.test"),
        ("authorization", "Bearer x"),
        ("x-forwarded-for", "192.0.2.1"),
        ("botgate-epoch", "9"),
    ];
    let frames = [frame(DATA, 0, 1, b"body"), headers(WHOLE, 1, &trailers)];
    let (fate, seen) = post(&gateway, &site, &one, "", &frames).await;
    assert_eq!(fate, Fate::Status(200));
    let seen = seen.unwrap();
    assert_eq!((&seen.body[..], seen.trailers.len()), (&b"body"[..], 1), "{:?}", seen.trailers);
    assert_eq!(seen.trailers["x-sum"], "7");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http1_requests_reach_an_http2_backend_without_what_belongs_to_a_connection() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start_h2("one", &site).await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
    let mut raw = Raw::tls(gateway.address(), &site).await;
    let head = "POST /x?y=%20 HTTP/1.1\r\nHost: bot.test\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\
                Proxy-Connection: x\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nX-Mixed-Case: Kept\r\n\r\n";
    raw.write(format!("{head}4\r\nbody\r\n0\r\n\r\n")).await;
    let heard = raw.hear_until(SOON, |text| text.contains("body")).await;
    assert_eq!(heard.status(), 200, "{heard:?}");
    let seen = backend.log().last();
    assert!(seen.http2 && seen.complete && &seen.body[..] == b"body", "{seen:?}");
    for gone in ["connection", "x-hop", "keep-alive", "proxy-connection", "transfer-encoding"] {
        assert!(!seen.has(gone), "{gone}: {seen:?}");
    }
    assert_eq!(
        (seen.target.as_str(), seen.header("te"), seen.header("x-mixed-case")),
        ("/x?y=%20", "trailers".into(), "Kept".into())
    );
    // A body that breaks off is no whole body over HTTP/2 either.
    let before = backend.log().count();
    let mut broken = Raw::tls(gateway.address(), &site).await;
    broken.write("POST /broken HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 100\r\n\r\nonly this").await;
    wait_until("the backend has the head", async || backend.log().count() > before).await;
    drop(broken);
    wait_until("the backend is told", async || backend.log().all()[before..].iter().all(|seen| !seen.complete)).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    let request = client.request("POST", "/after").body(full("after"))?;
    assert_eq!(client.send(request).await?.text(), "after");
    assert!(backend.log().all().iter().all(|seen| seen.target != "/broken" || !seen.complete));
    Ok(())
}
