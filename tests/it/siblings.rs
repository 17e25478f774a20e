//! Connections to backends that one worker holds and another needs.

use std::time::Duration;

use crate::support::backend::{Answer, Backend};
use crate::support::client::{Protocol, full};
use crate::support::site::Site;
use crate::support::wait::{alone, together, wait_until};
use crate::support::{Gateway, Outcome};

const UNPROBED: &str = "probe = false";

fn config(site: &Site, keys: &str, backends: &[&Backend]) -> String {
    site.config(keys, backends).replace("workers = 2", "workers = 4")
}

async fn taken_over(gateway: &Gateway) -> f64 {
    gateway.metric("botgate_connections_taken_over_total", &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_requests_share_a_connection_whichever_worker_they_come_to() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    for backend in [Backend::start("one").await, Backend::start_tls("one", &site).await] {
        let gateway = Gateway::start(&site, &config(&site, UNPROBED, &[&backend])).await;
        // They stay open: each goes to the worker that has fewest.
        let mut clients = Vec::new();
        for _ in 0..24 {
            let mut client = gateway.client(&site, Protocol::H1).await;
            assert_eq!(client.get("/").await?.status, 200);
            clients.push(client);
        }
        for client in &mut clients {
            assert_eq!(client.get("/").await?.status, 200);
        }
        assert_eq!(backend.log().count(), 48);
        // A worker that was busy with something else for a moment has been dialed around.
        assert!(backend.accepted() <= 3, "{} connections", backend.accepted());
        assert!(taken_over(&gateway).await >= 3.0, "by each of the other workers");
        wait_until("what was handed over is counted once", async || {
            gateway.metric("botgate_connections", &["side=\"backend\""]).await as usize == backend.open()
        })
        .await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_at_its_sibling_costs_no_request() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start_tls("one", &site).await;
    // Nothing is sent twice that may have been acted on.
    let keys = format!("{UNPROBED}\nreplay = \"unsent\"");
    let gateway = Gateway::start(&site, &config(&site, &keys, &[&backend])).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(gateway.client(&site, Protocol::H1).await);
    }
    for round in 0..10 {
        for client in &mut clients {
            if round % 2 == 1 {
                backend.cut_connections();
            }
            let reply = client.post("/", &[], b"once".to_vec()).await?;
            // What was cut while it was written may have been read: that is said, and not tried again.
            assert!(reply.status == 200 || reply.status == 502, "{}", reply.status);
        }
    }
    let seen = backend.log().count();
    assert!(seen <= 80, "{seen}: a request that may have been acted on was sent again");
    for client in &mut clients {
        assert_eq!(client.get("/").await?.status, 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connections_that_stand_open_to_a_standby_serve_every_worker() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start_tls("two", &site).await);
    let gateway = Gateway::start(&site, &config(&site, &format!("{UNPROBED}\nwarm = 1"), &[&one, &two])).await;
    let warm = async || gateway.metric("botgate_warm_connections", &["backend=\"two\""]).await as usize;
    wait_until("one stands open for each worker", async || warm().await == 4).await;
    let client = gateway.client(&site, Protocol::H2).await;
    gateway.order("bot", "one", "drain").await;
    gateway.until_active("bot", "two").await;
    two.always(Answer::status(200).delay(Duration::from_millis(300)).into());
    let before = two.accepted();
    // All to one worker, at once: it has one of the four, and nobody has used the others for a while.
    tokio::time::sleep(Duration::from_millis(150)).await;
    let replies = futures_util::future::join_all((0..4).map(|_| {
        let mut sender = client.another().expect("it speaks HTTP/2");
        let request = client.request("GET", "/").body(full("")).unwrap();
        async move { sender.send_request(request).await }
    }));
    for reply in replies.await {
        assert_eq!(reply?.status(), 200);
    }
    assert!(two.accepted() <= before + 1, "{} more were dialed", two.accepted() - before);
    Ok(())
}
