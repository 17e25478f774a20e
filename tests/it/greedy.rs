//! Clients that take more than their share: connections, requests at once, requests per second, memory.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::support::backend::{Backend, Behaviour};
use crate::support::client::{Client, Protocol, full};
use crate::support::raw::Raw;
use crate::support::site::{HOST, PROBE, Site, pool_of};
use crate::support::wait::{SOON, together, wait_until};
use crate::support::{Gateway, Outcome};

const GET: &str = "GET / HTTP/1.1\r\nhost: bot.test\r\n\r\n";

/// A connection from this address of loopback.
async fn from(source: [u8; 4], to: SocketAddr) -> Raw<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((IpAddr::from(source), 0).into()).unwrap();
    Raw { io: socket.connect(to).await.unwrap() }
}

/// What a request on a new connection is answered with; 0: it was turned away.
async fn asked(mut raw: Raw<TcpStream>, before: &str) -> (u16, Raw<TcpStream>) {
    raw.write(format!("{before}{GET}")).await;
    let heard = raw.hear_until(SOON, |text| text.contains("\r\n\r\n")).await;
    (heard.status(), raw)
}

/// A gateway with a plain listener of these keys beside the usual one.
async fn plain(site: &Site, listener: &str, pool: &str, backend: &Backend) -> Gateway {
    let plain = format!("\n[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n{listener}");
    Gateway::start(site, &(site.head(&plain) + &site.pool(&format!("{PROBE}\n{pool}"), &[backend]))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_cannot_take_all_connections() -> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    let gateway = plain(&site, "max_connections_per_address = 3", "", &backend).await;
    let to = gateway.addresses()[1];
    let mut held = Vec::new();
    for _ in 0..3 {
        let (status, raw) = asked(from([127, 0, 0, 2], to).await, "").await;
        assert_eq!(status, 200);
        held.push(raw);
    }
    assert_eq!(asked(from([127, 0, 0, 2], to).await, "").await.0, 0, "a fourth connection was served");
    assert_eq!(asked(from([127, 0, 0, 3], to).await, "").await.0, 200, "another address has its own");
    assert_eq!(gateway.metric("botgate_connections_turned_away_total", &["reason=\"address\""]).await, 1.0);
    assert_eq!(gateway.metric("botgate_connections_turned_away_total", &["reason=\"listener\""]).await, 0.0);
    held.pop();
    wait_until("its place has come back", async || asked(from([127, 0, 0, 2], to).await, "").await.0 == 200).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_counted_by_who_the_proxy_says_that_they_are_of_and_those_of_a_trusted_proxy_not_at_all()
-> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    let gateway = plain(&site, "max_connections_per_address = 1\nproxy_protocol = true", "", &backend).await;
    let to = gateway.addresses()[1];
    let said = |client: &str| format!("PROXY TCP4 {client} 192.0.2.1 4711 80\r\n");
    let (status, held) = asked(Raw::tcp(to).await, &said("192.0.2.7")).await;
    assert_eq!(status, 200);
    assert_eq!(asked(Raw::tcp(to).await, &said("192.0.2.7")).await.0, 0);
    assert_eq!(asked(Raw::tcp(to).await, &said("192.0.2.8")).await.0, 200);
    drop(held);
    let keys = "max_connections_per_address = 1\ntrusted = [\"127.0.0.2/32\"]";
    let gateway = plain(&site, keys, "", &backend).await;
    let to = gateway.addresses()[1];
    let mut held = Vec::new();
    for _ in 0..3 {
        let (status, raw) = asked(from([127, 0, 0, 2], to).await, "").await;
        assert_eq!(status, 200, "a trusted proxy has as many as it likes");
        held.push(raw);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_beyond_what_may_be_under_way_are_shed_in_the_voice_of_their_pool_and_the_rest_is_served()
-> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    for (limits, metric) in [("in_flight = 4", "botgate_shed_total"), ("per_backend = 4", "botgate_backend_shed_total")]
    {
        let keys =
            format!("limits = {{ {limits} }}\nkind = \"question-answering\"\nattempt_timeout = \"10s\"\n{PROBE}");
        let gateway = Gateway::start(&site, &site.config(&keys, &[&backend])).await;
        let mut held = Vec::new();
        for round in 1..=4 {
            backend.once(Behaviour::Stall);
            let mut client = gateway.client(&site, Protocol::H2).await;
            let before = backend.log().count();
            held.push(tokio::spawn(async move { client.get("/").await.map(|reply| reply.status) }));
            wait_until("the backend has it", async || backend.log().count() > before).await;
            assert_eq!(gateway.metric("botgate_requests_under_way", &[]).await, f64::from(round));
        }
        // Of both workers, each must know what the other has under way.
        for _ in 0..6 {
            let mut client = gateway.client(&site, Protocol::H1).await;
            let reply = client.get("/").await?;
            assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "{limits}: {}", reply.text());
            assert_eq!(reply.json()["error"]["code"], "ServiceUnavailable", "QnA clients read nothing else");
        }
        assert_eq!(gateway.metric(metric, &[]).await, 6.0);
        held.pop().unwrap().abort();
        wait_until("there is room for one", async || {
            gateway.client(&site, Protocol::H1).await.get("/").await.is_ok_and(|reply| reply.status == 200)
        })
        .await;
        held.iter().for_each(tokio::task::JoinHandle::abort);
        wait_until("nothing is under way", async || gateway.metric("botgate_requests_under_way", &[]).await == 0.0)
            .await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_whose_active_backend_is_full_does_not_spill_over_to_the_standby() -> Outcome<()> {
    let _machine = together().await;
    let (site, one, two) = (Site::new(), Backend::start("one").await, Backend::start("two").await);
    let keys = format!("limits = {{ per_backend = 1 }}\n{PROBE}");
    let gateway = Gateway::start(&site, &site.config(&keys, &[&one, &two])).await;
    one.once(Behaviour::Stall);
    let mut client = gateway.client(&site, Protocol::H1).await;
    let held = tokio::spawn(async move { client.get("/").await.map(|reply| reply.status) });
    wait_until("the backend has it", async || one.log().count() == 1).await;
    gateway.client(&site, Protocol::H1).await.get("/").await?.is_problem(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(two.log().count(), 0, "who is active is for steering to say");
    held.abort();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_holds_no_place_among_the_requests() -> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    let keys = format!("limits = {{ in_flight = 1, per_backend = 1 }}\n{PROBE}");
    let gateway = Gateway::start(&site, &site.config(&keys, &[&backend])).await;
    let mut raw = Raw::tls(gateway.address(), &site).await;
    raw.write(
        "GET / HTTP/1.1\r\nhost: bot.test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    .await;
    assert_eq!(raw.hear_until(SOON, |text| text.contains("\r\n\r\n")).await.status(), 101);
    // Its place is free once the answer is written to its end, which its client may see a moment before.
    wait_until("requests have the place", async || {
        gateway.client(&site, Protocol::H1).await.get("/").await.unwrap().status == 200
    })
    .await;
    assert!(!raw.hear(Duration::from_millis(1)).await.closed, "the tunnel is open meanwhile");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_too_many_requests_is_told_when_to_come_back() -> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    let limits = "limits = { per_address = 2, per_token = 3, burst = \"1s\" }";
    let gateway = plain(&site, "trusted = [\"127.0.0.9/32\"]", limits, &backend).await;
    let to = gateway.addresses()[1];
    let ask = async |source: [u8; 4], more: &str| {
        let mut raw = from(source, to).await;
        raw.write(format!("GET / HTTP/1.1\r\nhost: bot.test\r\n{more}\r\n")).await;
        raw.hear_until(SOON, |text| text.contains("\r\n\r\n")).await
    };
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let heard = ask([127, 0, 0, 2], "").await;
        if heard.status() == 429 {
            assert!(heard.text.contains("retry-after: 1\r\n"), "{heard:?}");
            assert!(heard.text.contains("urn:botgate:problem:too-many-requests"), "{heard:?}");
        }
        statuses.push(heard.status());
    }
    assert_eq!(statuses[..2], [200, 200]);
    assert!(statuses[2..].contains(&429), "{statuses:?}");
    assert_eq!(ask([127, 0, 0, 3], "").await.status(), 200, "another address has its own rate");
    // Behind a trusted proxy it is the client that counts, and nobody where the proxy says nothing.
    let mut statuses = Vec::new();
    for _ in 0..8 {
        assert_eq!(ask([127, 0, 0, 9], "").await.status(), 200);
        statuses.push(ask([127, 0, 0, 9], "x-forwarded-for: 192.0.2.7\r\n").await.status());
    }
    assert!(statuses.contains(&429) && statuses[..2] == [200, 200], "{statuses:?}");
    assert!(gateway.metric("botgate_rate_limited_total", &["by=\"address\""]).await >= 2.0);
    // One token from many addresses.
    let mut limited = 0;
    for last in 10..30 {
        limited += u32::from(ask([127, 0, 0, last], "authorization: Bearer one\r\n").await.status() == 429);
    }
    assert!(limited > 0, "one token was let through 20 times");
    assert_eq!(ask([127, 0, 0, 40], "authorization: Bearer two\r\n").await.status(), 200);
    assert_eq!(gateway.metric("botgate_rate_limited_total", &["by=\"token\""]).await, f64::from(limited));
    Ok(())
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn activity(id: u32, padding: usize) -> String {
    format!(
        r#"{{"type":"message","id":"{id}","channelId":"test","conversation":{{"id":"c"}},"text":"{}"}}"#,
        "x".repeat(padding)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_must_be_held_are_refused_when_the_budget_is_spent_and_served_when_it_is_not() -> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    let keys = format!("kind = \"bot\"\nledger = {{ entries = 0 }}\n{PROBE}");
    let route = format!("host = \"{HOST}\"\n");
    let config = "held_bodies = \"64KiB\"\n".to_owned()
        + &site.head("")
        + &pool_of("bot", &keys, &[("one", backend.url(), String::new())], &route);
    let gateway = Gateway::start(&site, &config).await;
    // One client takes nearly all of it, and does not go on.
    let mut greedy = Raw::tls(gateway.address(), &site).await;
    greedy
        .write(format!(
            "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{}",
            "x".repeat(60_000)
        ))
        .await;
    wait_until("it is held", async || gateway.metric("botgate_held_bytes", &[]).await >= 60_000.0).await;
    let mut client = gateway.client(&site, Protocol::H2).await;
    let reply = client.post("/", &[JSON], activity(1, 8_000)).await?;
    reply.is_problem(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.header("retry-after"), "5");
    assert_eq!(client.post("/", &[JSON], activity(2, 10)).await?.status, 200, "a small one still finds room");
    assert_eq!(gateway.metric("botgate_unheld_total", &[]).await, 1.0);
    drop(greedy);
    wait_until("it is let go", async || gateway.metric("botgate_held_bytes", &[]).await < 1_000.0).await;
    assert_eq!(client.post("/", &[JSON], activity(3, 8_000)).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_only_a_replay_would_need_goes_through_unheld() -> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    let config = "held_bodies = \"4KiB\"\n".to_owned() + &site.config(PROBE, &[&backend]);
    let gateway = Gateway::start(&site, &config).await;
    let mut client = gateway.client(&site, Protocol::H2).await;
    let body = "b".repeat(100_000);
    assert_eq!(client.post("/", &[], body.clone()).await?.text(), body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_bytes_of_a_held_body_cost_no_more_than_bytes() -> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    let keys = format!("deadline = \"60s\"\n{PROBE}");
    let gateway = plain(&site, "", &keys.replace(PROBE, ""), &backend).await;
    backend.always(Behaviour::Stall);
    let before = gateway.process.resident_kib();
    let mut raw = Raw::tcp(gateway.addresses()[1]).await;
    raw.io.set_nodelay(true)?;
    raw.write("PUT / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 200000\r\n\r\n").await;
    for _ in 0..20_000 {
        raw.io.write_all(b"x").await?;
        // So that each comes by itself, as from a client far away.
        tokio::task::yield_now().await;
    }
    wait_until("it is held", async || gateway.metric("botgate_held_bytes", &[]).await >= 20_000.0).await;
    let grown = gateway.process.resident_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "20,000 bytes took {grown} KiB");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_change_by_a_reload() -> Outcome<()> {
    let _machine = together().await;
    let (site, backend) = (Site::new(), Backend::start("one").await);
    let config =
        |rate: u32| site.config(&format!("limits = {{ per_address = {rate}, burst = \"1s\" }}\n{PROBE}"), &[&backend]);
    let gateway = Gateway::start(&site, &config(1)).await;
    let mut client: Client = gateway.client(&site, Protocol::H2).await;
    let mut all = async |times: usize| {
        let mut statuses = Vec::new();
        for _ in 0..times {
            let request = client.request("GET", "/").body(full("")).unwrap();
            statuses.push(client.send(request).await.unwrap().status);
        }
        statuses
    };
    assert!(all(5).await.contains(&429));
    std::fs::write(&gateway.config, config(0))?;
    assert_eq!(gateway.reload().await["result"], "applied");
    assert_eq!(all(20).await, [200; 20]);
    Ok(())
}
