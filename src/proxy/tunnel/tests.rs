//! One tunnel between two ends in memory, in virtual time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::order::{Order, Standing};
use super::relay::Relay;
use super::tunnel::{Limits, run};
use crate::model::{Moment, TunnelEnd};

const S: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(5);

/// A tunnel under way, and its two outer ends.
struct Stage {
    client: DuplexStream,
    backend: DuplexStream,
    standing: Rc<Standing>,
    began: Instant,
    ended: tokio::task::JoinHandle<(TunnelEnd, (u64, u64))>,
}

/// Begins a tunnel whose ends take so many bytes ahead. Only within a `LocalSet`.
fn begin(room: usize, websocket: bool) -> Stage {
    let (client, inner) = duplex(room);
    let (backend, other) = duplex(room);
    let standing = Rc::new(Standing::default());
    let (ordered, began) = (standing.clone(), Instant::now());
    let ended = spawn_local(async move {
        let mut relay = Relay::new(inner, other, websocket, GRACE);
        let limits = Limits { idle: 600 * S, total: Some(3600 * S) };
        let buffer = RefCell::new(vec![0; 4096].into_boxed_slice());
        let now = || Moment::from_origin(began.elapsed());
        let end = run(&mut relay, limits, &ordered, now, &buffer).await;
        (end, relay.bytes())
    });
    Stage { client, backend, standing, began, ended }
}

impl Stage {
    fn order(&self, end: TunnelEnd) {
        self.standing.give(Order { at: Moment::from_origin(self.began.elapsed()), end });
    }
}

async fn websocket(io: DuplexStream, role: Role) -> WebSocketStream<DuplexStream> {
    WebSocketStream::from_raw_socket(io, role, None).await
}

fn close_of(message: Option<Result<Message, Error>>) -> CloseFrame {
    match message {
        Some(Ok(Message::Close(Some(frame)))) => frame,
        other => panic!("no Close: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_is_no_websocket_passes_as_it_is_and_half_a_close_leaves_the_other_half() {
    let talk = async {
        let mut it = begin(64, false);
        it.client.write_all(b"\xff\xff anything at all").await.unwrap();
        it.client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        it.backend.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"\xff\xff anything at all");
        tokio::time::sleep(60 * S).await;
        it.backend.write_all(b"an answer, later").await.unwrap();
        it.backend.shutdown().await.unwrap();
        let mut heard = String::new();
        it.client.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "an answer, later");
        assert_eq!(it.ended.await.unwrap(), (TunnelEnd::Client, (18, 16)));
    };
    LocalSet::new().run_until(talk).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_websocket_is_ended_by_the_end_of_both_streams() {
    let talk = async {
        let mut it = begin(64, false);
        it.backend.write_all(b"before").await.unwrap();
        tokio::time::sleep(S).await;
        it.order(TunnelEnd::Failover);
        let mut heard = String::new();
        it.client.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "before");
        assert_eq!(it.backend.read(&mut [0]).await.unwrap(), 0);
        drop((it.client, it.backend));
        assert_eq!(it.ended.await.unwrap().0, TunnelEnd::Failover);
        assert!(it.began.elapsed() < 2 * S);
    };
    LocalSet::new().run_until(talk).await;
}

