//! Clients that are slow: with their bodies, and in reading what they asked for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;

use crate::support::backend::{Answer, Backend};
use crate::support::client::{Body, Protocol};
use crate::support::raw::Raw;
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_within};
use crate::support::{Gateway, Outcome};

/// A rate that is quickly missed.
const RATES: &str = "min_body_rate = \"1KiB\"\nmin_read_rate = \"64KiB\"\nrate_grace = \"1s\"\nbody_timeout = \"20s\"";

async fn gateway(site: &Site, listener: &str, backend: &Backend) -> Gateway {
    let plain = format!("{listener}\n[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n{listener}");
    Gateway::start(site, &(site.head(&plain) + &site.pool(&format!("deadline = \"60s\"\n{PROBE}"), &[backend]))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_drips_is_refused_though_it_never_pauses_for_long() -> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    let gateway = gateway(&site, RATES, &backend).await;
    let (mut reader, mut writer) = tokio::io::split(Raw::tls(gateway.address(), &site).await.io);
    let began = Instant::now();
    writer.write_all(b"PUT / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 100000\r\n\r\n").await?;
    let dripping = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() && writer.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut heard = vec![0; 4096];
    let length = tokio::time::timeout(Duration::from_secs(15), reader.read(&mut heard)).await??;
    let text = String::from_utf8_lossy(&heard[..length]).into_owned();
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    assert!(began.elapsed() >= Duration::from_secs(1), "it had a grace");
    dripping.abort();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_comes_at_its_pace_with_pauses_is_served() -> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    let gateway = gateway(&site, RATES, &backend).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let (sender, mut receiver) = mpsc::channel::<Frame<Bytes>>(1);
        let frames = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx).map(|frame| frame.map(Ok)));
        let body: Body = BodyExt::boxed(StreamBody::new(frames));
        let mut client = gateway.client(&site, protocol).await;
        let request = client.request("PUT", "/").body(body)?;
        let reply =
            tokio::spawn(async move { client.send(request).await.map(|reply| (reply.status, reply.body.len())) });
        for _ in 0..10 {
            sender.send(Frame::data(Bytes::from(vec![7; 2048]))).await?;
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        drop(sender);
        assert_eq!(reply.await??, (200, 20_480), "{protocol:?}");
    }
    Ok(())
}

/// Asks for `bytes`, reads `step` of them every 100 ms through a small window, and says how many came before the end.
async fn read_slowly(gateway: &Gateway, bytes: usize, step: usize) -> (usize, Duration) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let mut io = socket.connect(gateway.addresses()[1]).await.unwrap();
    io.write_all(b"GET / HTTP/1.1\r\nhost: bot.test\r\nconnection: close\r\n\r\n").await.unwrap();
    let (mut got, began, mut part) = (0, Instant::now(), vec![0; step]);
    while got < bytes && began.elapsed() < Duration::from_secs(30) {
        match io.read(&mut part).await {
            Ok(0) | Err(_) => break,
            Ok(length) => got += length,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    (got, began.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_too_slowly_is_cut_and_one_that_keeps_the_pace_is_served_to_the_end() -> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    let gateway = gateway(&site, RATES, &backend).await;
    let bytes = 2 * 1024 * 1024;
    backend.always(Answer::with(200, vec![7_u8; bytes]).into());
    let (slow, quick) = tokio::join!(read_slowly(&gateway, bytes, 512), read_slowly(&gateway, bytes, 48 * 1024));
    assert!(slow.0 < bytes && slow.1 < Duration::from_secs(29), "{slow:?}");
    assert!(quick.0 >= bytes, "{quick:?}");
    wait_within("it is counted", Duration::from_secs(5), async || {
        gateway.metric("botgate_slow_readers_total", &[]).await == 1.0
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_over_http2_is_cut_while_one_that_waits_for_its_backend_is_not() -> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    let gateway = gateway(&site, RATES, &backend).await;
    backend.always(Answer::with(200, vec![7_u8; 4 * 1024 * 1024]).into());
    let mut greedy = gateway.client(&site, Protocol::H2).await;
    let request = greedy.request("GET", "/").body(crate::support::client::full(""))?;
    // Its windows are full, and nobody opens them.
    let unread = greedy.begin(request).await?;
    wait_within("it is cut", Duration::from_secs(20), async || {
        gateway.metric("botgate_slow_readers_total", &[]).await == 1.0
    })
    .await;
    assert!(unread.into_body().collect().await.is_err(), "it was not told that its response is not whole");
    backend.always(Answer::with(200, "late").delay(Duration::from_secs(4)).into());
    let mut patient = gateway.client(&site, Protocol::H2).await;
    assert_eq!(patient.get("/").await?.status, StatusCode::OK.as_u16());
    Ok(())
}
