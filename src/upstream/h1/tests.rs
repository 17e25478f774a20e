//! Exchanges with backends that are played byte by byte.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Empty, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::Connection;
use crate::telemetry::{BackendStats, WorkerId};
use crate::upstream::counted::Counted;
use crate::upstream::dial::Stream;
use crate::upstream::failure::SendFailure;
use crate::upstream::origin::Origin;
use crate::upstream::outgoing::Outgoing;
use crate::upstream::request_body::RequestBody;
use crate::wire::{Fields, Known, Response};

/// A connection, and the backend at its other end.
async fn pair<B>() -> (Connection<B>, TcpStream, std::sync::Arc<BackendStats>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (here, there) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let stats = BackendStats::new(1);
    let connection = Connection::new(Stream::Plain(here.unwrap()), Counted::new(stats.clone(), WorkerId(0)));
    (connection, there.unwrap().0, stats)
}

impl<B: RequestBody> Connection<B> {
    async fn send(&mut self, request: Outgoing<'_, B>) -> Result<Response<()>, SendFailure> {
        self.begin(request)?;
        self.answer().await
    }
}

struct Sent {
    method: Method,
    fields: Fields,
    own: Vec<(HeaderName, HeaderValue)>,
    origin: Origin,
}

impl Sent {
    fn new(method: Method, headers: &[(&'static str, &'static str)]) -> Self {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        Self {
            method,
            fields: headers.iter().map(field).collect::<HeaderMap>().into(),
            own: Vec::new(),
            origin: Origin::of("weu.example"),
        }
    }

    fn with<B>(&self, body: B) -> Outgoing<'_, B> {
        Outgoing {
            method: &self.method,
            target: Uri::from_static("/a?b=1"),
            origin: &self.origin,
            fields: &self.fields,
            own: &self.own,
            also: [Some((Known::BotgateEpoch, HeaderValue::from_static("7"))), None, None, None],
            body,
        }
    }
}

/// Reads what is there until the text ends so.
async fn hear(backend: &mut TcpStream, end: &str) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(end.as_bytes()) {
        assert!(backend.read_buf(&mut heard).await.unwrap() > 0, "{}", String::from_utf8_lossy(&heard));
    }
    String::from_utf8(heard).unwrap()
}

/// The body of a response up to its end, or to what broke it off; and its trailers.
async fn body<B: RequestBody>(connection: &mut Connection<B>) -> Result<(String, Option<HeaderMap>), String> {
    let (mut text, mut trailers) = (String::new(), None);
    while let Some(frame) = std::future::poll_fn(|cx| connection.poll_frame(cx)).await {
        match frame.map_err(|error| error.to_string())?.into_data() {
            Ok(data) => text += std::str::from_utf8(&data).unwrap(),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((text, trailers))
}

/// One GET that is answered so; then the backend closes if it is to.
async fn get(
    answer: &str,
    close: bool,
) -> (Connection<Empty<Bytes>>, Result<Response<()>, SendFailure>, Option<TcpStream>) {
    let (mut connection, mut backend, _) = pair().await;
    let sent = Sent::new(Method::GET, &[]);
    let play = async {
        hear(&mut backend, "\r\n\r\n").await;
        backend.write_all(answer.as_bytes()).await.unwrap();
        (!close).then_some(backend)
    };
    let (response, backend) = tokio::join!(connection.send(sent.with(Empty::new())), play);
    (connection, response, backend)
}

#[tokio::test]
async fn a_response_that_ends_early_is_an_error() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n0123\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n0123\r\n0\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n0123\r\nzz\r\n",
    ] {
        let (mut connection, response, _) = get(answer, true).await;
        assert_eq!(response.unwrap().status, 200);
        assert!(body(&mut connection).await.is_err(), "{answer}");
        assert!(!connection.settle(), "{answer}");
    }
}

