//! What honest HTTP/2 clients do a lot of is no flood: many streams, many small messages, many that are given up.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::support::backend::{Answer, Backend, Behaviour};
use crate::support::client::{Protocol, full};
use crate::support::h2raw::{
    DATA, END_HEADERS, END_STREAM, Fate, GOAWAY, H2Client, HEADERS, PING, SETTINGS, WHOLE, WINDOW_UPDATE, frame,
    headers, request,
};
use crate::support::site::{HOST, PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

async fn floods(gateway: &Gateway) -> f64 {
    gateway.metric("botgate_http2_floods_total", &[]).await
        + gateway.metric("botgate_backend_http2_floods_total", &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_streams_at_once_over_and_over_are_served_on_one_connection() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start_h2("one", &site).await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
    let client = gateway.client(&site, Protocol::H2).await;
    for _ in 0..20 {
        let all = join_all((0..100).map(|_| {
            let mut sender = client.another().unwrap();
            async move {
                sender.ready().await.unwrap();
                let request = Request::post(format!("https://{HOST}/")).body(full("x".repeat(500))).unwrap();
                let response = sender.send_request(request).await.unwrap();
                let status = response.status().as_u16();
                (status, response.into_body().collect().await.unwrap().to_bytes().len())
            }
        }));
        assert!(all.await.into_iter().all(|status| status == (200, 500)));
    }
    assert!(!client.is_closed());
    assert_eq!(floods(&gateway).await, 0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_many_small_messages_passes_both_ways() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    for http2 in [false, true] {
        let backend = if http2 { Backend::start_h2("one", &site).await } else { Backend::start("one").await };
        backend.always(Behaviour::StreamEcho);
        let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
        let mut client = gateway.client(&site, Protocol::H2).await;
        let messages = (0..20_000_u32).map(|n| Ok(Frame::data(Bytes::from(format!("{n:032}")))));
        let body = StreamBody::new(futures_util::stream::iter(messages.collect::<Vec<_>>())).boxed();
        let reply = client.send(client.request("POST", "/").body(body)?).await;
        let reply = reply.unwrap_or_else(|error| panic!("http2 = {http2}: {error}"));
        let expected: String = (0..20_000_u32).map(|n| format!("{n:032}")).collect();
        assert!(reply.body[..] == *expected.as_bytes(), "http2 = {http2}: {} bytes", reply.body.len());
        assert_eq!(floods(&gateway).await, 0.0);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_left_with_all_its_requests_open_may_be_opened_again() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
    backend.always(Answer::status(200).delay(Duration::from_secs(30)).into());
    let mut client = H2Client::open(gateway.address(), &site).await;
    for page in 0..4 {
        let streams = (0..100).map(|n| 2 * (100 * page + n) + 1);
        client
            .write(
                streams
                    .clone()
                    .flat_map(|stream| headers(WHOLE, stream, &request("GET", "/", &[])))
                    .collect::<Vec<u8>>(),
            )
            .await;
        let seen = 100 * (page as usize + 1);
        wait_until("the page is under way", async || backend.log().count() == seen).await;
        client.write(streams.flat_map(|stream| frame(3, 0, stream, &[0, 0, 0, 8])).collect::<Vec<u8>>()).await;
    }
    backend.always(Behaviour::Echo);
    assert_eq!(client.ask(1001, &request("GET", "/", &[])).await, Fate::Status(200));
    assert_eq!(floods(&gateway).await, 0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_pings_and_gives_back_its_window_for_every_message_is_served() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start_h2("one", &site).await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
    let mut client = H2Client::open(gateway.address(), &site).await;
    client.write(frame(SETTINGS, 0, 0, &[])).await;
    for n in 0..3000 {
        let stream = 2 * n + 1;
        client.write(headers(4, stream, &request("POST", "/", &[]))).await;
        client.write(frame(DATA, END_STREAM, stream, b"message")).await;
        assert_eq!(client.fate(stream, Duration::from_secs(5)).await, Fate::Status(200));
        let back = [
            frame(PING, 0, 0, &[1; 8]),
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 7]),
            frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 7]),
        ];
        assert!(client.write(back.concat()).await, "cut after {n} requests");
    }
    assert_eq!(floods(&gateway).await, 0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_on_their_way_when_their_requests_are_refused_are_no_flood() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
    let mut client = H2Client::open(gateway.address(), &site).await;
    // Room for all the refusals.
    client.write(frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 20).to_be_bytes())).await;
    let large = request("POST", "/", &[("content-length", "999999999")]);
    let mut stream = 1;
    for _ in 0..6 {
        let batch: Vec<u32> = (0..100).map(|n| stream + 2 * n).collect();
        stream += 200;
        client.write(batch.iter().flat_map(|it| headers(END_HEADERS, *it, &large)).collect::<Vec<u8>>()).await;
        // They may be answered in any order: the library remembers some of these streams, and forgets the others.
        for _ in &batch {
            let answer = client.until(Duration::from_secs(5), |got| matches!(got.kind, HEADERS | GOAWAY)).await;
            assert_eq!(answer.map(|got| (got.kind, got.status())), Some((HEADERS, 413)));
        }
        let part = |stream: &u32| frame(DATA, 0, *stream, &[0; 500]).repeat(4);
        client.write(batch.iter().flat_map(part).collect::<Vec<u8>>()).await;
    }
    assert_eq!(client.ask(stream, &request("GET", "/", &[])).await, Fate::Status(200));
    assert_eq!(floods(&gateway).await, 0.0);
    Ok(())
}
