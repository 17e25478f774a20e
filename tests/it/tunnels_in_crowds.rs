//! Many tunnels at once: closed at random moments, at a pace, and around clients that do not read.

use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::listening::Listening;
use crate::support::site::Site;
use crate::support::wait::{alone, together, wait_until, wait_within};
use crate::support::{Gateway, Outcome};
use crate::tunnels::{close_code, config, open};

/// Speaks without end: messages in fragments from nothing to huge, pings between them, in random cuts.
async fn speak(mut tcp: TcpStream, mut rng: Rng) {
    let (mut reader, mut writer) = tcp.split();
    let listen = async {
        let mut scrap = vec![0; 4096];
        while reader.read(&mut scrap).await.is_ok_and(|read| read > 0) {}
    };
    let talk = async {
        loop {
            let mut bytes = Vec::new();
            let fragments = rng.usize(1..5);
            for fragment in 0..fragments {
                let opcode = if fragment == 0 { Data::Binary } else { Data::Continue };
                let length = [0, 1, 125, 126, 1000, 70_000, 300_000][rng.usize(..7)];
                let frame = Frame::message(vec![7; length], OpCode::Data(opcode), fragment + 1 == fragments);
                frame.format(&mut bytes).unwrap();
                if rng.bool() {
                    Frame::ping(vec![1; rng.usize(..126)]).format(&mut bytes).unwrap();
                }
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (part, after) = rest.split_at(rng.usize(1..=rest.len().min(50_000)));
                if writer.write_all(part).await.is_err() {
                    return;
                }
                rest = after;
                tokio::time::sleep(Duration::from_millis(rng.u64(..30))).await;
            }
        }
    };
    // It answers no Close: it is read from until it is closed.
    tokio::select! { () = listen => {}, () = talk => {} }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_strict_clients_see_no_cut_frame_whenever_the_pool_fails_over() -> Outcome<()> {
    let _machine = alone().await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let site = Site::new();
    let (mut one, two) = (Listening::start("one").await, Listening::start("two").await);
    let gateway = Gateway::start(&site, &config(&site, "", &[&one, &two])).await;
    let mut clients = Vec::new();
    for _ in 0..300 {
        let mut client = open(&gateway, &site).await?;
        let _speaker = tokio::spawn(speak(one.next().await, rng.fork()));
        clients.push(tokio::spawn(async move {
            let code = close_code(&mut client).await;
            // Nothing comes after a Close.
            (code, client.next().await.is_none())
        }));
    }
    let reply = gateway.order("bot", "one", "drain").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    for client in join_all(clients).await {
        let (code, over) = client?;
        assert_eq!((code?, over), (1012, true));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_read_nothing_cost_little_and_hold_up_nobody() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let (mut one, two) = (Listening::start("one").await, Listening::start("two").await);
    let gateway = Gateway::start(&site, &config(&site, "tunnel = { close_grace = \"2s\" }", &[&one, &two])).await;
    let mut stalled = Vec::new();
    let before = gateway.process.resident_kib();
    let mut floods = Vec::new();
    for _ in 0..50 {
        stalled.push(open(&gateway, &site).await?);
        let mut backend = one.websocket().await;
        floods.push(tokio::spawn(async move {
            let mut sent = 0_u64;
            let message = Message::binary(vec![1; 64 * 1024]);
            while tokio::time::timeout(Duration::from_secs(1), backend.send(message.clone()))
                .await
                .is_ok_and(|it| it.is_ok())
            {
                sent += 64;
            }
            (sent, backend)
        }));
    }
    let mut backends = Vec::new();
    for flood in floods {
        let (sent, backend) = flood.await?;
        assert!(sent < 50_000, "somebody took {sent} KiB");
        backends.push(backend);
    }
    let grown = gateway.process.resident_kib().saturating_sub(before);
    println!("50 stalled tunnels: {} KiB each", grown / 50);
    assert!(grown < 50 * 400, "{grown} KiB for 50 stalled tunnels");
    let mut reads = open(&gateway, &site).await?;
    let began = Instant::now();
    gateway.order("bot", "one", "drain").await;
    assert_eq!(close_code(&mut reads).await?, 1012);
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    wait_within("the stalled ones are cut", Duration::from_secs(10), || async {
        gateway.metric("botgate_tunnels", &["one"]).await < 0.1
    })
    .await;
    drop((stalled, backends));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_are_drained_oldest_first_and_no_faster_than_the_pace() -> Outcome<()> {
    const ALL: usize = 1000;
    const PER_SECOND: usize = 200;
    let _machine = alone().await;
    let site = Site::new();
    let (mut one, two) = (Listening::start("one").await, Listening::start("two").await);
    let rules =
        format!("tunnel = {{ on_failover = \"drain\", drain = {{ over = \"1m\", per_second = {PER_SECOND} }} }}");
    // The order is that of each worker: one worker, one order.
    let text = config(&site, &rules, &[&one, &two]).replace("workers = 2", "workers = 1");
    let gateway = Gateway::start(&site, &text).await;
    let mut clients = Vec::new();
    let idle = gateway.process.resident_kib();
    for number in 0..ALL {
        let mut client = open(&gateway, &site).await?;
        // Dropped once it has answered the Close.
        let mut backend = one.websocket().await;
        let _answers = tokio::spawn(async move { while backend.next().await.is_some_and(|it| it.is_ok()) {} });
        clients.push(tokio::spawn(async move {
            let code = close_code(&mut client).await;
            (Instant::now(), number, code)
        }));
    }
    println!("{} KiB per idle tunnel", gateway.process.resident_kib().saturating_sub(idle) / ALL as u64);
    let began = Instant::now();
    gateway.order("bot", "one", "drain").await;
    let mut told = Vec::new();
    for client in join_all(clients).await {
        let (at, number, code) = client?;
        assert_eq!(code?, 1012);
        told.push((at, number));
    }
    told.sort();
    let last = told[ALL - 1].0.duration_since(began);
    assert!(last > Duration::from_millis(4500) && last < Duration::from_secs(15), "the last after {last:?}");
    for (first, (at, _)) in told.iter().enumerate() {
        let second = told[first..].iter().take_while(|(it, _)| it.duration_since(*at) < Duration::from_secs(1)).count();
        // Seen from here, where a busy machine bunches them up a little.
        assert!(second <= PER_SECOND * 13 / 10, "{second} in one second");
    }
    let astray = told.iter().enumerate().map(|(rank, (_, number))| rank.abs_diff(*number)).max();
    assert!(astray <= Some(60), "one of rank {astray:?} off");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_on_while_tunnels_are_drained() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (mut one, two) = (Listening::start("one").await, Listening::start("two").await);
    let rules = "tunnel = { on_failover = \"drain\", drain = { over = \"1s\", per_second = 10 } }";
    let gateway = Gateway::start(&site, &config(&site, rules, &[&one, &two])).await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        let client = open(&gateway, &site).await?;
        clients.push((client, one.websocket().await));
    }
    gateway.order("bot", "one", "drain").await;
    let mut requests = gateway.client(&site, crate::support::client::Protocol::H1).await;
    let began = Instant::now();
    // More than the pace allows in that time: `over` counts.
    while gateway.metric("botgate_tunnels_closed_total", &["failover"]).await < 39.9 {
        assert_eq!(requests.get("/").await?.status, 200);
        for (client, _) in &mut clients {
            // Each answers its Close as soon as it is there.
            let _ = tokio::time::timeout(Duration::from_millis(1), client.next()).await;
        }
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    }
    wait_until("none is left", || async { gateway.metric("botgate_tunnels", &["one"]).await < 0.1 }).await;
    Ok(())
}
