//! What the request path does for every request, in nanoseconds: `cargo bench --bench request_path`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use botgate::config::{HostPattern, LedgerConfig, RouteConfig};
use botgate::ledger::{ActivityId, Answer, Entry, Ledger, Need};
use botgate::model::Moment;
use botgate::snapshot::{Route, RouteTable, Snapshot, SnapshotCell};
use botgate::wire::h1::{Asked, Gate, Limits, Reader};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::StatusCode;

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

/// What the strict reader costs: a request as a channel sends it, and a body that it only counts.
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
    for (what, bytes) in [("1 KiB by length", &post), ("1 KiB in a chunk", &chunks)] {
        let mut gate = Gate::new(Reader::requests(limits));
        let name = format!("strict HTTP/1 reader: head of {} bytes, {what}", bytes.len() - 1024);
        c.bench_function(&name, |b| b.iter(|| gate.take(black_box(bytes))));
    }
    let (first, second) = post.split_at(300);
    let mut gate = Gate::new(Reader::requests(limits));
    c.bench_function("the same, its head in two parts", |b| {
        b.iter(|| {
            gate.take(black_box(first));
            gate.take(black_box(second));
            let ready = gate.ready().len();
            gate.passed(ready);
        });
    });
    let mut answers = Gate::new(Reader::responses(limits));
    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Sun, 22 Nov 2026 12:00:00 GMT\r\ncontent-length: 2\r\n\r\n{}";
    c.bench_function("strict HTTP/1 reader: a small response", |b| {
        b.iter(|| {
            answers.asked(Asked::default());
            answers.take(black_box(answer))
        });
    });
}

criterion_group!(benches, routes, snapshot, ledger, reader);
criterion_main!(benches);
