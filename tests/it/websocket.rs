//! WebSockets through the gateway.

use std::time::Duration;

use crate::support::backend::{Answer, Backend, Health};
use crate::support::client::Protocol;
use crate::support::raw::Raw;
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::websocket::WebSocket;
use crate::support::{Gateway, Outcome};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_echoes_small_and_big_messages_and_closes_in_good_order() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    for tls in [false, true] {
        let backend = if tls { Backend::start_tls("one", &site).await } else { Backend::start("one").await };
        let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
        let mut socket = WebSocket::open(gateway.address(), &site, "/api/messages").await?;
        assert_eq!(socket.response.status(), 101);
        assert_eq!(socket.echo("hello").await?, "hello");
        let big: Vec<u8> = (0..1024 * 1024_u32).map(|n| n as u8).collect();
        assert!(socket.echo_binary(big.clone()).await? == big);
        socket.close().await?;
        wait_until("the backend's connection is closed", || async { backend.open() <= 1 }).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_upgrade_is_the_backends_answer_and_opens_no_tunnel() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
    backend.always(Answer::with(401, "no").into());
    let mut raw = Raw::tls(gateway.address(), &site).await;
    // What follows the refused upgrade is a request of its own, never a message in a tunnel.
    let heard = raw
        .ask(
            "GET /ws HTTP/1.1\r\nhost: bot.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
             GET /nowhere HTTP/1.1\r\nhost: unknown.test\r\nconnection: close\r\n\r\n",
        )
        .await;
    assert_eq!(heard.status(), 401, "{heard:?}");
    assert!(heard.text.contains(" 421 "), "{heard:?}");
    assert_eq!(backend.log().count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_goes_to_the_standby_when_the_dial_is_refused() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&one, &two])).await;
    one.refuse().await;
    let mut socket = WebSocket::open(gateway.address(), &site, "/ws").await?;
    assert_eq!(socket.echo("x").await?, "x");
    assert_eq!(two.log().count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_outlives_many_idle_timeouts_and_a_failover_that_it_may_outlive() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let timeouts = "idle_timeout = \"300ms\"\nheader_timeout = \"300ms\"\nbody_timeout = \"300ms\"";
    let keys = format!(
        "tunnel = {{ on_failover = \"keep\" }}\nstream_timeout = \"300ms\"\nkeep_alive = \"300ms\"\ndeadline = \"300ms\"\n{PROBE}"
    );
    let gateway = Gateway::start(&site, &(site.head(timeouts) + &site.pool(&keys, &[&one, &two]))).await;
    let mut socket = WebSocket::open(gateway.address(), &site, "/ws").await?;
    assert_eq!(socket.echo("before").await?, "before");
    one.health(Health::Status(500));
    gateway.until_active("bot", "two").await;
    assert!(!socket.is_over(Duration::from_secs(1)).await, "an idle WebSocket was closed");
    assert_eq!(socket.echo("after").await?, "after");
    assert_eq!(gateway.client(&site, Protocol::H2).await.get("/").await?.header("x-backend"), "two");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_dies_ends_the_websocket() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
    let mut socket = WebSocket::open(gateway.address(), &site, "/ws").await?;
    assert_eq!(socket.echo("x").await?, "x");
    backend.cut_connections();
    assert!(socket.is_over(Duration::from_secs(5)).await);
    Ok(())
}
