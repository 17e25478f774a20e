//! The listeners over real sockets and real TLS.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fixture::{Fixture, PATIENCE, certificate_files, config, handshake, listener, tls_client};
use crate::telemetry::WorkerId;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Reads until `end` has come, and returns the text.
async fn read_until(io: &mut (impl AsyncReadExt + Unpin), end: &str) -> String {
    let mut text = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&text).contains(end) {
            if io.read_buf(&mut text).await.unwrap() == 0 {
                break;
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, read).await;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(ended.is_ok(), "{end:?} never came, only {text:?}");
    text
}

/// Reads to the end of the connection. A reset is an end too.
async fn read_all(io: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, io.read_to_end(&mut bytes)).await.expect("it was never closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn sni_picks_the_certificate_and_the_handler_learns_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) =
        (certificate_files(folder.path(), &["one.example"]), certificate_files(folder.path(), &["two.example"]));
    let server = Fixture::start(&config(vec![listener(Some(vec![one.clone(), two.clone()]))]));
    // Each client trusts one certificate only, so a wrong pick fails its handshake.
    for (files, name) in [(&one, "one.example"), (&two, "two.example")] {
        let client = tls_client(&[files], "http/1.1");
        let mut io = handshake(&client, server.addresses[0], name).await.unwrap();
        io.write_all(b"GET /client HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let text = read_until(&mut io, " }").await;
        assert!(text.contains(&format!("server_name: Some({name:?})")) && text.contains("tls: true"), "{text}");
    }
    assert_eq!(server.count(|cell| &cell.handshakes_ok), 2);
}

#[tokio::test]
async fn http2_is_served_by_alpn() {
    let folder = tempfile::tempdir().unwrap();
    let files = certificate_files(folder.path(), &["one.example"]);
    let server = Fixture::start(&config(vec![listener(Some(vec![files.clone()]))]));
    let io = handshake(&tls_client(&[&files], "h2"), server.addresses[0], "one.example").await.unwrap();
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    let connection = tokio::spawn(connection);
    let get = |path: &str| Request::get(format!("https://one.example{path}")).body(Empty::<Bytes>::new()).unwrap();
    let response = send.send_request(get("/")).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    // A panic is answered, and is the last of its connection, which ends in good order.
    assert_eq!(send.send_request(get("/panic")).await.unwrap().status(), 500);
    tokio::time::timeout(PATIENCE, connection).await.unwrap().unwrap().unwrap();
    let drained = server.running.shutdown(PATIENCE).await;
    assert_eq!(drained.cut, 0);
}

#[tokio::test]
async fn a_reload_swaps_the_certificate_and_a_ticket_from_before_still_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) =
        (certificate_files(folder.path(), &["a.example"]), certificate_files(folder.path(), &["a.example"]));
    let mut config = config(vec![listener(Some(vec![old.clone()]))]);
    let server = Fixture::start(&config);
    let before = tls_client(&[&old], "http/1.1");
    let mut io = handshake(&before, server.addresses[0], "a.example").await.unwrap();
    io.write_all(GET).await.unwrap();
    // The tickets come with the first response.
    read_until(&mut io, "hello").await;

    config.listeners[0].certificates = Some(vec![new.clone()]);
    config.listeners[0].max_connections = 50;
    let prepared = server.participant.prepare(&config).unwrap();
    assert!(handshake(&tls_client(&[&new], "http/1.1"), server.addresses[0], "a.example").await.is_err());
    assert!(prepared.needs_restart.is_empty(), "{:?}", prepared.needs_restart);
    (prepared.commit)();

    handshake(&tls_client(&[&new], "http/1.1"), server.addresses[0], "a.example").await.unwrap();
    let io = handshake(&before, server.addresses[0], "a.example").await.unwrap();
    assert_eq!(io.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
}

#[tokio::test]
async fn a_reload_with_a_bad_certificate_is_refused_and_one_that_moves_a_listener_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let files = certificate_files(folder.path(), &["a.example"]);
    let mut next = config(vec![listener(Some(vec![files.clone()]))]);
    let server = Fixture::start(&next);
    std::fs::write(&files.chain, "nonsense").unwrap();
    let errors = server.participant.prepare(&next).err().unwrap();
    assert!(errors[0].contains(".pem"), "{errors:?}");
    next.listeners[0] = listener(None);
    next.listeners[0].proxy_protocol = true;
    next.listeners.push(listener(None));
    next.listeners[1].bind.set_port(1);
    let needs_restart = server.participant.prepare(&next).unwrap().needs_restart;
    for word in ["tls", "proxy_protocol", "bind = 127.0.0.1:1"] {
        assert!(needs_restart.iter().any(|line| line.contains(word)), "{word}: {needs_restart:?}");
    }
}

