//! HTTP/2 clients that flood are told GOAWAY and cut, counted by cause, and disturb nobody else.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::support::backend::{Answer, Backend, Behaviour};
use crate::support::client::Protocol;
use crate::support::h2raw::{
    ACK, CONTINUATION, DATA, END_HEADERS, Fate, GOAWAY, H2Client, HEADERS, PADDED, PING, PRIORITY, RST_STREAM,
    SETTINGS, WHOLE, WINDOW_UPDATE, frame, headers, hpack, request,
};
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

/// The error code ENHANCE_YOUR_CALM.
const CALM: u32 = 11;
const SOON: Duration = Duration::from_secs(10);

/// Writes what `next` makes, 50 at a time, until the gateway closes; what it said, and how many were written.
async fn flood(client: &mut H2Client, mut next: impl FnMut(u32) -> Vec<u8>) -> (Fate, u32) {
    let mut sent = 0;
    while sent < 20_000 {
        let part: Vec<u8> = (sent..sent + 50).flat_map(&mut next).collect();
        sent += 50;
        // After its farewell the gateway reads on for a while, so a write does not fail at once: look.
        let fate =
            if client.write(part).await { client.fate(u32::MAX, Duration::from_millis(2)).await } else { Fate::Closed };
        if fate != Fate::Nothing {
            return (fate, sent);
        }
    }
    (client.fate(u32::MAX, SOON).await, sent)
}

async fn stage(site: &Site) -> (Gateway, Backend) {
    let backend = Backend::start("one").await;
    let keys = "header_timeout = \"1s\"\nidle_timeout = \"30s\"";
    let gateway = Gateway::start(site, &(site.head(keys) + &site.pool(PROBE, &[&backend]))).await;
    (gateway, backend)
}

