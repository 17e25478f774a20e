//! Tunnels one by one: how each of them ends.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::client::tls;
use crate::support::listening::Listening;
use crate::support::raw::Raw;
use crate::support::site::{HOST, PROBE, Site, pool_of};
use crate::support::stage::Stage;
use crate::support::wait::{SOON, together, wait_until};
use crate::support::{Gateway, Outcome};

pub(crate) type Client = WebSocketStream<tokio_rustls::client::TlsStream<TcpStream>>;

/// A pool `bot` of these backends, with these rules of its tunnels.
pub(crate) fn config(site: &Site, keys: &str, backends: &[&Listening]) -> String {
    let entries: Vec<_> = backends.iter().map(|backend| backend.entry()).collect();
    let keys = format!("{PROBE}\nfailback = {{ hold = \"0s\" }}\n{keys}");
    site.head("") + &pool_of("bot", &keys, &entries, &format!("host = \"{HOST}\"\n"))
}

pub(crate) async fn open(gateway: &Gateway, site: &Site) -> Outcome<Client> {
    let stream = tls(gateway.address(), HOST, site.authority.client(&[b"http/1.1"])).await?;
    Ok(tokio_tungstenite::client_async(format!("wss://{HOST}/api/messages"), stream).await?.0)
}

/// The code of the Close that comes next but for data; a frame that was cut, or an end without a Close, is an error.
pub(crate) async fn close_code<S>(socket: &mut WebSocketStream<S>) -> Outcome<u16>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        match tokio::time::timeout(SOON, socket.next()).await? {
            Some(Ok(Message::Close(Some(close)))) => return Ok(close.code.into()),
            Some(Ok(Message::Close(None))) | None => return Err("it ended without a code".into()),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
        }
    }
}

async fn closed(gateway: &Gateway, backend: &str, reason: &str) -> f64 {
    let labels = [format!("backend=\"{backend}\""), format!("reason=\"{reason}\"")];
    gateway.metric("botgate_tunnels_closed_total", &[&labels[0], &labels[1]]).await
}

