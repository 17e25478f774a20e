//! Backends that misbehave: a 502 in time, never a wrong body, and never the same connection again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::backend::{Backend, Behaviour};
use crate::support::client::Protocol;
use crate::support::raw::Raw;
use crate::support::site::{HOST, PROBE, Site, pool_of};
use crate::support::tls::Authority;
use crate::support::wait::together;
use crate::support::{Gateway, Outcome};

/// Sooner than any deadline of a request.
const SOON: Duration = Duration::from_secs(5);

const BAD_RESPONSES: [(&str, &str); 22] = [
    ("a length beside chunks", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nhello"),
    ("the same length twice", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello"),
    ("a length with a sign", "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello"),
    ("a list of lengths", "HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\nhello"),
    ("an unknown coding", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("a folded field", "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n"),
    ("bare LF", "HTTP/1.1 200 OK\ncontent-length: 0\n\n"),
    ("bare CR", "HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 0\r\n\r\n"),
    ("NUL", "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n"),
    ("a space before a colon", "HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n"),
    ("HTTP/0.9", "<html>hello</html>"),
    ("HTTP/0.9 with lines", "<html>\r\nhello\r\n</html>\r\n"),
    ("another protocol", "SSH-2.0-OpenSSH_9.6\r\n"),
    ("HTTP/2", "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d"),
    ("HTTP/3 by text", "HTTP/3 200\r\n\r\n"),
    ("a status that is none", "HTTP/1.1 20 OK\r\n\r\n"),
    ("an empty line first", "\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("half a head", "HTTP/1.1 200 OK\r\ncontent-le"),
    ("a switch that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    ("nothing", ""),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_could_be_read_in_two_ways_is_none() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(&site, &site.config("probe = false", &[&backend])).await;
    let mut wrong = Vec::new();
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        for (what, bytes) in BAD_RESPONSES {
            backend.always(Behaviour::Raw(bytes.into()));
            let began = Instant::now();
            let reply = client.post("/", &[], "x").await?;
            let problem = reply.json();
            if reply.status != 502 || problem["type"] != "urn:botgate:problem:broken" || began.elapsed() > SOON {
                wrong.push(format!("{protocol:?}: {what}: {} {problem}", reply.status));
            }
            backend.always(Behaviour::Echo);
            assert_eq!(client.post("/", &[], "next").await?.text(), "next", "after {what}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // All but those that end before a line does, with each protocol.
    let counted = gateway.metric("botgate_responses_malformed_total", &["backend=\"one\""]).await;
    assert_eq!(counted, 2.0 * (BAD_RESPONSES.len() - 3) as f64);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_interim_responses_are_passed_over_and_a_storm_of_them_is_no_answer() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(&site, &site.config("probe = false", &[&backend])).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    for (interims, status) in [(0, 200), (10, 200), (16, 200), (17, 502), (10_000, 502)] {
        let storm = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(interims);
        backend.always(Behaviour::Raw((storm + "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").into()));
        assert_eq!(client.post("/", &[], "x").await?.status, status, "{interims}");
    }
    Ok(())
}

/// A listener on which every connection is met so.
async fn listening<F: Future<Output = ()> + Send + 'static>(
    meet: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(meet(tcp));
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_never_ends_takes_neither_memory_nor_time() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    for endless in ["x-filler: 0123456789\r\n", "0123456789"] {
        let address = listening(move |mut tcp| async move {
            let _ = tcp.read(&mut [0; 4096]).await;
            let _ = tcp.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
            let many = endless.repeat(1000);
            while tcp.write_all(many.as_bytes()).await.is_ok() {}
        })
        .await;
        let entry = [("one", format!("http://{address}"), String::new())];
        let pool = pool_of("bot", "probe = false", &entry, &format!("host = \"{HOST}\"\n"));
        let gateway = Gateway::start(&site, &(site.head("") + &pool)).await;
        let began = Instant::now();
        assert_eq!(gateway.client(&site, Protocol::H2).await.post("/", &[], "x").await?.status, 502);
        assert!(began.elapsed() < SOON);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_speaks_no_tls_is_unreachable_and_what_it_said_is_nobodys_answer() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    // An answer in plain text before the handshake, an alert (handshake_failure), rubbish, and nothing at all.
    let plain = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    for said in [&plain[..], &[21, 3, 3, 0, 2, 2, 40], &[0xff; 100], &[]] {
        let said = said.to_vec();
        let meant = said.clone();
        let address = listening(move |mut tcp| {
            let said = said.clone();
            async move {
                let _ = tcp.write_all(&said).await;
                let _ = tcp.read(&mut [0; 4096]).await;
            }
        })
        .await;
        let keys = format!("ca = \"{}\"\n", site.text_path("ca.pem"));
        let entry = [("one", format!("https://{address}"), keys)];
        let pool = pool_of("bot", "probe = false", &entry, &format!("host = \"{HOST}\"\n"));
        let gateway = Gateway::start(&site, &(site.head("") + &pool)).await;
        let reply = gateway.client(&site, Protocol::H1).await.post("/", &[], "x").await?;
        assert_eq!(reply.status, 502, "{meant:?}");
        assert_eq!(reply.json()["type"], "urn:botgate:problem:unreachable", "{meant:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_whose_certificate_is_out_of_date_gets_no_request() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let day = rcgen::date_time_ymd;
    for (from, to, status) in [(2020, 2100, 200), (2020, 2021, 502), (2099, 2100, 502)] {
        let leaf = site.authority.issue_with(&["127.0.0.1"], |params| {
            (params.not_before, params.not_after) = (day(from, 1, 1), day(to, 1, 1));
        });
        let acceptor = tokio_rustls::TlsAcceptor::from(Authority::showing(&leaf));
        let address = listening(move |tcp| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(tcp).await else { return };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        })
        .await;
        let keys = format!("ca = \"{}\"\n", site.text_path("ca.pem"));
        let entry = [("one", format!("https://{address}"), keys)];
        let pool = pool_of("bot", "probe = false", &entry, &format!("host = \"{HOST}\"\n"));
        let gateway = Gateway::start(&site, &(site.head("") + &pool)).await;
        let reply = gateway.client(&site, Protocol::H1).await.post("/", &[], "x").await?;
        assert_eq!(reply.status, status, "{from} to {to}");
    }
    Ok(())
}

/// A response before the request's body has ended: the client has it, and what is left of that body is in nobody's way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_response_is_passed_on_and_its_connection_is_not_used_again() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&accepted);
    let address = listening(move |mut tcp| {
        counted.fetch_add(1, Relaxed);
        async move {
            // Each read is answered, whatever it is: were the rest of a body sent here, it would be answered too.
            while tcp.read(&mut [0; 65536]).await.is_ok_and(|n| n > 0) {
                let _ = tcp.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let entry = [("one", format!("http://{address}"), String::new())];
    let pool = pool_of("bot", "probe = false", &entry, &format!("host = \"{HOST}\"\n"));
    let gateway = Gateway::start(&site, &(site.head("") + &pool)).await;
    for round in 1..=5 {
        let mut raw = Raw::tls(gateway.address(), &site).await;
        raw.write("POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 100000\r\n\r\nthe beginning").await;
        let heard = raw.hear_until(SOON, |text| text.ends_with("no")).await;
        assert_eq!((heard.status(), heard.responses()), (403, 1), "{heard:?}");
        drop(raw);
        let reply = gateway.client(&site, Protocol::H1).await.get("/").await?;
        assert_eq!((reply.status, &*reply.text()), (403, "no"), "round {round}");
    }
    assert!(accepted.load(Relaxed) >= 5, "{accepted:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_read_as_strictly_as_traffic_is_read() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    // It answers everything so: probes that forgave it would send it requests that all fail.
    let address = listening(|mut tcp| async move {
        let _ = tcp.read(&mut [0; 4096]).await;
        let _ = tcp.write_all(b"HTTP/1.1 200 OK\ncontent-length: 0\n\n").await;
    })
    .await;
    let good = Backend::start("good").await;
    let entries = [("sloppy", format!("http://{address}"), String::new()), ("good", good.url(), String::new())];
    let pool = pool_of("bot", PROBE, &entries, &format!("host = \"{HOST}\"\n"));
    let gateway = Gateway::start(&site, &(site.head("") + &pool)).await;
    gateway.until_health("bot", "sloppy", "unhealthy").await;
    gateway.until_active("bot", "good").await;
    Ok(())
}
