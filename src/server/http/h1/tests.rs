//! Connections in memory, and what answers them.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::connection::{Connection, Ended};
use crate::proxy::{Client, ClientBody};
use crate::server::activity::Activity;
use crate::server::edge::Shared;
use crate::server::serve::BoxError;
use crate::telemetry::{ListenerStats, WorkerId};
use crate::wire;
use crate::wire::h1::Limits;

type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

fn edge() -> Rc<Shared> {
    let address = "127.0.0.1:1".parse().unwrap();
    let client = Client { peer: address, local: address, tls: false, ..Client::stranger() };
    let (activity, stats) = (Activity::new(), ListenerStats::new(1));
    Rc::new(Shared { client: Rc::new(client), activity, stats, worker: WorkerId(0), hsts: None })
}

fn text(body: &'static str) -> Answer {
    Response::new(Full::from(body).map_err(BoxError::from).boxed_unsync())
}

/// Frames, of which nobody knows how long they are.
fn frames(frames: Vec<Frame<Bytes>>) -> Answer {
    let frames = futures_util::stream::iter(frames.into_iter().map(Ok));
    Response::new(StreamBody::new(frames).boxed_unsync())
}

/// Serves one connection by `answer`: how it ended, and what `client` made of the other end.
async fn served<F, T>(
    answer: impl Fn(Request<ClientBody>) -> F + Clone + 'static,
    client: impl AsyncFnOnce(DuplexStream) -> T,
) -> (Ended, T)
where
    F: Future<Output = Answer> + 'static,
{
    let (io, other) = duplex(1 << 20);
    let service = tower::service_fn(move |request: wire::Request<ClientBody>| {
        let wire::Head { method, uri, version, fields } = request.head;
        let mut asked = Request::new(request.body);
        (*asked.method_mut(), *asked.uri_mut(), *asked.version_mut()) = (method, uri, version);
        *asked.headers_mut() = fields.into();
        let answering = answer(asked);
        async move { Ok::<_, Infallible>(wire::Response::from(answering.await)) }
    });
    let limits = Limits { head: 16 * 1024, fields: 80 };
    let serving = async move {
        let mut connection = Connection::new(io, limits, service, edge());
        poll_fn(|cx| connection.poll(cx)).await
    };
    tokio::join!(serving, client(other))
}