/// An echo, which proves that both directions are open.
async fn echo(client: &mut Client, backend: &mut WebSocketStream<TcpStream>, text: &str) -> Outcome<()> {
    let heard = |message: Message| (message == Message::text(text)).then_some(()).ok_or(format!("{message:?}"));
    client.send(Message::text(text)).await?;
    heard(backend.next().await.ok_or("gone")??)?;
    backend.send(Message::text(text)).await?;
    heard(client.next().await.ok_or("gone")??)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_closes_a_websocket_in_good_order_and_a_failback_drains_it() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (mut one, mut two) = (Listening::start("one").await, Listening::start("two").await);
    let log = format!("[access_log]\ntarget = \"{}\"\n", site.text_path("access.log"));
    let keys = "tunnel = { drain = { over = \"500ms\" } }";
    let gateway = Gateway::start(&site, &(config(&site, keys, &[&one, &two]) + &log)).await;
    let mut client = open(&gateway, &site).await?;
    let mut backend = one.websocket().await;
    echo(&mut client, &mut backend, "first").await?;
    assert!((gateway.metric("botgate_tunnels", &["one"]).await - 1.0).abs() < 0.1);
    let view = gateway.pool("bot").await["backends"][0].clone();
    assert_eq!((&view["tunnels"], &view["in_flight"]), (&1.into(), &0.into()), "a tunnel is no request under way");

    one.healthy(false);
    assert_eq!(close_code(&mut client).await?, 1012);
    // The server's side of the library refuses a frame without a mask.
    assert_eq!(close_code(&mut backend).await?, 1012);
    gateway.until_active("bot", "two").await;
    let mut client = open(&gateway, &site).await?;
    let mut backend = two.websocket().await;
    echo(&mut client, &mut backend, "second").await?;

    one.healthy(true);
    assert_eq!(close_code(&mut client).await?, 1012);
    assert_eq!(close_code(&mut backend).await?, 1012);
    drop((client, backend));
    gateway.until_active("bot", "one").await;
    wait_until("both are counted", || async {
        let counted = closed(&gateway, "one", "failover").await + closed(&gateway, "two", "failback").await;
        counted > 1.9 && gateway.metric("botgate_tunnels", &[]).await < 0.1
    })
    .await;
    let lines = || std::fs::read_to_string(site.path("access.log")).unwrap_or_default();
    wait_until("both are logged", || async { lines().lines().count() >= 2 }).await;
    let of = |outcome: &str| lines().lines().find(|line| line.contains(outcome)).map(str::to_owned);
    let line = of("\"outcome\":\"failover\"").ok_or_else(lines)?;
    // Five bytes of text each way, in one frame each: two bytes of head, four of mask.
    assert!(line.contains("\"bytes_in\":11") && line.contains("\"bytes_out\":7"), "{line}");
    assert!(of("\"outcome\":\"failback\"").is_some(), "{}", lines());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_stay_stays_through_failover_and_failback() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (mut one, mut two) = (Listening::start("one").await, Listening::start("two").await);
    let keys = "tunnel = { on_failover = \"keep\", on_failback = \"keep\" }";
    let gateway = Gateway::start(&site, &config(&site, keys, &[&one, &two])).await;
    let mut on_one = (open(&gateway, &site).await?, one.websocket().await);
    one.healthy(false);
    gateway.until_active("bot", "two").await;
    echo(&mut on_one.0, &mut on_one.1, "still there").await?;
    let mut on_two = (open(&gateway, &site).await?, two.websocket().await);
    one.healthy(true);
    gateway.until_active("bot", "one").await;
    echo(&mut on_one.0, &mut on_one.1, "and still").await?;
    echo(&mut on_two.0, &mut on_two.1, "this one too").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_that_is_overtaken_by_the_way_back_closes_nothing() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (mut one, two) = (Listening::start("one").await, Listening::start("two").await);
    // Slots of minutes: what is drained stays for a while.
    let keys = "tunnel = { on_failover = \"drain\", drain = { over = \"1h\", per_second = 1 } }";
    let gateway = Gateway::start(&site, &config(&site, keys, &[&one, &two])).await;
    let mut pairs = Vec::new();
    for _ in 0..12 {
        pairs.push((open(&gateway, &site).await?, one.websocket().await));
    }
    gateway.order("bot", "one", "drain").await;
    gateway.until_active("bot", "two").await;
    gateway.order("bot", "one", "resume").await;
    gateway.until_active("bot", "one").await;
    // By now the drain would have closed them all, had it gone on.
    tokio::time::sleep(Duration::from_secs(13)).await;
    let open = gateway.metric("botgate_tunnels", &["one"]).await;
    assert!(open >= 6.0, "{open} of 12 are left");
    let mut left = 0;
    for (client, backend) in &mut pairs {
        left += usize::from(echo(client, backend, "here").await.is_ok());
    }
    assert!(left >= 6, "{left} of 12 are left");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_close_what_is_silent_and_what_is_old() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let mut one = Listening::start("one").await;
    let gateway = Gateway::start(&site, &config(&site, "tunnel = { idle = \"700ms\", total = \"2s\" }", &[&one])).await;
    let mut silent = open(&gateway, &site).await?;
    let silent_backend = one.websocket().await;
    let mut busy = open(&gateway, &site).await?;
    let mut busy_backend = one.websocket().await;
    let began = Instant::now();
    let talk = tokio::spawn(async move {
        while busy_backend.send(Message::text("tick")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    assert_eq!(close_code(&mut silent).await?, 1001);
    assert!(began.elapsed() < Duration::from_millis(1900), "{:?}", began.elapsed());
    assert_eq!(close_code(&mut busy).await?, 1001);
    assert!(began.elapsed() > Duration::from_millis(1500), "{:?}", began.elapsed());
    drop((silent, silent_backend, busy));
    talk.await?;
    wait_until("both are counted", || async {
        closed(&gateway, "one", "idle").await + closed(&gateway, "one", "total").await > 1.9
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_protocol_passes_unread_with_half_closes_and_ends_with_the_move() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (mut one, two) = (Listening::start("one").await, Listening::start("two").await);
    let gateway = Gateway::start(&site, &config(&site, "", &[&one, &two])).await;
    let ask = "GET /x HTTP/1.1\r\nhost: bot.test\r\nconnection: upgrade\r\nupgrade: parrot/1\r\n\r\n";
    for half_close in [true, false] {
        let mut client = Raw::tls(gateway.address(), &site).await;
        client.write(ask).await;
        let heard = client.hear_until(SOON, |text| text.contains("\r\n\r\n")).await;
        assert!(heard.text.starts_with("HTTP/1.1 101 ") && heard.text.contains("parrot/1"), "{heard:?}");
        let mut backend = one.next().await;
        client.write(b"\xff\xff\xff no frame").await;
        let mut heard = [0; 12];
        backend.read_exact(&mut heard).await?;
        assert_eq!(&heard, b"\xff\xff\xff no frame");
        if half_close {
            client.io.shutdown().await?;
            assert_eq!(backend.read(&mut heard).await?, 0);
            backend.write_all(b"a late answer").await?;
            drop(backend);
            assert_eq!(client.hear(SOON).await.text, "a late answer");
        } else {
            one.healthy(false);
            assert!(client.hear(SOON).await.closed);
            assert_eq!(backend.read(&mut heard).await?, 0);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_is_killed_is_explained_to_its_clients_who_find_the_other() -> Outcome<()> {
    let _machine = together().await;
    let stage = Stage::new(2, "kind = \"http\"").await;
    let mut client = open(&stage.gateway, &stage.site).await?;
    client.send(Message::text("hello")).await?;
    assert_eq!(client.next().await.ok_or("gone")??, Message::text("hello"));
    stage.regions[0].process.sigkill();
    assert_eq!(close_code(&mut client).await?, 1012);
    let mut again = open(&stage.gateway, &stage.site).await?;
    again.send(Message::text("hello")).await?;
    assert_eq!(again.next().await.ok_or("gone")??, Message::text("hello"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_is_not_given_up_for_websockets_that_stay_open_on_the_standby() -> Outcome<()> {
    let _machine = together().await;
    let stage = Stage::new(2, "kind = \"http\"").await;
    let body = serde_json::json!({ "pool": "bot", "for": "4s", "reason": "a test says so" });
    let reply = stage.gateway.post("/api/v1/drills", &body).await;
    assert!(reply.status < 300, "{}", reply.text());
    stage.gateway.until_active("bot", "two").await;
    // More than the ten unanswered requests that give a drill up.
    let mut clients = Vec::new();
    for _ in 0..15 {
        clients.push(open(&stage.gateway, &stage.site).await?);
    }
    stage.gateway.until_active("bot", "one").await;
    wait_until("the drill has passed", || async {
        stage.gateway.metric("botgate_drills_total", &["result=\"passed\""]).await > 0.9
    })
    .await;
    drop(clients);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_frame_ends_a_websocket_with_1002() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let mut one = Listening::start("one").await;
    let gateway = Gateway::start(&site, &config(&site, "", &[&one])).await;
    let mut client = open(&gateway, &site).await?;
    let mut backend = one.next().await;
    backend.write_all(b"\x81\x02ok\x83\x00").await?;
    assert_eq!(client.next().await.ok_or("gone")??, Message::text("ok"));
    assert_eq!(close_code(&mut client).await?, 1002);
    let mut head = [0; 2];
    backend.read_exact(&mut head).await?;
    assert_eq!(head[0], 0x88, "a Close for it too");
    drop((client, backend));
    wait_until("it is counted", || async { closed(&gateway, "one", "protocol").await > 0.9 }).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_closes_websockets_so_that_their_clients_can_go_elsewhere() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let mut one = Listening::start("one").await;
    let mut gateway = Gateway::start(&site, &config(&site, "", &[&one])).await;
    let mut pairs = Vec::new();
    for _ in 0..5 {
        pairs.push((open(&gateway, &site).await?, one.websocket().await));
    }
    let began = Instant::now();
    gateway.process.sigterm();
    for (client, backend) in &mut pairs {
        assert_eq!(close_code(client).await?, 1012);
        assert_eq!(close_code(backend).await?, 1012);
    }
    drop(pairs);
    let status = gateway.process.exit(SOON).await;
    assert!(status.success() && began.elapsed() < Duration::from_secs(8), "{status} after {:?}", began.elapsed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_websockets_but_for_those_of_a_backend_that_it_takes_away() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (mut one, mut two) = (Listening::start("one").await, Listening::start("two").await);
    let whole = config(&site, "", &[&one, &two]);
    let gateway = Gateway::start(&site, &whole).await;
    let mut client = open(&gateway, &site).await?;
    let mut backend = one.websocket().await;
    site.write("botgate.toml", &whole.replace("[[pool]]", "[[pool]]\ndeadline = \"20s\""));
    assert_eq!(gateway.reload().await["result"], "applied");
    echo(&mut client, &mut backend, "kept").await?;
    site.write("botgate.toml", &config(&site, "", &[&two]));
    assert_eq!(gateway.reload().await["result"], "applied");
    assert_eq!(close_code(&mut client).await?, 1012);
    assert_eq!(close_code(&mut backend).await?, 1012);
    let mut client = open(&gateway, &site).await?;
    echo(&mut client, &mut two.websocket().await, "elsewhere").await?;
    Ok(())
}

/// What a cut frame looks like to a client: this must not be what [`close_code`] takes for a Close.
#[tokio::test]
async fn the_strict_client_tells_a_cut_frame_from_a_close() -> Outcome<()> {
    let (near, mut far) = tokio::io::duplex(64);
    far.write_all(b"\x82\x05he").await?;
    drop(far);
    let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
    let mut socket = WebSocketStream::from_raw_socket(near, role, None).await;
    let error = close_code(&mut socket).await.unwrap_err();
    assert!(error.downcast_ref::<Error>().is_some(), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_come_with_the_handshake_are_not_lost() -> Outcome<()> {
    let _machine = together().await;
    let (site, listening) = (Site::new(), TcpListener::bind("127.0.0.1:0").await?);
    let entry = ("one", format!("http://{}", listening.local_addr()?), String::new());
    // A length has no meaning in a 101 (RFC 9110, section 8.6), and what follows is the tunnel's.
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 3\r\n\r\n\x81\x05hello";
    let backend = tokio::spawn(async move {
        loop {
            let mut raw = Raw { io: listening.accept().await.unwrap().0 };
            let head = raw.hear_until(SOON, |text| text.contains("\r\n\r\n")).await.text;
            if head.contains("upgrade") {
                raw.write(answer).await;
                let early = raw.hear_until(SOON, |text| text.ends_with("early")).await.text;
                // Kept open: a backend that goes is explained to the client by a Close.
                return (head + &early, raw);
            }
            raw.write("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let config = site.head("") + &pool_of("bot", PROBE, &[entry], &format!("host = \"{HOST}\"\n"));
    let gateway = Gateway::start(&site, &config).await;
    let mut client = Raw::tls(gateway.address(), &site).await;
    let head = format!("GET /x HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    client.write([head.as_bytes(), b"\x81\x85\0\0\0\0early"].concat()).await;
    let heard = client.hear_until(SOON, |text| text.ends_with("hello")).await.text;
    assert!(heard.starts_with("HTTP/1.1 101") && heard.ends_with("\r\n\r\n\u{fffd}\u{5}hello"), "{heard:?}");
    assert!(!heard.to_ascii_lowercase().contains("content-length"), "{heard:?}");
    let (heard, _open) = backend.await?;
    assert!(heard.ends_with("early"), "{heard:?}");
    Ok(())
}
