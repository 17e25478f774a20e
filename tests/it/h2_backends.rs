//! HTTP/2 backends that misbehave: the client gets 502 or a response that visibly breaks off, never a wrong one taken for
//! whole; nothing hangs, and the next request goes to a new connection.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::support::client::Protocol;
use crate::support::h2raw::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, H2Backend, HEADERS, PING, RST_STREAM, SETTINGS, WHOLE, frame,
    headers, hpack,
};
use crate::support::site::{HOST, Site, pool_of};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

async fn stage(site: &Site) -> (Gateway, H2Backend) {
    let backend = H2Backend::start(site).await;
    let url = format!("https://localhost:{}", backend.address.port());
    let trust = format!("ca = \"{}\"", site.text_path("ca.pem"));
    let keys = "probe = { kind = \"tcp\", interval = \"500ms\", timeout = \"400ms\" }\nreplay = \"unsent\"\nwarm = 0\ndeadline = \"5s\"";
    let pool = pool_of("bot", keys, &[("one", url, trust)], &format!("host = \"{HOST}\"\n"));
    let gateway = Gateway::start(site, &(site.head("") + &pool)).await;
    (gateway, backend)
}

fn ok(stream: u32) -> Vec<u8> {
    [headers(END_HEADERS, stream, &[(":status", "200")]), frame(DATA, END_STREAM, stream, b"well")].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_no_answers_are_502_and_the_next_request_is_served() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    type Answer = fn(u32) -> Vec<u8>;
    let bad: [(&str, Answer); 19] = [
        ("no status", |s| headers(WHOLE, s, &[("x", "y")])),
        ("two statuses", |s| headers(WHOLE, s, &[(":status", "200"), (":status", "200")])),
        ("a status that is none", |s| headers(WHOLE, s, &[(":status", "2x0")])),
        ("a status after a field", |s| headers(WHOLE, s, &[("x", "y"), (":status", "200")])),
        ("a request", |s| headers(WHOLE, s, &[(":method", "GET"), (":path", "/"), (":scheme", "https")])),
        ("a name in upper case", |s| headers(WHOLE, s, &[(":status", "200"), ("X", "y")])),
        ("a line in a value", |s| headers(WHOLE, s, &[(":status", "200"), ("x", "y\r\nset-cookie: z")])),
        ("a transfer coding", |s| headers(WHOLE, s, &[(":status", "200"), ("transfer-encoding", "chunked")])),
        ("a hop-by-hop field", |s| headers(WHOLE, s, &[(":status", "200"), ("connection", "close")])),
        ("two lengths", |s| headers(WHOLE, s, &[(":status", "200"), ("content-length", "0"), ("content-length", "1")])),
        ("a length, and no data", |s| headers(WHOLE, s, &[(":status", "200"), ("content-length", "5")])),
        ("data before a head", |s| frame(DATA, END_STREAM, s, b"data")),
        ("HTTP/1", |_| b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()),
        ("a push", |s| frame(5, END_HEADERS, s, &[&[0, 0, 0, 2][..], &hpack(&[(":method", "GET")])].concat())),
        ("a reset", |s| frame(RST_STREAM, 0, s, &[0, 0, 0, 2])),
        ("goodbye with an error", |_| frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 2])),
        ("a frame that is too large", |s| frame(HEADERS, WHOLE, s, &vec![0; 70_000])),
        ("bad compression", |s| frame(HEADERS, WHOLE, s, &[0xff; 20])),
        ("settings that are none", |_| frame(SETTINGS, 0, 0, &[0; 5])),
    ];
    for (what, answer) in bad {
        for protocol in [Protocol::H1, Protocol::H2] {
            let mut client = gateway.client(&site, protocol).await;
            backend.plays(answer);
            let reply = client.get("/").await.map_err(|error| format!("{what}, {protocol:?}: {error}"))?;
            assert_eq!(reply.status, 502, "{what}, {protocol:?}: {}", reply.text());
            assert!(!reply.headers.contains_key("set-cookie"), "{what}");
            backend.plays(ok);
            assert_eq!(client.get("/").await?.text(), "well", "after {what}, {protocol:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storms_of_a_backend_are_broken_off_and_counted_long_before_the_deadline() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    type Answer = fn(u32) -> Vec<u8>;
    let storms: [(&str, Answer); 5] = [
        ("headers", |s| headers(END_HEADERS, s, &[(":status", "103"), ("link", "</x>")])),
        ("pings", |_| frame(PING, 0, 0, &[7; 8])),
        ("settings", |_| frame(SETTINGS, 0, 0, &[])),
        ("other-frames", |_| frame(0xfa, 0, 0, &[0; 64])),
        ("empty-data", |s| {
            [headers(END_HEADERS, s, &[(":status", "200")]), frame(DATA, 0, s, b"").repeat(300)].concat()
        }),
    ];
    let counted = async |cause: &str| {
        gateway.metric("botgate_backend_http2_floods_total", &[&format!("cause=\"{cause}\"")]).await
    };
    for (cause, answer) in storms {
        backend.plays_endlessly(answer);
        let began = Instant::now();
        let mut client = gateway.client(&site, Protocol::H1).await;
        match client.get("/").await {
            Ok(reply) => assert_eq!(reply.status, 502, "{cause}: {}", reply.text()),
            // Where the head had come, its body breaks off.
            Err(_) => assert_eq!(cause, "empty-data"),
        }
        assert!(began.elapsed() < Duration::from_secs(4), "{cause}: {:?}", began.elapsed());
        wait_until("it is counted", async || counted(cause).await >= 1.0).await;
        backend.plays(ok);
        assert_eq!(gateway.client(&site, Protocol::H1).await.get("/").await?.text(), "well", "after {cause}");
    }
    // A block without end, and one that is too large.
    backend.plays(|s| {
        let first = frame(HEADERS, END_STREAM, s, &hpack(&[(":status", "200")]));
        [first, frame(CONTINUATION, 0, s, &hpack(&[("x", "y")])).repeat(50)].concat()
    });
    assert_eq!(gateway.client(&site, Protocol::H1).await.get("/").await?.status, 502);
    assert_eq!(counted("header-block").await, 1.0);
    backend.plays(|s| {
        let block = hpack(&[(":status", "200"), ("x-big", &"y".repeat(80_000))]);
        let parts: Vec<&[u8]> = block.chunks(16_000).collect();
        let (last, rest) = parts[1..].split_last().unwrap();
        let between: Vec<u8> = rest.iter().flat_map(|part| frame(CONTINUATION, 0, s, part)).collect();
        [frame(HEADERS, END_STREAM, s, parts[0]), between, frame(CONTINUATION, END_HEADERS, s, last)].concat()
    });
    assert_eq!(gateway.client(&site, Protocol::H1).await.get("/").await?.status, 502, "a head of 80 KB");
    backend.plays(ok);
    assert_eq!(gateway.client(&site, Protocol::H1).await.get("/").await?.text(), "well");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_as_declared_is_never_passed_off_as_whole() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    type Answer = fn(u32) -> Vec<u8>;
    let broken: [(&str, Answer); 5] = [
        ("shorter", |s| {
            [
                headers(END_HEADERS, s, &[(":status", "200"), ("content-length", "10")]),
                frame(DATA, END_STREAM, s, b"short"),
            ]
            .concat()
        }),
        ("longer", |s| {
            [
                headers(END_HEADERS, s, &[(":status", "200"), ("content-length", "3")]),
                frame(DATA, END_STREAM, s, b"too long"),
            ]
            .concat()
        }),
        ("reset", |s| {
            [
                headers(END_HEADERS, s, &[(":status", "200")]),
                frame(DATA, 0, s, b"part"),
                frame(RST_STREAM, 0, s, &[0, 0, 0, 2]),
            ]
            .concat()
        }),
        ("goodbye", |s| {
            [
                headers(END_HEADERS, s, &[(":status", "200")]),
                frame(DATA, 0, s, b"part"),
                frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 1]),
            ]
            .concat()
        }),
        ("trailers that end nothing", |s| {
            [
                headers(END_HEADERS, s, &[(":status", "200")]),
                frame(DATA, 0, s, b"part"),
                headers(END_HEADERS, s, &[("x", "y")]),
            ]
            .concat()
        }),
    ];
    for (what, answer) in broken {
        for protocol in [Protocol::H1, Protocol::H2] {
            backend.plays(answer);
            let whole = gateway.client(&site, protocol).await.get("/").await;
            // Known before anything was passed on, it is an error like any other.
            assert!(whole.as_ref().map_or(true, |reply| reply.status == 502), "{what}, {protocol:?}: {whole:?}");
            backend.plays(ok);
            assert_eq!(gateway.client(&site, protocol).await.get("/").await?.text(), "well", "after {what}");
        }
    }
    backend.plays_and_closes(|s| [headers(END_HEADERS, s, &[(":status", "200")]), frame(DATA, 0, s, b"part")].concat());
    for protocol in [Protocol::H1, Protocol::H2] {
        assert!(gateway.client(&site, protocol).await.get("/").await.is_err(), "{protocol:?}: closed within its body");
    }
    assert!(backend.requests.load(Relaxed) > 20 && backend.connections.load(Relaxed) >= 2);
    Ok(())
}