/// Sends these bytes, and hears all that comes until the connection ends.
async fn heard<F>(answer: impl Fn(Request<ClientBody>) -> F + Clone + 'static, sent: &str) -> String
where
    F: Future<Output = Answer> + 'static,
{
    let sent = sent.to_owned();
    let (ended, heard) = served(answer, async |mut client| {
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.unwrap();
        heard
    })
    .await;
    assert!(matches!(ended, Ended::Closed), "{ended:?}");
    // Without the dates.
    heard.split_inclusive("\r\n").filter(|line| !line.starts_with("date: ")).collect()
}

const LAST: &str = "GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const GONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ngone";

async fn gone(_: Request<ClientBody>) -> Answer {
    text("gone")
}

#[tokio::test]
async fn requests_that_come_at_once_are_answered_in_their_order() {
    let echo = async |request: Request<ClientBody>| {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let said = [path.as_bytes(), b":", &body].concat();
        Response::new(Full::from(said).map_err(BoxError::from).boxed_unsync())
    };
    let post = "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello\
                PUT /b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\n!\r\n0\r\n\r\n";
    let answer =
        |text: &str, more: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{more}\r\n{text}", text.len());
    let all = answer("/a:hello", "") + &answer("/b:!", "") + &answer("/last:", "connection: close\r\n");
    assert_eq!(heard(echo, &(post.to_owned() + LAST)).await, all);
}

#[tokio::test]
async fn a_small_body_that_nobody_reads_is_thrown_away_and_one_that_does_not_come_ends_the_connection() {
    let small = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
    let kept = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngone".to_owned() + GONE;
    assert_eq!(heard(gone, &(small.to_owned() + LAST)).await, kept);
    assert_eq!(heard(gone, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhell").await, GONE);
}

#[tokio::test]
async fn who_waits_to_be_told_to_go_on_is_told_when_its_body_is_asked_for() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: 4\r\n\r\n";
    let echo = async |request: Request<ClientBody>| {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(Full::from(body).map_err(BoxError::from).boxed_unsync())
    };
    let (_, told) = served(echo, async |mut client| {
        client.write_all(head.as_bytes()).await.unwrap();
        let mut told = [0; 25];
        client.read_exact(&mut told).await.unwrap();
        client.write_all(b"gone").await.unwrap();
        let mut rest = String::new();
        client.read_to_string(&mut rest).await.unwrap();
        assert!(rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.ends_with("\r\n\r\ngone"), "{rest}");
        told
    })
    .await;
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(heard(gone, head).await, GONE, "a body that nobody asks for is not waited for");
    assert_eq!(heard(echo, &(head.to_owned() + "gone")).await, GONE, "it has gone on by itself");
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_also_behind_requests_that_it_sent_ahead() {
    let dropped = Rc::new(RefCell::new(0));
    struct Tell(Rc<RefCell<i32>>);
    impl Drop for Tell {
        fn drop(&mut self) {
            *self.0.borrow_mut() += 1;
        }
    }
    for ahead in ["", "GET /b HTTP/1.1\r\nhost: a\r\n\r\n", "half a hea"] {
        let tell = dropped.clone();
        let never = move |_| {
            let tell = Tell(tell.clone());
            async move {
                std::future::pending::<()>().await;
                drop(tell);
                text("never")
            }
        };
        let (ended, ()) = served(never, async |mut client| {
            let sent = "GET /a HTTP/1.1\r\nhost: a\r\n\r\n".to_owned() + ahead;
            client.write_all(sent.as_bytes()).await.unwrap();
        })
        .await;
        assert!(matches!(ended, Ended::Closed));
    }
    assert_eq!(*dropped.borrow(), 3);
}

#[tokio::test]
async fn the_body_of_a_request_that_is_over_is_broken_whoever_has_it() {
    let kept = Rc::new(RefCell::new(None));
    let keep = kept.clone();
    let keeps = move |request: Request<ClientBody>| {
        *keep.borrow_mut() = Some(request.into_body());
        async { std::future::pending().await }
    };
    let (_, ()) = served(keeps, async |mut client| {
        client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
        let body = async {
            loop {
                if let Some(body) = kept.borrow_mut().take() {
                    return body;
                }
                tokio::task::yield_now().await;
            }
        };
        let mut body = body.await;
        let part = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(part, "hello");
        assert!(body.is_end_stream());
        *kept.borrow_mut() = Some(body);
    })
    .await;
    let mut body = kept.borrow_mut().take().unwrap();
    assert!(body.frame().await.unwrap().is_err());
}

#[tokio::test]
async fn a_client_that_breaks_off_its_body_behind_the_response_ends_the_connection() {
    let kept = Rc::new(RefCell::new(None));
    let keep = kept.clone();
    let early = move |request: Request<ClientBody>| {
        *keep.borrow_mut() = Some(request.into_body());
        async { text("early") }
    };
    let (ended, ()) = served(early, async |mut client| {
        client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n").await.unwrap();
        let mut heard = vec![0; 17];
        client.read_exact(&mut heard).await.unwrap();
        drop(client);
        let mut body = kept.borrow_mut().take().unwrap();
        assert!(body.frame().await.unwrap().is_err());
        *kept.borrow_mut() = Some(body);
    })
    .await;
    assert!(matches!(ended, Ended::Closed));
}

#[tokio::test]
async fn a_body_of_unknown_length_goes_out_in_chunks_or_to_the_end() {
    let parts = async |_| frames(vec![Frame::data("a".into()), Frame::data("".into()), Frame::data("bc".into())]);
    let chunks =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n";
    assert_eq!(heard(parts, LAST).await, chunks);
    let old = "GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n";
    assert_eq!(heard(parts, old).await, "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nabc");
}

#[tokio::test]
async fn trailers_go_to_those_who_take_them() {
    let trailed = async |_| {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("1"));
        frames(vec![Frame::data("a".into()), Frame::trailers(trailers)])
    };
    for (te, end) in [("", "0\r\n\r\n"), ("te: trailers\r\n", "0\r\nx-sum: 1\r\n\r\n")] {
        let asked = LAST.replace("host: a\r\n", &format!("host: a\r\n{te}"));
        let heard = heard(trailed, &asked).await;
        assert!(heard.ends_with(&format!("1\r\na\r\n{end}")), "{heard}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_its_head_says_is_no_whole_response() {
    let says = |length: &'static str| {
        move |_| async move {
            let mut answer = frames(vec![Frame::data("12345".into())]);
            answer.headers_mut().insert("content-length", HeaderValue::from_static(length));
            answer
        }
    };
    let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let longer = heard(says("3"), get).await;
    assert!(longer.ends_with("\r\n\r\n123"), "what goes beyond is no other response: {longer}");
    let (ended, heard) = served(says("7"), async |mut client| {
        client.write_all(get.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        heard
    })
    .await;
    assert!(matches!(ended, Ended::Broken(_)) && !heard.ends_with(b"12345\r\n"), "{ended:?}");
}

#[tokio::test]
async fn an_upgrade_takes_the_socket_and_what_was_sent_ahead_and_another_answer_does_not() {
    let ask = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let switches = Rc::new(RefCell::new(None));
    let slot = switches.clone();
    let switch = move |request: Request<ClientBody>| {
        *slot.borrow_mut() = request.body().upgrade();
        async {
            let mut answer = Response::new(Empty::new().map_err(BoxError::from).boxed_unsync());
            *answer.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
            answer
        }
    };
    let (_, ()) = served(switch, async |mut client| {
        client.write_all((ask.to_owned() + "ahead").as_bytes()).await.unwrap();
        let mut heard = [0; 34];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"HTTP/1.1 101 Switching Protocols\r\n");
        let upgrade = switches.borrow_mut().take().unwrap();
        let mut end = upgrade.await.unwrap();
        client.write_all(b" and behind").await.unwrap();
        client.shutdown().await.unwrap();
        let mut text = String::new();
        end.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "ahead and behind");
    })
    .await;
    let refused = heard(gone, &(ask.to_owned() + LAST)).await;
    assert_eq!(refused, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngone".to_owned() + GONE);
}
