//! Bodies: streamed both ways, bounded, and never of a wrong length.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::support::backend::{Answer, Backend, Behaviour, Cut};
use crate::support::client::{Body, Protocol, full, whole};
use crate::support::raw::Raw;
use crate::support::site::{PROBE, Site, pool_of};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

async fn simple(site: &Site) -> (Gateway, Backend) {
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(site, &site.config(PROBE, &[&backend])).await;
    (gateway, backend)
}

/// A body that is sent as the test goes along.
fn channel() -> (mpsc::Sender<Frame<Bytes>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async {
        let frame = receiver.recv().await?;
        Some((Ok::<_, std::io::Error>(frame), receiver))
    });
    (sender, BodyExt::boxed(StreamBody::new(Box::pin(frames) as SyncFrames)))
}

type SyncFrames =
    std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send + Sync>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn big_bodies_pass_whole_in_both_directions() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start_tls("one", &site).await;
    let config = site.config(PROBE, &[&backend]).replace("pool = \"bot\"", "pool = \"bot\"\nmax_body = \"32MiB\"");
    let gateway = Gateway::start(&site, &config).await;
    let big: Bytes = (0..8 * 1024 * 1024_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        let reply = client.post("/", &[], big.clone()).await?;
        assert_eq!(reply.status, 200);
        assert!(reply.body == big, "{} bytes came back, or not the same", reply.body.len());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_streams_back_while_it_is_still_being_sent() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    backend.always(Behaviour::StreamEcho);
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        let (sender, body) = channel();
        sender.send(Frame::data(Bytes::from_static(b"first"))).await?;
        let request = client.request("POST", "/").body(body)?;
        let mut response = client.begin(request).await?.into_body();
        for part in ["first", "second", "third"] {
            let frame = tokio::time::timeout(Duration::from_secs(10), response.frame()).await?.unwrap()?;
            assert_eq!(frame.into_data().unwrap(), part, "{protocol:?}");
            let next = if part == "first" { "second" } else { "third" };
            if part != "third" {
                sender.send(Frame::data(Bytes::from(next))).await?;
            }
        }
        drop(sender);
        assert!(response.frame().await.is_none_or(|frame| frame.is_ok()));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_does_not_read_holds_the_client_back() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let config = site.config(PROBE, &[&backend]).replace("pool = \"bot\"", "pool = \"bot\"\nmax_body = \"1GiB\"");
    let gateway = Gateway::start(&site, &config).await;
    backend.read_bodies(false);
    backend.always(Answer::status(200).into());
    let mut client = gateway.client(&site, Protocol::H1).await;
    let before = gateway.process.resident_kib();
    let (sender, body) = channel();
    let request = client.request("POST", "/").body(body)?;
    let response = tokio::spawn(async move { client.begin(request).await.map(|response| response.status()) });
    let part = Bytes::from(vec![7; 256 * 1024]);
    let mut sent = 0_usize;
    // Until nothing moves for a second: all buffers on the way are full.
    while tokio::time::timeout(Duration::from_secs(1), sender.send(Frame::data(part.clone()))).await.is_ok() {
        sent += part.len();
        assert!(sent < 256 * 1024 * 1024, "the gateway swallowed {sent} bytes that the backend never read");
    }
    let grown = gateway.process.resident_kib().saturating_sub(before);
    assert!(grown < 32 * 1024, "the gateway grew by {grown} KiB while it held {sent} bytes");
    backend.read_bodies(true);
    drop(sender);
    assert_eq!(response.await??, 200);
    assert!(backend.body_bytes() >= sent);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_pass_in_both_directions() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    backend.always(Answer::with(200, "body").header("trailer", "x-sum").trailer("x-sum", "42").into());
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        let (sender, body) = channel();
        let request = client.request("POST", "/").header("te", "trailers").header("trailer", "x-check").body(body)?;
        let sending = tokio::spawn(async move {
            sender.send(Frame::data(Bytes::from_static(b"data"))).await.unwrap();
            let trailers = [(http::HeaderName::from_static("x-check"), "7".parse().unwrap())].into_iter().collect();
            sender.send(Frame::trailers(trailers)).await.unwrap();
        });
        let reply = client.send(request).await?;
        sending.await?;
        assert_eq!(reply.trailers.expect("no trailers")["x-sum"], "42", "{protocol:?}");
        assert_eq!(backend.log().last().trailers["x-check"], "7", "{protocol:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_expects_100_continue_gets_it_before_it_sends() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let mut raw = Raw::tls(gateway.address(), &site).await;
    raw.write(
        "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 5\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
    )
    .await;
    let heard = raw.hear_until(Duration::from_secs(5), |text| text.contains("\r\n\r\n")).await;
    assert!(heard.text.starts_with("HTTP/1.1 100"), "{heard:?}");
    let heard = raw.ask("hello").await;
    assert_eq!(heard.status(), 200, "{heard:?}");
    assert!(heard.text.ends_with("hello") && backend.log().last().length == 5);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interim_responses_of_the_backend_do_not_disturb_the_final_one() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    backend.always(Answer::with(200, "final").interim(103).interim(100).into());
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        for _ in 0..3 {
            assert_eq!(client.get("/").await?.text(), "final");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_the_limit_is_refused_declared_or_not() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let entry = ("one", backend.url(), String::new());
    let config = site.head("") + &pool_of("bot", PROBE, &[entry], "max_body = \"64KiB\"\n");
    let gateway = Gateway::start(&site, &config).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        client.post("/", &[], vec![0; 64 * 1024 + 1]).await?.is_problem(StatusCode::PAYLOAD_TOO_LARGE);
        let mut client = gateway.client(&site, protocol).await;
        let (sender, body) = channel();
        let request = client.request("POST", "/").body(body)?;
        let sending = tokio::spawn(async move {
            for _ in 0..9 {
                if sender.send(Frame::data(Bytes::from(vec![0; 8 * 1024]))).await.is_err() {
                    return;
                }
            }
        });
        client.send(request).await?.is_problem(StatusCode::PAYLOAD_TOO_LARGE);
        sending.await?;
        let mut client = gateway.client(&site, protocol).await;
        assert_eq!(client.post("/", &[], vec![0; 64 * 1024]).await?.status, 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_ends_early_is_an_error_and_never_a_whole_body() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let scripts: Vec<Behaviour> = vec![
        Answer::with(200, "0123456789").cut(4, Cut::Close).into(),
        Answer::with(200, "0123456789").cut(4, Cut::Reset).into(),
        Answer::with(200, "0123456789").cut(4, Cut::HalfClose).into(),
        Answer::with(200, "0123456789").declares(20).into(),
        Answer::with(200, "0123456789").chunked().cut(4, Cut::Close).into(),
        Behaviour::Raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".into()),
    ];
    for protocol in [Protocol::H1, Protocol::H2] {
        for script in &scripts {
            let mut client = gateway.client(&site, protocol).await;
            backend.once(script.clone());
            let before = backend.log().count();
            let request = client.request("GET", "/").body(full(""))?;
            let ended = async { whole(client.begin(request).await?).await }.await;
            assert!(ended.is_err(), "{protocol:?}, {script:?}: {ended:?}");
            assert_eq!(backend.log().count(), before + 1, "tried again after its body had begun: {script:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_after_a_response_never_reach_the_next_client() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    for _ in 0..5 {
        backend.once(Answer::with(200, "good HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil").declares(4).into());
        assert_eq!(client.get("/").await?.text(), "good");
        assert_eq!(client.post("/", &[], "mine").await?.text(), "mine");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_body_that_stalls_is_cut_off() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let config = site.config(&format!("stream_timeout = \"300ms\"\n{PROBE}"), &[&backend]);
    let gateway = Gateway::start(&site, &config).await;
    backend.once(Answer::with(200, "0123456789").cut(4, Cut::Stall).into());
    let mut client = gateway.client(&site, Protocol::H2).await;
    assert!(client.get("/").await.is_err());
    wait_until("the backend's connection is given up", || async { backend.log().gone() == 1 }).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_ends_its_request_at_the_backend() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    for (round, protocol) in [Protocol::H1, Protocol::H2].into_iter().enumerate() {
        backend.once(Behaviour::Stall);
        let mut client = gateway.client(&site, protocol).await;
        let seen = backend.log().count();
        let waiting = tokio::spawn(async move { client.get("/").await.map(|reply| reply.status) });
        wait_until("the backend has the request", || async { backend.log().count() > seen }).await;
        waiting.abort();
        wait_until("the backend's request is cancelled", || async { backend.log().gone() == round + 1 }).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_stops_reading_is_blamed_and_not_its_client() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let head = site.head("body_timeout = \"300ms\"");
    let gateway =
        Gateway::start(&site, &(head + &site.pool(&format!("deadline = \"1500ms\"\n{PROBE}"), &[&backend]))).await;
    backend.read_bodies(false);
    let mut client = gateway.client(&site, Protocol::H2).await;
    client.post("/", &[], vec![7; 8 * 1024 * 1024]).await?.is_problem(StatusCode::GATEWAY_TIMEOUT);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stalls_leaves_no_stream_open_at_an_http2_backend() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start_h2("one", &site).await;
    let gateway =
        Gateway::start(&site, &(site.head("body_timeout = \"300ms\"") + &site.pool(PROBE, &[&backend]))).await;
    backend.always(Behaviour::StreamEcho);
    let mut client = gateway.client(&site, Protocol::H2).await;
    assert_eq!(client.post("/", &[], "warm").await?.status, 200);
    backend.always(Behaviour::Stall);
    let (sender, body) = channel();
    sender.send(Frame::data(Bytes::from_static(b"first"))).await?;
    let request = client.request("POST", "/").body(body)?;
    client.send(request).await?.is_problem(StatusCode::REQUEST_TIMEOUT);
    wait_until("the backend's stream is reset", || async { backend.log().gone() == 1 }).await;
    drop(sender);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_body_of_a_get_without_a_declared_length_is_passed_on() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        let (sender, body) = channel();
        let request = client.request("GET", "/").header("transfer-encoding", "chunked");
        let request = if protocol == Protocol::H1 { request } else { client.request("GET", "/") }.body(body)?;
        sender.send(Frame::data(Bytes::from_static(b"query"))).await?;
        drop(sender);
        assert_eq!(client.send(request).await?.text(), "query", "{protocol:?}");
        assert_eq!(backend.log().last().length, 5);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_sends_a_length_beside_chunks_is_not_believed_in_either() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for protocol in [Protocol::H1, Protocol::H2] {
        backend.always(Behaviour::Raw(answer.into()));
        let mut client = gateway.client(&site, protocol).await;
        assert_eq!(client.get("/").await?.status, 502, "{protocol:?}");
        backend.always(Behaviour::Echo);
        assert_eq!(client.post("/", &[], "next").await?.text(), "next", "{protocol:?}");
    }
    Ok(())
}
