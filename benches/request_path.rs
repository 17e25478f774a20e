//! What the request path does for every request, in nanoseconds: `cargo bench --features fuzzing --bench request_path`. How
//! many instructions and allocations all of it takes, `benches/instructions/run` counts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark may fail loudly")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use botgate::config::{HostPattern, LedgerConfig, RouteConfig};
use botgate::ledger::{ActivityId, Answer, Entry, Ledger, Need};
use botgate::model::Moment;
use botgate::proxy::fuzzing::{Waiting, client, prepare_request, prepare_response};
use botgate::snapshot::{Route, RouteTable, Snapshot, SnapshotCell};
use botgate::wire::Head;
use botgate::wire::h1::{Asked, Limits, Part, RequestReader, ResponseReader};
use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};

/// A table of `count` routes: ten paths on each host.
fn table(count: usize) -> RouteTable {
    RouteTable::new((0..count).map(|at| {
        let host = HostPattern::Exact(format!("bot{}.contoso.com", at / 10));
        let path = format!("/api/messages/{}", at % 10);
        Route {
            config: RouteConfig { host, path, pool: "bot-api".into(), max_body: 1 << 20, guard: None },
            pool: at,
            guard: None,
        }
    }))
}

fn routes(c: &mut Criterion) {
    let mut group = c.benchmark_group("route match");
    for count in [10, 1_000, 10_000] {
        let table = table(count);
        let host = format!("bot{}.contoso.com", (count / 10) / 2);
        group.bench_with_input(BenchmarkId::from_parameter(count), &count, |b, _| {
            b.iter(|| table.find(black_box(&host), black_box("/api/messages/7")).map(|route| route.pool));
        });
    }
    group.finish();
}

fn snapshot(c: &mut Criterion) {
    let empty = || Snapshot { generation: 0, routes: RouteTable::default(), pools: Vec::new(), guards: Arc::default() };
    let cell: Arc<SnapshotCell> = SnapshotCell::new(empty());
    let mut reader = cell.reader();
    c.bench_function("snapshot load", |b| b.iter(|| black_box(reader.load()).generation));
}

fn ledger(c: &mut Criterion) {
    let body = vec![b'x'; 1024];
    let id = |number: u64| ActivityId::new("msteams", "a:1-conversation", &number.to_string(), &body);
    let key = |number: u64| id(number).within([b"sender".as_slice(), b"bot.contoso.com", b"/api/messages"]);
    c.bench_function("activity id, 1 KiB: key and Idempotency-Key", |b| {
        b.iter(|| (id(black_box(7)).idempotency_key(), key(black_box(7))));
    });
    let (limits, now, mut number) = (LedgerConfig::default(), Moment::ZERO, 0);
    let table = Ledger::new();
    c.bench_function("ledger: first, then forgotten", |b| {
        let key = key(1);
        b.iter(|| drop(table.enter(black_box(key), now, &limits)));
    });
    c.bench_function("ledger: first, then done, then too old (with its key)", |b| {
        b.iter(|| {
            number += 1;
            let now = Moment::from_origin(Duration::from_millis(number * 10));
            if let Entry::First(ticket) = table.enter(key(number), now, &limits) {
                ticket.done(Answer::bare(StatusCode::OK), Need::Status, now);
            }
        });
    });
}

/// What is changed in the headers of a request and of its response, and what is told of the client.
fn headers(c: &mut Criterion) {
    let client = client("192.0.2.7:4711".parse().unwrap(), "198.51.100.1:443".parse().unwrap(), true, false);
    let request = HeaderMap::from_iter(
        [
            ("host", "bot.contoso.com"),
            ("authorization", "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMzQ1Njc4OTAxMjM0NTY3ODkwIiwidHlwIjoiSldUIn0"),
            ("content-type", "application/json; charset=utf-8"),
            ("user-agent", "BF-DirectLine (Microsoft-BotFramework/3.2 +https://botframework.com/ua)"),
            ("accept", "*/*"),
            ("ms-cv", "AAAAAAAAAAAAAAAA.1.1.1.1"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("x-ms-conversation-id", "a:1-conversation-0123456789"),
            ("accept-encoding", "gzip, deflate"),
            ("connection", "keep-alive"),
            ("content-length", "1024"),
        ]
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))),
    );
    let answer = HeaderMap::from_iter(
        [("content-type", "application/json"), ("date", "Sun, 22 Nov 2026 12:00:00 GMT"), ("content-length", "2")]
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))),
    );
    let id = HeaderValue::from_static("0af7651916cd43dd8448eb211c80319c");
    let mut group = c.benchmark_group("headers");
    group.bench_function("a copy of those of a request, for comparison", |b| b.iter(|| request.clone()));
    group.bench_function("a request's, copied and made fit", |b| {
        b.iter(|| {
            let mut headers = request.clone();
            prepare_request(&mut headers, &client, black_box("bot.contoso.com"), Version::HTTP_11);
            headers
        });
    });
    group.bench_function("a response's, copied and made fit", |b| {
        b.iter(|| {
            let mut headers = answer.clone();
            prepare_response(&mut headers, Version::HTTP_11, &id);
            headers
        });
    });
    group.finish();
}