async fn counted(gateway: &Gateway, cause: &str) -> f64 {
    gateway.metric("botgate_http2_floods_total", &[&format!("cause=\"{cause}\"")]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_flood_ends_its_connection_with_its_cause() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _backend) = stage(&site).await;
    let mut good = gateway.client(&site, Protocol::H2).await;
    assert_eq!(good.get("/").await?.status, 200);
    type Next = fn(u32) -> Vec<u8>;
    // Padding and emptiness on a request that is open; the rest needs none.
    let open = |at: u32| if at == 0 { headers(END_HEADERS, 1, &request("POST", "/", &[])) } else { Vec::new() };
    let kinds: [(&str, Next); 11] = [
        ("settings", |_| frame(SETTINGS, 0, 0, &[])),
        ("pings", |_| frame(PING, 0, 0, &[7; 8])),
        ("pings", |_| frame(PING, ACK, 0, &[7; 8])),
        ("priorities", |_| frame(PRIORITY, 0, 9, &[0, 0, 0, 0, 9])),
        ("priorities", |_| frame(16, 0, 0, b"\0\0\0\x01u=1")),
        ("window-updates", |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("empty-data", |_| frame(DATA, 0, 1, &[])),
        ("empty-data", |_| frame(DATA, PADDED, 1, &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        ("other-frames", |_| frame(0xfa, 0, 0, &[0; 64])),
        ("other-frames", |_| frame(GOAWAY, 0, 0, &[0; 8])),
        ("resets", |at| {
            let stream = 2 * at + 3;
            [headers(WHOLE, stream, &request("GET", "/", &[])), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        }),
    ];
    for (cause, next) in kinds {
        let before = counted(&gateway, cause).await;
        let mut client = H2Client::open(gateway.address(), &site).await;
        let (fate, sent) = flood(&mut client, |at| [open(at), next(at)].concat()).await;
        assert_eq!(fate, Fate::Goaway(CALM, cause.to_owned()), "after {sent} frames");
        assert!(client.closes(SOON).await, "{cause}: told, and not cut");
        wait_until("it is counted", async || counted(&gateway, cause).await == before + 1.0).await;
    }
    assert_eq!(good.get("/").await?.status, 200, "another connection was disturbed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rapid_reset_costs_the_backend_no_more_requests_than_the_cap() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    backend.always(Answer::status(200).delay(Duration::from_secs(2)).into());
    let mut client = H2Client::open(gateway.address(), &site).await;
    let began = Instant::now();
    let (fate, sent) = flood(&mut client, |at| {
        let stream = 2 * at + 1;
        [headers(WHOLE, stream, &request("GET", "/", &[])), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    })
    .await;
    // 64 that wait to be looked at are the library's own cap.
    assert!(
        matches!(&fate, Fate::Goaway(CALM, why) if why == "resets" || why.contains("reset")),
        "{fate:?} after {sent}"
    );
    let most = 450 + 100 * began.elapsed().as_secs() as usize;
    assert!(backend.log().count() <= most, "{} requests reached the backend", backend.log().count());
    backend.always(Behaviour::Echo);
    assert_eq!(gateway.client(&site, Protocol::H2).await.get("/").await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_flooded_is_not_let_in_again_at_once_and_its_other_connections_go_on() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _backend) = stage(&site).await;
    let from = Ipv4Addr::new(127, 9, 9, 9);
    let open = async || H2Client::open_from(from, gateway.address(), &site, &[]).await;
    let (mut client, mut other) = (open().await?, open().await?);
    let (fate, _) = flood(&mut client, |_| frame(SETTINGS, 0, 0, &[])).await;
    assert!(matches!(fate, Fate::Goaway(CALM, _)), "{fate:?}");
    drop(client);
    wait_until("it is not let in", async || open().await.is_err()).await;
    assert!(gateway.metric("botgate_connections_turned_away_total", &["reason=\"address\""]).await >= 1.0);
    assert_eq!(other.ask(1, &request("GET", "/", &[])).await, Fate::Status(200));
    assert_eq!(gateway.client(&site, Protocol::H2).await.get("/").await?.status, 200, "another address");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_makes_the_gateway_reset_is_cut_as_well() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    backend.always(Answer::status(200).delay(Duration::from_secs(2)).into());
    type Provoke = fn(u32) -> Vec<u8>;
    let ways: [(&str, Provoke); 3] = [
        ("a window update of 0", |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4])),
        ("a window that overflows", |stream| frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff])),
        ("a priority on itself", |stream| {
            frame(PRIORITY, 0, stream, &stream.to_be_bytes().into_iter().chain([9]).collect::<Vec<u8>>())
        }),
    ];
    for (what, provoke) in ways {
        let before = backend.log().count();
        let mut client = H2Client::open(gateway.address(), &site).await;
        let (fate, sent) = flood(&mut client, |at| {
            let stream = 2 * at + 1;
            [headers(WHOLE, stream, &request("GET", "/", &[])), provoke(stream)].concat()
        })
        .await;
        assert!(matches!(fate, Fate::Goaway(..)), "{what}: {fate:?} after {sent}");
        assert!(client.closes(SOON).await, "{what}");
        assert!(backend.log().count() - before <= 400, "{what}: {} requests", backend.log().count() - before);
    }
    let provoked = counted(&gateway, "provoked-resets").await;
    assert!(provoked >= 1.0, "no connection was ended for the resets that it provoked");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_block_without_end_is_cut_by_frames_by_octets_and_by_time() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    let begin = frame(HEADERS, 1, 1, &hpack(&request("GET", "/", &[])));
    for (what, more) in [
        ("empty frames", Vec::new()),
        ("frames of fields", hpack(&[("x", "y")])),
        ("full frames", hpack(&[("x-big", &"y".repeat(16_000))])),
    ] {
        let mut client = H2Client::open(gateway.address(), &site).await;
        client.write(&begin).await;
        let (fate, sent) = flood(&mut client, |_| frame(CONTINUATION, 0, 1, &more)).await;
        assert_eq!(fate, Fate::Goaway(CALM, "header-block".to_owned()), "{what}: after {sent}");
    }
    wait_until("they are counted", async || counted(&gateway, "header-block").await == 3.0).await;
    // One octet now and then: the head has a deadline, here of a second.
    let mut client = H2Client::open(gateway.address(), &site).await;
    let drip = frame(HEADERS, WHOLE, 1, &hpack(&request("GET", "/", &[("x-slow", &"y".repeat(4000))])));
    let began = Instant::now();
    let mut fate = Fate::Nothing;
    for octet in &drip {
        if !client.write([*octet]).await {
            fate = Fate::Closed;
            break;
        }
        fate = client.fate(1, Duration::from_millis(50)).await;
        if fate != Fate::Nothing {
            break;
        }
    }
    assert_eq!(fate, Fate::Goaway(CALM, "slow-header".to_owned()), "after {:?}", began.elapsed());
    assert_eq!(backend.log().count(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_bombs_are_refused_by_size_and_by_count_with_crumbs_counted() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    let ask = async |fields: &[(&str, &str)]| {
        let mut client = H2Client::open(gateway.address(), &site).await;
        client.ask(1, &request("GET", "/", fields)).await
    };
    let large = "y".repeat(10_000);
    let mut client = H2Client::open(gateway.address(), &site).await;
    let block = hpack(&request("GET", "/", &[("x-1", &large), ("x-2", &large), ("x-3", &large), ("x-4", &large)]));
    let (first, second) = block.split_at(16_000);
    let (second, third) = second.split_at(16_000);
    let frames = [frame(HEADERS, 1, 1, first), frame(CONTINUATION, 0, 1, second), frame(CONTINUATION, 4, 1, third)];
    client.write(frames.concat()).await;
    assert_eq!(client.fate(1, SOON).await, Fate::Status(431), "large fields");
    assert_eq!(ask(&[("x", ""); 300]).await, Fate::Status(431), "small fields");
    assert_eq!(ask(&[("x", ""); 101]).await, Fate::Status(431), "of one name");
    assert_eq!(ask(&[("cookie", "a=1"); 201]).await, Fate::Status(431), "cookie crumbs");
    let named: Vec<(String, &str)> = (0..101).map(|n| (format!("x-{n}"), "")).collect();
    let named: Vec<(&str, &str)> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(ask(&named).await, Fate::Status(431));
    assert_eq!(backend.log().count(), 0);
    // A bomb of references: one entry of 4,000 octets, and each octet after it names it again (RFC 7541, section 6.1).
    let mut client = H2Client::open(gateway.address(), &site).await;
    let mut block = hpack(&request("GET", "/", &[]));
    block.extend([0x40, 1, b'x', 127, 0xa1, 30]);
    block.extend([b'y'; 4000]);
    block.extend([0xbe; 10_000]);
    client.write(frame(HEADERS, WHOLE, 1, &block)).await;
    let fate = client.fate(1, SOON).await;
    assert!(matches!(fate, Fate::Goaway(CALM, _)), "{fate:?}");
    assert_eq!(backend.log().count(), 0);
    assert_eq!(ask(&[("cookie", "a=1"); 200]).await, Fate::Status(200), "a browser's cookies");
    assert_eq!(backend.log().last().header("cookie"), ["a=1"; 200].join("; "));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_beyond_the_cap_are_refused_and_the_others_served() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = stage(&site).await;
    backend.always(Answer::status(200).delay(Duration::from_secs(1)).into());
    let mut client = H2Client::open(gateway.address(), &site).await;
    client
        .write((0..150).flat_map(|n| headers(WHOLE, 2 * n + 1, &request("GET", "/", &[]))).collect::<Vec<u8>>())
        .await;
    let (mut served, mut refused) = (0, 0);
    while served + refused < 150 {
        let got = client.until(SOON, |got| matches!(got.kind, HEADERS | RST_STREAM | GOAWAY)).await;
        let got = got.expect("a stream was forgotten");
        assert_ne!(got.kind, GOAWAY, "{got:?}");
        match got.kind {
            HEADERS if got.status() == 200 => served += 1,
            // REFUSED_STREAM: it may be sent again (RFC 9113, section 8.7).
            RST_STREAM if got.code() == 7 => refused += 1,
            _ => panic!("{got:?}"),
        }
    }
    assert_eq!((served, refused, backend.log().count()), (128, 22, 128));
    Ok(())
}