#[tokio::test(start_paused = true)]
async fn both_ends_are_closed_in_the_name_of_the_move_and_their_answers_are_waited_for() {
    let talk = async {
        let it = begin(4096, true);
        it.order(TunnelEnd::Failback);
        for mut end in [websocket(it.client, Role::Client).await, websocket(it.backend, Role::Server).await] {
            let close = close_of(end.next().await);
            assert_eq!((u16::from(close.code), close.reason.as_str()), (1012, "service restart"));
            tokio::time::sleep(S).await;
            // Its own Close goes out now.
            assert!(end.next().await.is_none());
        }
        assert_eq!(it.ended.await.unwrap(), (TunnelEnd::Failback, (0, 0)));
        assert_eq!(it.began.elapsed(), 2 * S);
    };
    LocalSet::new().run_until(talk).await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_under_way_is_let_finish_and_nothing_follows_it_but_the_close() {
    let talk = async {
        let mut it = begin(4096, true);
        it.backend.write_all(b"\x82\x05he").await.unwrap();
        tokio::time::sleep(S).await;
        it.order(TunnelEnd::Failover);
        tokio::time::sleep(S).await;
        it.backend.write_all(b"llo\x81\x05never").await.unwrap();
        let mut client = websocket(it.client, Role::Client).await;
        assert_eq!(client.next().await.unwrap().unwrap(), Message::binary(&b"hello"[..]));
        assert_eq!(u16::from(close_of(client.next().await).code), 1012);
    };
    LocalSet::new().run_until(talk).await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_never_finished_is_waited_for_no_longer_than_the_grace() {
    let talk = async {
        let mut it = begin(4096, true);
        it.backend.write_all(b"\x82\x05he").await.unwrap();
        tokio::time::sleep(S).await;
        it.order(TunnelEnd::Failover);
        assert_eq!(it.ended.await.unwrap().0, TunnelEnd::Failover);
        assert_eq!(it.began.elapsed(), S + GRACE);
    };
    LocalSet::new().run_until(talk).await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_frame_ends_both_ends_with_1002_and_reaches_neither() {
    let talk = async {
        let mut it = begin(4096, true);
        it.backend.write_all(b"\x81\x02ok\x8f\x00\xff").await.unwrap();
        let mut client = websocket(it.client, Role::Client).await;
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("ok"));
        assert_eq!(u16::from(close_of(client.next().await).code), 1002);
        let mut head = [0; 2];
        it.backend.read_exact(&mut head).await.unwrap();
        assert_eq!(head, [0x88, 0x80 | 14]);
        assert!(client.next().await.is_none());
        drop(it.backend);
        assert_eq!(it.ended.await.unwrap().0, TunnelEnd::Protocol);
    };
    LocalSet::new().run_until(talk).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_websocket_is_closed_after_the_idle_limit_and_a_busy_one_at_the_end_of_its_life() {
    for (pause, end, after) in [(None, TunnelEnd::Idle, 600 * S), (Some(599 * S), TunnelEnd::Total, 3600 * S)] {
        let talk = async {
            let it = begin(4096, true);
            let (mut client, mut backend) =
                (websocket(it.client, Role::Client).await, websocket(it.backend, Role::Server).await);
            let speak = async {
                loop {
                    tokio::time::sleep(pause.unwrap_or(10_000 * S)).await;
                    client.send(Message::text("still here")).await.unwrap();
                }
            };
            let hear = async {
                loop {
                    match backend.next().await {
                        Some(Ok(Message::Text(_))) => {}
                        other => break close_of(other),
                    }
                }
            };
            let close = tokio::select! { () = speak => unreachable!(), close = hear => close };
            assert_eq!(u16::from(close.code), 1001);
            assert_eq!(it.began.elapsed(), after);
            drop((client, backend));
            assert_eq!(it.ended.await.unwrap().0, end);
        };
        LocalSet::new().run_until(talk).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_vanishes_without_a_close_is_explained_to_the_other() {
    let talk = async {
        let it = begin(4096, true);
        drop(it.backend);
        let mut client = websocket(it.client, Role::Client).await;
        assert_eq!(u16::from(close_of(client.next().await).code), 1012);
        assert!(client.next().await.is_none());
        assert_eq!(it.ended.await.unwrap().0, TunnelEnd::Backend);
    };
    LocalSet::new().run_until(talk).await;
}

#[tokio::test(start_paused = true)]
async fn a_close_of_a_peer_is_passed_on_and_the_other_s_answer_comes_back() {
    let talk = async {
        let it = begin(4096, true);
        let (mut client, mut backend) =
            (websocket(it.client, Role::Client).await, websocket(it.backend, Role::Server).await);
        client.close(Some(CloseFrame { code: 4000.into(), reason: "enough".into() })).await.unwrap();
        assert_eq!(close_of(backend.next().await).reason.as_str(), "enough");
        assert!(backend.next().await.is_none());
        assert_eq!(u16::from(close_of(client.next().await).code), 4000);
        assert!(client.next().await.is_none());
        drop((client, backend));
        assert_eq!(it.ended.await.unwrap().0, TunnelEnd::Client);
    };
    LocalSet::new().run_until(talk).await;
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_answered_by_the_end_of_the_stream_gets_no_other_answer() {
    let talk = async {
        let it = begin(4096, true);
        // A code that no peer may send: its receiver may just hang up (Autobahn's cases 7.9).
        let (mut client, mut backend) = (it.client, it.backend);
        client.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0, 0]).await.unwrap();
        backend.read_exact(&mut [0; 8]).await.unwrap();
        drop(backend);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert!(heard.is_empty(), "{heard:?}");
        drop(client);
        assert_eq!(it.ended.await.unwrap().0, TunnelEnd::Client);
    };
    LocalSet::new().run_until(talk).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_stops_the_backend_and_is_cut_after_the_grace() {
    let talk = async {
        let it = begin(1024, true);
        let mut backend = websocket(it.backend, Role::Server).await;
        let flood = async {
            for _ in 0..1000 {
                backend.send(Message::binary(vec![1; 1000])).await.unwrap();
            }
        };
        assert!(tokio::time::timeout(60 * S, flood).await.is_err(), "nobody took a million bytes");
        it.standing.give(Order { at: Moment::from_origin(it.began.elapsed()), end: TunnelEnd::Failover });
        let (end, (_, to_client)) = it.ended.await.unwrap();
        // What stood in the two pipes, and one buffer between them.
        assert!(to_client <= 1024 * 2 + 4096, "{to_client}");
        assert_eq!((end, it.began.elapsed()), (TunnelEnd::Failover, 60 * S + GRACE));
    };
    LocalSet::new().run_until(talk).await;
}

/// Messages in random fragments, with control frames between them, written in random cuts.
fn stream(rng: &mut Rng, masked: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.usize(1..8) {
        let fragments = rng.usize(1..5);
        for fragment in 0..fragments {
            let opcode = if fragment == 0 { Data::Binary } else { Data::Continue };
            let length = *rng.choice([0, 1, 125, 126, 127, 1000, 70_000].as_slice()).unwrap();
            let mut frames = vec![Frame::message(vec![7; length], OpCode::Data(opcode), fragment + 1 == fragments)];
            if rng.bool() {
                frames.push(Frame::ping(vec![1; rng.usize(..126)]));
            }
            for mut frame in frames {
                frame.header_mut().mask = masked.then(|| rng.u32(..).to_be_bytes());
                frame.format(&mut bytes).unwrap();
            }
        }
    }
    bytes
}

#[tokio::test(start_paused = true)]
async fn a_strict_client_never_sees_a_cut_frame_whenever_the_pool_moves() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut seeds = Rng::with_seed(seed);
    for _ in 0..300 {
        let mut rng = Rng::with_seed(seeds.u64(..));
        let talk = async {
            let it = begin(rng.usize(1..5000), true);
            let bytes = stream(&mut rng, false);
            let moment = Duration::from_micros(rng.u64(..20_000));
            let mut backend = it.backend;
            let mut cuts = rng.fork();
            let speaking = spawn_local(async move {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let (part, after) = rest.split_at(cuts.usize(1..=rest.len().min(9000)));
                    if backend.write_all(part).await.is_err() {
                        return;
                    }
                    rest = after;
                    tokio::time::sleep(Duration::from_micros(cuts.u64(..4000))).await;
                }
                // It answers no Close, and goes on to be read from.
                let _ = tokio::time::timeout(60 * S, backend.read_to_end(&mut Vec::new())).await;
            });
            let at = Moment::from_origin(it.began.elapsed() + moment);
            it.standing.give(Order { at, end: TunnelEnd::Failover });
            let mut client = websocket(it.client, Role::Client).await;
            let close = loop {
                match client.next().await {
                    Some(Ok(Message::Close(close))) => break close.expect("a code"),
                    Some(Ok(_)) => {}
                    other => panic!("cut in a frame: {other:?}"),
                }
            };
            assert_eq!(u16::from(close.code), 1012);
            assert!(client.next().await.is_none());
            drop(client);
            assert_eq!(it.ended.await.unwrap().0, TunnelEnd::Failover);
            speaking.await.unwrap();
        };
        LocalSet::new().run_until(talk).await;
    }
}