/// A request body whose parts come when they are sent.
struct Parts {
    length: Option<u64>,
    parts: mpsc::Receiver<Frame<Bytes>>,
    asked: std::rc::Rc<std::cell::Cell<usize>>,
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.parts.poll_recv(cx);
        self.asked.set(self.asked.get() + usize::from(part.is_ready()));
        part.map(|part| part.map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn parts(length: Option<u64>, room: usize) -> (mpsc::Sender<Frame<Bytes>>, Parts) {
    let (sender, parts) = mpsc::channel(room);
    (sender, Parts { length, parts, asked: Default::default() })
}

fn text(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_request_is_written_with_its_host_first_and_what_is_the_backends_in_place_of_the_clients() {
    let (mut connection, mut backend, _) = pair().await;
    let mut sent = Sent::new(
        Method::POST,
        &[("host", "bot.test"), ("x-a", "1"), ("authorization", "theirs"), ("botgate-epoch", "6"), ("x-a", "2")],
    );
    let key = |key| (http::header::AUTHORIZATION, HeaderValue::from_static(key));
    sent.own.extend([key("before"), key("ours")]);
    let play = async {
        let heard = hear(&mut backend, "hello").await;
        backend.write_all(OK.as_bytes()).await.unwrap();
        heard
    };
    let (response, heard) = tokio::join!(connection.send(sent.with(Full::new(Bytes::from_static(b"hello")))), play);
    let expected = "POST /a?b=1 HTTP/1.1\r\nhost: weu.example\r\nx-a: 1\r\nx-a: 2\r\nauthorization: ours\r\n\
                    botgate-epoch: 7\r\ncontent-length: 5\r\n\r\nhello";
    assert_eq!(heard, expected);
    assert_eq!(response.unwrap().fields.get(Known::ContentLength), Some(&b"2"[..]));
    assert_eq!((connection.size_hint().exact(), connection.is_over()), (Some(2), false));
    assert_eq!(body(&mut connection).await, Ok(("ok".into(), None)));
    assert!(connection.settle());
    sent.own.push((HOST, HeaderValue::from_static("other.example")));
    let play = async {
        let heard = hear(&mut backend, "\r\n\r\n").await;
        backend.write_all(OK.as_bytes()).await.unwrap();
        heard
    };
    let (response, heard) = tokio::join!(connection.send(sent.with(Full::default())), play);
    assert!(response.is_ok() && heard.contains("\r\nhost: other.example\r\nx-a: 1\r\n"), "{heard}");
    assert!(!heard.contains("weu.example") && !heard.contains("content-length"), "{heard}");
}

#[tokio::test]
async fn a_body_of_unknown_length_goes_in_chunks_and_of_its_trailers_those_that_were_announced() {
    let (mut connection, mut backend, _) = pair().await;
    let sent = Sent::new(Method::GET, &[("trailer", "x-sum, x-other")]);
    let (parts_in, rest) = parts(None, 8);
    let large = "x".repeat(20_000);
    let trailers = Sent::new(Method::GET, &[("x-sum", "7"), ("x-quiet", "8")]).fields.into();
    for part in [text("hello"), text(""), Frame::data(large.clone().into()), text("!"), Frame::trailers(trailers)] {
        parts_in.send(part).await.unwrap();
    }
    let play = async {
        let heard = hear(&mut backend, "\r\nx-sum: 7\r\n\r\n").await;
        backend.write_all(OK.as_bytes()).await.unwrap();
        heard
    };
    let (response, heard) = tokio::join!(connection.send(sent.with(rest)), play);
    response.unwrap();
    let (head, chunks) = heard.split_once("\r\n\r\n").unwrap();
    assert!(head.ends_with("\r\ntransfer-encoding: chunked"), "{head}");
    assert_eq!(chunks, format!("5\r\nhello\r\n4e20\r\n{large}\r\n1\r\n!\r\n0\r\nx-sum: 7\r\n\r\n"));
}

#[tokio::test]
async fn an_early_response_is_read_while_the_rest_of_the_request_is_written() {
    let (mut connection, mut backend, _) = pair().await;
    let sent = Sent::new(Method::POST, &[]);
    let (parts_in, rest) = parts(Some(10), 8);
    parts_in.send(text("hello")).await.unwrap();
    let early = async {
        hear(&mut backend, "hello").await;
        backend.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    };
    let (response, ()) = tokio::join!(connection.send(sent.with(rest)), early);
    assert_eq!(response.unwrap().status, 200);
    parts_in.send(text("world")).await.unwrap();
    let play = async {
        let heard = hear(&mut backend, "world").await;
        backend.write_all(b"2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n").await.unwrap();
        heard
    };
    let (read, heard) = tokio::join!(body(&mut connection), play);
    let (text, trailers) = read.unwrap();
    assert_eq!((&*text, trailers.unwrap()["x-sum"].as_bytes(), &*heard), ("ok", &b"1"[..], "world"));
    assert!(connection.settle(), "both ended");
}

#[tokio::test]
async fn a_body_is_asked_for_no_faster_than_the_backend_takes_it() {
    let (mut connection, mut backend, _) = pair().await;
    let sent = Sent::new(Method::POST, &[]);
    let (parts_in, rest) = parts(Some(64 << 20), 64);
    let asked = rest.asked.clone();
    let mut sending = Box::pin(connection.send(sent.with(rest)));
    let part = Bytes::from(vec![b'x'; 1 << 20]);
    // The socket takes some of them; then nothing more is asked for.
    let mut stalled = 0;
    while stalled < 100 {
        let before = asked.get();
        let _ = parts_in.try_send(Frame::data(part.clone()));
        assert!(futures_util::poll!(sending.as_mut()).is_pending());
        tokio::task::yield_now().await;
        stalled = if asked.get() == before { stalled + 1 } else { 0 };
    }
    assert!(asked.get() < 32, "{}", asked.get());
    let taken = asked.get();
    // An answer is heard all the same.
    backend.write_all(b"HTTP/1.1 413 No\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    assert_eq!(sending.await.unwrap().status, 413);
    assert_eq!(asked.get(), taken);
    assert!(!connection.settle(), "the rest of the request is still to be written");
}

#[tokio::test]
async fn only_what_was_never_written_is_unsent() {
    let sent = Sent::new(Method::GET, &[]);
    let (mut connection, backend, _) = pair::<Empty<Bytes>>().await;
    drop(backend);
    while !connection.is_closed() {
        tokio::task::yield_now().await;
    }
    assert!(connection.send(sent.with(Empty::new())).await.unwrap_err().unsent);
    let (_, response, _) = get("", true).await;
    assert!(!response.unwrap_err().unsent);
    let (_, response, _) = get("HTTP/1.1 200 OK\r\nx: y\r\n", true).await;
    assert!(!response.unwrap_err().unsent);
}

#[tokio::test]
async fn a_connection_is_used_again_only_after_an_exchange_that_left_nothing_open() {
    for (answer, text, again) in [
        (OK, "ok", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", "", true),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", "", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x\r\no\r\n1\r\nk\r\n0\r\n\r\n", "ok", true),
        ("HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 2\r\n\r\nok", "ok", false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok", false),
        ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", "ok", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", "ok", false),
    ] {
        let (mut connection, response, _backend) = get(answer, false).await;
        response.unwrap();
        assert_eq!(body(&mut connection).await, Ok((text.into(), None)), "{answer}");
        assert_eq!(connection.settle(), again, "{answer}");
    }
    for version in ["1.0", "1.1"] {
        let (mut connection, response, _) = get(&format!("HTTP/{version} 200 OK\r\n\r\nto its end"), true).await;
        response.unwrap();
        assert_eq!(body(&mut connection).await, Ok(("to its end".into(), None)));
        assert!(!connection.settle());
    }
}

#[tokio::test]
async fn what_nobody_asked_for_ends_an_idle_connection_and_is_counted() {
    let (mut connection, mut backend, stats) = pair::<Empty<Bytes>>().await;
    assert!(!connection.is_closed());
    backend.write_all(OK.as_bytes()).await.unwrap();
    while !connection.is_closed() {
        tokio::task::yield_now().await;
    }
    let count = || stats.cells.sum(|cell| &cell.malformed);
    assert_eq!(count(), 1);
    assert!(connection.is_closed());
    assert_eq!(count(), 1, "once");
    assert!(connection.send(Sent::new(Method::GET, &[]).with(Empty::new())).await.unwrap_err().unsent);
    drop(connection);
    assert_eq!(stats.cells.sum(|cell| &cell.hung_up), 1);
}

#[tokio::test]
async fn interim_responses_are_passed_over_and_a_head_request_has_no_body() {
    let (mut connection, mut backend, _) = pair::<Empty<Bytes>>().await;
    let sent = Sent::new(Method::HEAD, &[]);
    let play = async {
        hear(&mut backend, "\r\n\r\n").await;
        let interims = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(3);
        let answer = interims + "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-kept: yes\r\n\r\n";
        backend.write_all(answer.as_bytes()).await.unwrap();
    };
    let (response, ()) = tokio::join!(connection.send(sent.with(Empty::new())), play);
    let response = response.unwrap();
    assert_eq!(response.status.as_u16(), 200);
    assert_eq!(response.fields.iter().last(), Some((&b"x-kept"[..], &b"yes"[..])));
    assert_eq!(response.fields.len(), 2);
    assert!(connection.is_over() && connection.settle());
}

#[tokio::test]
async fn behind_a_101_the_bytes_are_another_protocols() {
    let (mut connection, mut backend, _) = pair::<Empty<Bytes>>().await;
    let sent = Sent::new(Method::GET, &[]);
    let mut request = sent.with(Empty::new());
    request.also[1] = Some((Known::Upgrade, HeaderValue::from_static("x")));
    let play = async {
        hear(&mut backend, "upgrade: x\r\n\r\n").await;
        let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nahead";
        backend.write_all(switch.as_bytes()).await.unwrap();
    };
    let (response, ()) = tokio::join!(connection.send(request), play);
    assert_eq!(response.unwrap().status, 101);
    let (mut switched, ahead) = connection.switch();
    assert_eq!(ahead, "ahead");
    backend.write_all(b"behind").await.unwrap();
    switched.write_all(b"back").await.unwrap();
    assert_eq!(hear(&mut backend, "back").await, "back");
    drop(backend);
    let mut heard = String::new();
    switched.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "behind");
}
