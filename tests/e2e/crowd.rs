//! Thousands of idle TLS connections, and what they cost botgate in memory.
//!
//! `BOTGATE_CROWD` says how many (2,000 unless set); `tests/run crowd` takes 20,000. Where the process may not have that many
//! descriptors, as many as it may.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::ServerName;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use super::child::{Role, say, size, told, until_released};
use super::support::backend::Backend;
use super::support::client::{Client, Protocol};
use super::support::site::{HOST, PROBE, Site};
use super::support::tls::client_of;
use super::support::wait::{alone, wait_within};
use super::support::{Gateway, Outcome};

/// The kinds of connections: the protocol, how many bytes each has sent and got back before it fell idle, and what README
/// promises of it, in KiB of resident memory.
const KINDS: [(Protocol, usize, f64); 4] = [
    (Protocol::H1, 0, 24.0),
    (Protocol::H2, 0, 24.0),
    (Protocol::H1, 256 << 10, 96.0),
    (Protocol::H2, 256 << 10, 96.0),
];

/// Connections of one holder: each needs descriptors of its own.
const PER_HOLDER: usize = 2_500;

/// As many descriptors as this process may have, for it and for those that it starts.
fn descriptors() -> usize {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    most.map_or(usize::MAX, |most| most as usize)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_idle_connections_costs_what_is_documented() -> Outcome<()> {
    let _machine = alone().await;
    // Listening sockets, the journal, connections to backends, the client of this test.
    let room = descriptors().saturating_sub(100);
    let crowd = size("BOTGATE_CROWD", 2_000).min(room);
    let site = Site::new();
    let backend = Backend::start("one").await;
    let head = site.head(&format!("max_connections = {}\nidle_timeout = \"1h\"", crowd + 100));
    let gateway = Gateway::start(&site, &(head + &site.pool(PROBE, &[&backend]))).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    assert_eq!(client.get("/").await?.status, 200);
    // What the first connections cost once is not counted with them.
    for kind in KINDS.map(|(protocol, body, _)| (protocol, body)) {
        let mut warm = Role::start("crowd::holder", &told_holder(&gateway, &site, kind, 100, 99));
        assert_eq!(warm.said("held"), 100);
    }
    println!("\n{:<14} {:>12} {:>12} {:>14} {:>12}", "", "connections", "RSS before", "RSS held", "each");
    let (mut roles, mut broken) = (Vec::new(), Vec::new());
    let before_all = gateway.process.resident_kib();
    for (protocol, body, most) in KINDS {
        let (before, began) = (gateway.process.resident_kib(), Instant::now());
        let mut left = crowd / KINDS.len();
        while left > 0 {
            let count = left.min(PER_HOLDER);
            let mut role =
                Role::start("crowd::holder", &told_holder(&gateway, &site, (protocol, body), count, roles.len()));
            assert_eq!(role.said("held"), count);
            roles.push(role);
            left -= count;
        }
        let held = gateway.process.resident_kib();
        let each = held.saturating_sub(before) as f64 / (crowd / KINDS.len()) as f64;
        let name = format!("{protocol:?}, {} KiB", body >> 10);
        println!(
            "{name:<14} {:>12} {before:>8} KiB {held:>10} KiB {each:>8.1} KiB  in {:?}",
            crowd / KINDS.len(),
            began.elapsed()
        );
        if each > most {
            broken.push(format!("{name}: {each:.1} KiB for each connection, {most} are documented"));
        }
    }
    let open = gateway.metric("botgate_connections", &["side=\"client\""]).await;
    assert!(open >= (crowd / KINDS.len() * KINDS.len()) as f64, "only {open} of {crowd} connections are open");
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let began = Instant::now();
        assert_eq!(client.get("/").await?.status, 200);
        slowest = slowest.max(began.elapsed());
    }
    println!("slowest of 50 requests beside them: {slowest:?}");
    let held_by_all = gateway.process.resident_kib().saturating_sub(before_all);
    drop(roles);
    wait_within("all are closed", Duration::from_secs(60), async || {
        gateway.metric("botgate_connections", &["side=\"client\""]).await <= 1.0
    })
    .await;
    wait_within("what they cost in memory is given back", Duration::from_secs(60), async || {
        gateway.process.resident_kib().saturating_sub(before_all) * 4 <= held_by_all
    })
    .await;
    println!("RSS once they have gone: {} KiB", gateway.process.resident_kib());
    assert!(broken.is_empty(), "{broken:?}");
    Ok(())
}

fn told_holder(
    gateway: &Gateway,
    site: &Site,
    (protocol, body): (Protocol, usize),
    count: usize,
    number: usize,
) -> Vec<(&'static str, String)> {
    vec![
        ("TARGET", gateway.address().to_string()),
        ("CA", site.text_path("ca.pem")),
        ("PROTOCOL", format!("{protocol:?}")),
        ("BODY", body.to_string()),
        ("COUNT", count.to_string()),
        // No address runs out of ports.
        ("FROM", format!("127.0.1.{}", number + 1)),
    ]
}

/// Opens connections, one request on each, and holds them until it is released.
#[tokio::test(flavor = "current_thread")]
#[ignore = "a role: only the tests of this file start it"]
async fn holder() -> Outcome<()> {
    let Some(target) = told("TARGET") else { return Ok(()) };
    descriptors();
    let target: SocketAddr = target.parse()?;
    let from: IpAddr = told("FROM").unwrap().parse()?;
    let (count, http2) = (told("COUNT").unwrap().parse()?, told("PROTOCOL").unwrap() == "H2");
    let (protocol, alpn): (_, &[u8]) = if http2 { (Protocol::H2, b"h2") } else { (Protocol::H1, b"http/1.1") };
    let body: usize = told("BODY").unwrap().parse()?;
    let tls = client_of(&told("CA").unwrap(), &[alpn]);
    let opened = futures_util::stream::iter(0..count)
        .map(|_| open(target, from, tls.clone(), (protocol, body)))
        .buffer_unordered(32);
    let clients: Vec<Client> = opened.map(Result::unwrap).collect().await;
    say("held", clients.len());
    until_released().await;
    drop(clients);
    Ok(())
}

async fn open(
    target: SocketAddr,
    from: IpAddr,
    tls: Arc<rustls::ClientConfig>,
    (protocol, body): (Protocol, usize),
) -> Outcome<Client> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((from, 0).into())?;
    let stream = TlsConnector::from(tls).connect(ServerName::try_from(HOST)?, socket.connect(target).await?).await?;
    let mut client = Client::over(stream, HOST, protocol).await?;
    let reply = client.post("/", &[], vec![7; body]).await?;
    assert_eq!((reply.status, reply.body.len()), (200, body));
    Ok(client)
}