#[tokio::test]
async fn the_proxy_protocol_names_the_client_and_is_required() {
    let mut plain = listener(None);
    plain.proxy_protocol = true;
    plain.trusted = vec![crate::config::Network { address: "192.0.2.0".parse().unwrap(), prefix: 24 }];
    let server = Fixture::start(&config(vec![plain]));
    let mut io = server.connect().await;
    io.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 5555 443\r\nGET /client HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let text = read_until(&mut io, " }").await;
    assert!(text.contains("peer: 192.0.2.7:5555") && text.contains("local: 198.51.100.1:443"), "{text}");
    assert!(text.contains("trusted: true"), "{text}");
    let mut bare = server.connect().await;
    bare.write_all(GET).await.unwrap();
    assert_eq!(read_all(&mut bare).await, "");
    server.counted(1, |cell| &cell.handshakes_failed).await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut tls = listener(Some(vec![certificate_files(folder.path(), &["a.example"])]));
    tls.handshake_timeout = Duration::from_millis(100);
    let server = Fixture::start(&config(vec![tls]));
    let mut io = server.connect().await;
    io.write_all(b"\x16\x03\x01").await.unwrap();
    assert_eq!(read_all(&mut io).await, "");
    server.counted(1, |cell| &cell.handshakes_timed_out).await;
    server.counted(1, |cell| &cell.closed).await;
}