/// What it costs to wait: a place among the waiting, and the look at all of them that the worker takes fifty times a second.
fn waits(c: &mut Criterion) {
    let mut group = c.benchmark_group("waits");
    for count in [0, 1_000] {
        let waiting = Waiting::new(count, Moment::ZERO);
        group.bench_function(format!("one more beside {count}"), |b| {
            b.iter(|| waiting.one_more(black_box(Moment::ZERO)))
        });
        group.bench_function(format!("a look at {count}"), |b| b.iter(|| waiting.sweep(black_box(Moment::ZERO))));
    }
    group.finish();
}

/// Makes the request of these bytes, and goes through its body.
fn request(heads: &mut RequestReader, bytes: &Bytes) -> Head {
    let mut passed = heads.read(bytes).unwrap().unwrap();
    let head = heads.finish(BytesMut::from(&bytes[..passed])).unwrap();
    let mut body = head.body.unwrap();
    while !body.has_ended() {
        let (Part::Content(length) | Part::Framing(length) | Part::End(length, _)) =
            body.next(&bytes[passed..]).unwrap()
        else {
            panic!("the body has no end")
        };
        passed += length;
    }
    assert_eq!(passed, bytes.len());
    head.head
}

/// What the strict readers cost: a request as a channel sends it, with its body, and a small response.
fn reader(c: &mut Criterion) {
    let limits = Limits { head: 32 * 1024, fields: 100 };
    let fields: String = [
        "Host: bot.contoso.com",
        "Authorization: Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMzQ1Njc4OTAxMjM0NTY3ODkwIiwieDV0IjoiYWJjZGVmIiwidHlwIjoiSldUIn0",
        "Content-Type: application/json; charset=utf-8",
        "User-Agent: BF-DirectLine (Microsoft-BotFramework/3.2 +https://botframework.com/ua)",
        "Accept: */*",
        "MS-CV: AAAAAAAAAAAAAAAA.1.1.1.1",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "x-ms-conversation-id: a:1-conversation-0123456789",
        "Accept-Encoding: gzip, deflate",
        "Connection: keep-alive",
    ]
    .map(|field| format!("{field}\r\n"))
    .concat();
    let head = |length: &str| format!("POST /api/messages HTTP/1.1\r\n{fields}{length}\r\n\r\n").into_bytes();
    let post = [head("Content-Length: 1024"), vec![b'x'; 1024]].concat();
    let chunks =
        [head("Transfer-Encoding: chunked"), b"400\r\n".to_vec(), vec![b'x'; 1024], b"\r\n0\r\n\r\n".to_vec()].concat();
    for (what, bytes) in [("1 KiB by length", post), ("1 KiB in a chunk", chunks)] {
        let (mut heads, bytes) = (RequestReader::new(limits), Bytes::from(bytes));
        let length = bytes.len() - bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() - 4;
        let name = format!("strict HTTP/1 reader: a request of a head of {} bytes, {what}", bytes.len() - length);
        c.bench_function(&name, |b| b.iter(|| request(&mut heads, black_box(&bytes))));
        if what == "1 KiB by length" {
            c.bench_function("the same, its head in two parts", |b| {
                b.iter(|| {
                    assert_eq!(heads.read(black_box(&bytes[..300])), Ok(None));
                    request(&mut heads, black_box(&bytes))
                });
            });
        }
    }
    let mut answers = ResponseReader::new(limits);
    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Sun, 22 Nov 2026 12:00:00 GMT\r\ncontent-length: 2\r\n\r\n{}";
    c.bench_function("strict HTTP/1 reader: a small response", |b| {
        b.iter(|| {
            answers.asked(Asked::default());
            let answer = black_box(&answer[..]);
            let length = answers.read(answer).unwrap().unwrap();
            let head = answers.finish(BytesMut::from(&answer[..length])).unwrap();
            assert_eq!(head.body.unwrap().next(&answer[length..]), Ok(Part::Content(2)));
            head.head
        });
    });
}

criterion_group!(benches, routes, snapshot, headers, waits, ledger, reader);
criterion_main!(benches);
