//! Many routes and pools.

use std::fmt::Write as _;
use std::time::Instant;

use crate::support::backend::Backend;
use crate::support::client::Protocol;
use crate::support::site::{HOST, Site};
use crate::support::wait::alone;
use crate::support::{Gateway, Outcome};

/// 1,000 routes over 100 pools of two backends.
fn big(site: &Site, one: &Backend, two: &Backend) -> String {
    let mut text = site.head("");
    for pool in 0..100 {
        write!(text, "[[pool]]\nname = \"pool-{pool}\"\nprobe = {{ path = \"/healthz\", interval = \"20s\" }}\n")
            .unwrap();
        for backend in [one, two] {
            write!(text, "[[pool.backend]]\nname = \"{}\"\nurl = \"{}/p{pool}\"\n", backend.name(), backend.url())
                .unwrap();
        }
    }
    for route in 0..1000 {
        let pool = route % 100;
        write!(text, "[[route]]\nhost = \"{HOST}\"\npath = \"/r{route}\"\npool = \"pool-{pool}\"\n").unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_routes_over_a_hundred_pools_are_routed_and_reloaded() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let text = big(&site, &one, &two);
    let gateway = Gateway::start(&site, &text).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    for route in [0, 1, 99, 100, 500, 999] {
        assert_eq!(client.get(&format!("/r{route}/x")).await?.status, 200);
        assert_eq!(one.log().last().target, format!("/p{}/r{route}/x", route % 100));
    }
    assert_eq!(client.get("/r1000").await?.status, 404);
    assert_eq!(gateway.pools().await.as_array().map(Vec::len), Some(100));
    site.write("botgate.toml", &text.replace("/r999\"", "/renamed\""));
    let start = Instant::now();
    let outcome = gateway.reload().await;
    println!("a reload of 1,000 routes over 100 pools took {:?}", start.elapsed());
    assert_eq!(outcome["result"], "applied", "{outcome}");
    assert_eq!(client.get("/renamed").await?.status, 200);
    assert_eq!(client.get("/r999").await?.status, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_backends_are_all_found_healthy_at_the_start() -> Outcome<()> {
    let _machine = alone().await;
    let site = Site::new();
    let one = Backend::start_tls("one", &site).await;
    let mut text = site.head("");
    for pool in 0..100 {
        write!(text, "[[route]]\npath = \"/r{pool}\"\npool = \"pool-{pool}\"\n[[pool]]\nname = \"pool-{pool}\"\n")
            .unwrap();
        for backend in 0..10 {
            let (url, trust) = (one.url(), site.trust(&one));
            write!(text, "[[pool.backend]]\nname = \"b{backend}\"\nurl = \"{url}/{pool}-{backend}\"\n{trust}").unwrap();
        }
    }
    let start = Instant::now();
    let gateway = Gateway::start(&site, &text).await;
    println!("1,000 backends over TLS probed after {:?}", start.elapsed());
    let pools = gateway.pools().await;
    let backends = pools.as_array().unwrap().iter().flat_map(|pool| pool["backends"].as_array().unwrap());
    let bad: Vec<_> = backends.filter(|backend| backend["health"] != "healthy").collect();
    assert!(bad.is_empty(), "{} of 1,000 are not, the first: {:?}", bad.len(), bad.first());
    Ok(())
}