#[tokio::test]
async fn a_connection_over_the_cap_is_turned_away_and_its_place_comes_back() {
    let mut plain = listener(None);
    plain.max_connections = 1;
    let server = Fixture::start(&config(vec![plain]));
    let mut first = server.connect().await;
    first.write_all(GET).await.unwrap();
    read_until(&mut first, "hello").await;
    let mut second = server.connect().await;
    assert_eq!(read_all(&mut second).await, "");
    assert_eq!(server.count(|cell| &cell.turned_away), 1);
    drop(first);
    server.counted(1, |cell| &cell.closed).await;
    let mut third = server.connect().await;
    third.write_all(GET).await.unwrap();
    assert!(read_until(&mut third, "hello").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn workers_have_as_many_connections_each_whichever_the_kernel_chose() {
    let server = Fixture::start(&config(vec![listener(None)]));
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = server.connect().await;
        client.write_all(GET).await.unwrap();
        assert!(read_until(&mut client, "hello").await.starts_with("HTTP/1.1 200"));
        clients.push(client);
    }
    // Of forty connections a hash puts exactly twenty on each of two sockets once in eight times, and not one by one.
    let open = |worker| server.stats.cells.of(WorkerId(worker)).accepted.get();
    assert!(open(0).abs_diff(open(1)) <= 2, "{} and {}", open(0), open(1));
    assert!(server.count(|cell| &cell.handed_over) > 0);
    // A worker that stops takes what was handed to it, and ends with the others.
    clients.clear();
    server.counted(40, |cell| &cell.closed).await;
    assert_eq!(server.running.shutdown(PATIENCE).await.cut, 0);
}

#[tokio::test]
async fn a_head_that_never_ends_is_answered_408_and_one_that_is_too_large_431() {
    let mut plain = listener(None);
    plain.header_timeout = Duration::from_millis(100);
    let server = Fixture::start(&config(vec![plain]));
    let mut slow = server.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    assert!(read_all(&mut slow).await.starts_with("HTTP/1.1 408 "));

    let server = Fixture::start(&config(vec![listener(None)]));
    let mut large = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    large.write_all(head.as_bytes()).await.unwrap();
    assert!(read_until(&mut large, "\r\n\r\n").await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_kept_connection_that_stays_idle_is_closed() {
    let mut plain = listener(None);
    plain.idle_timeout = Duration::from_millis(100);
    let server = Fixture::start(&config(vec![plain]));
    let mut io = server.connect().await;
    io.write_all(GET).await.unwrap();
    assert!(read_all(&mut io).await.ends_with("hello"));
}

#[tokio::test]
async fn a_panic_is_answered_500_and_disturbs_no_other_connection() {
    let server = Fixture::start(&config(vec![listener(None)]));
    let mut bad = server.connect().await;
    bad.write_all(b"GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let text = read_all(&mut bad).await;
    assert!(text.starts_with("HTTP/1.1 500") && text.contains("application/problem+json"), "{text}");
    assert_eq!(server.count(|cell| &cell.panics), 1);
    let mut good = server.connect().await;
    good.write_all(GET).await.unwrap();
    assert!(read_until(&mut good, "hello").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_drain_answers_what_waits_serves_a_last_request_and_closes_what_idles() {
    let mut server = Fixture::start(&config(vec![listener(None)]));
    let (mut idle, mut kept, mut slow) = (server.connect().await, server.connect().await, server.connect().await);
    for io in [&mut idle, &mut kept] {
        io.write_all(GET).await.unwrap();
        read_until(io, "hello").await;
    }
    slow.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.waiting.wait_for(|waiting| *waiting == 1).await.unwrap();
    let (address, gate) = (server.addresses[0], server.gate);
    let shutdown = tokio::spawn(server.running.shutdown(PATIENCE));
    // While the socket is deaf a try ends in neither; a new one finds out sooner than the kernel's second SYN.
    let refused = async {
        let one_try = || tokio::time::timeout(Duration::from_millis(20), tokio::net::TcpStream::connect(address));
        while !matches!(one_try().await, Ok(Err(_))) {}
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("it never stopped accepting");
    kept.write_all(GET).await.unwrap();
    let last = read_all(&mut kept).await;
    assert!(last.contains("connection: close") && last.ends_with("hello"), "{last}");
    assert_eq!(read_all(&mut idle).await, "");
    gate.send_replace(true);
    assert!(read_all(&mut slow).await.ends_with("waited"));
    assert_eq!(shutdown.await.unwrap(), super::Drained::default());
}

#[tokio::test]
async fn what_outlasts_the_grace_is_cut_and_reported() {
    let mut server = Fixture::start(&config(vec![listener(None)]));
    let mut slow = server.connect().await;
    slow.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.waiting.wait_for(|waiting| *waiting == 1).await.unwrap();
    let drained = server.running.shutdown(Duration::from_millis(50)).await;
    assert_eq!(drained.cut, 1);
    assert_eq!(read_all(&mut slow).await, "");
}

#[tokio::test]
async fn a_worker_that_dies_is_replaced_until_it_dies_too_often() {
    let stats = crate::telemetry::ListenerStats::new(1);
    let hearts = crate::telemetry::Heartbeats::new(1, crate::model::Clock::start());
    let server =
        super::Server::bind(&config(vec![listener(None)]), 1, super::Takeover::Never, &stats, Default::default())
            .unwrap();
    let dies = |_| -> super::fixture::Hello { panic!("no handler today") };
    let mut running = server.start(&hearts, dies).unwrap();
    for replaced in [true, true, true, false] {
        assert!(hearts.trouble().is_empty());
        let died = tokio::time::timeout(PATIENCE, running.worker_died()).await.unwrap();
        assert!(died.to_string().contains("no handler today"), "{died}");
        assert_eq!(died.replaced, replaced);
    }
    assert_eq!((running.alive(), hearts.trouble().len()), (0, 1));
    assert_eq!(running.shutdown(PATIENCE).await.dead_workers, 1);
}

/// Clients that connect, ask and hang up, as fast as they can, while one server takes the port over from the other.
#[tokio::test]
async fn handing_the_port_over_resets_no_connection_that_is_being_made() {
    let mut settings = listener(None);
    let mut old = Fixture::start(&config(vec![settings.clone()]));
    let address = old.addresses[0];
    settings.bind = address;
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let client = |_| {
        let over = over.clone();
        std::thread::spawn(move || {
            use std::io::{Read, Write};
            let mut failed = Vec::new();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let asked = std::net::TcpStream::connect(address).and_then(|mut io| {
                    io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
                    let mut text = String::new();
                    io.read_to_string(&mut text)?;
                    if text.ends_with("hello") { Ok(()) } else { Err(std::io::Error::other(text)) }
                });
                failed.extend(asked.err().map(|error| error.to_string()));
            }
            failed
        })
    };
    let clients: Vec<_> = (0..6).map(client).collect();
    for _ in 0..30 {
        let new = Fixture::start_beside(&config(vec![settings.clone()]));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(old.running.shutdown(Duration::from_millis(200)).await.cut, 0);
        old = new;
    }
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    let failed: Vec<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test]
async fn a_client_that_never_reads_its_response_is_cut() {
    let mut plain = listener(None);
    (plain.header_timeout, plain.idle_timeout) = (Duration::from_millis(100), Duration::from_millis(100));
    let server = Fixture::start(&config(vec![plain]));
    let (mut reads, mut never_reads) = (server.connect().await, server.connect().await);
    for io in [&mut reads, &mut never_reads] {
        io.write_all(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    }
    let mut part = vec![0; 1 << 20];
    let read_on = async {
        while server.count(|cell| &cell.closed) == 0 {
            assert_ne!(reads.read(&mut part).await.unwrap(), 0);
        }
    };
    tokio::time::timeout(PATIENCE, read_on).await.expect("it holds its buffers for ever");
    assert_ne!(reads.read(&mut part).await.unwrap(), 0, "who reads is served on");
}

#[tokio::test]
async fn an_http2_client_that_gives_no_window_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let files = certificate_files(folder.path(), &["a.example"]);
    let mut tls = listener(Some(vec![files.clone()]));
    tls.idle_timeout = Duration::from_millis(100);
    let server = Fixture::start(&config(vec![tls]));
    let io = handshake(&tls_client(&[&files], "h2"), server.addresses[0], "a.example").await.unwrap();
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://a.example/endless").body(Empty::<Bytes>::new()).unwrap();
    let unread = send.send_request(request).await.unwrap();
    server.counted(1, |cell| &cell.closed).await;
    drop(unread);
}
