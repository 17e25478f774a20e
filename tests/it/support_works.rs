//! The tests' own tools: a tool that cannot fail proves nothing.

use std::time::Duration;

use crate::support::backend::{Answer, Backend, Behaviour, Cut, Manner};
use crate::support::client::{Client, Protocol, full};
use crate::support::site::Site;
use crate::support::wait::{together, wait_until};
use crate::support::{Load, Outcome};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_echoes_over_h1_and_h2_and_remembers() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    for (http2, protocol) in [(false, Protocol::H1), (true, Protocol::H2)] {
        let manner = Manner { tls: true, http2, mutual: false };
        let backend = Backend::start_as("one", manner, Some(&site)).await;
        let mut client = Client::open(backend.address(), "localhost", &site.authority, protocol).await?;
        let reply = client.post("/a?b=%2F", &[("idempotency-key", "k")], "hello").await?;
        assert_eq!((reply.status, reply.text().as_str(), reply.header("x-backend")), (200, "hello", "one"));
        let seen = backend.log().last();
        assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.length), ("POST", "/a?b=%2F", 5));
        assert!(seen.complete && seen.http2 == http2);
        assert_eq!(backend.log().times("k"), 1);
        backend.always(Answer::with(200, "body").trailer("x-end", "yes").into());
        let reply = client.get("/").await?;
        assert_eq!((reply.text().as_str(), &reply.trailers.unwrap()["x-end"]), ("body", &"yes".parse().unwrap()));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_misbehaves_on_command() -> Outcome<()> {
    let _machine = together().await;
    let backend = Backend::start("one").await;
    let open = async || Client::open_plain(backend.address(), "x").await.unwrap();
    for behaviour in [Behaviour::Reset, Behaviour::Close, Behaviour::ResetAtHead] {
        backend.once(behaviour.clone());
        assert!(open().await.get("/").await.is_err(), "{behaviour:?}");
    }
    for cut in [Cut::Reset, Cut::Close, Cut::HalfClose] {
        backend.once(Answer::with(200, "0123456789").cut(4, cut).into());
        let mut client = open().await;
        let request = client.request("GET", "/").body(full(""))?;
        let response = client.begin(request).await?;
        assert!(crate::support::client::whole(response).await.is_err(), "{cut:?}");
    }
    backend.once(Behaviour::Stall);
    let mut client = open().await;
    assert!(tokio::time::timeout(Duration::from_millis(100), client.get("/")).await.is_err());
    drop(client);
    wait_until("the backend sees that the client went", || async { backend.log().gone() == 1 }).await;
    let mut kept = open().await;
    kept.get("/").await?;
    backend.refuse().await;
    assert!(kept.get("/").await.is_err());
    assert!(Client::open_plain(backend.address(), "x").await.is_err());
    backend.listen_again().await;
    assert_eq!(open().await.get("/").await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_counts_what_failed() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let manner = Manner { tls: true, ..Manner::default() };
    let backend = Backend::start_as("one", manner, Some(&site)).await;
    let mut load = Load::new(&site, backend.address());
    load.rate = 200;
    // The certificate of a backend is for `localhost`: this load must fail to connect, and say so.
    let running = load.start();
    running.passes(20).await;
    let report = running.stop().await;
    assert_eq!(report.failed(), report.total(), "{report}");
    assert!(report.errors.keys().all(|error| error.starts_with("connect: ")), "{report}");
    Ok(())
}
