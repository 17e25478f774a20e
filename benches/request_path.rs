//! What the request path does for every request, in nanoseconds: `cargo bench --bench request_path`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use botgate::config::{HostPattern, LedgerConfig, RouteConfig};
use botgate::ledger::{ActivityId, Answer, Entry, Ledger, Need};
use botgate::model::Moment;
use botgate::snapshot::{Route, RouteTable, Snapshot, SnapshotCell};
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

criterion_group!(benches, routes, snapshot, ledger);
criterion_main!(benches);
