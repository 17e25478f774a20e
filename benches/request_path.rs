//! What the request path does for every request, in nanoseconds: `cargo bench --bench request_path`.

use std::hint::black_box;
use std::sync::Arc;

use botgate::config::{HostPattern, RouteConfig};
use botgate::snapshot::{Route, RouteTable, Snapshot, SnapshotCell};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

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

criterion_group!(benches, routes, snapshot);
criterion_main!(benches);
