//! What the request path decides, in nanoseconds: `cargo bench --features fuzzing --bench decisions`. Which backend a request
//! goes to, out of the snapshot that holds when it is asked; and what an attempt says about its backend.
#![allow(clippy::unwrap_used, reason = "a benchmark may fail loudly")]

use std::hint::black_box;
use std::sync::Arc;

use botgate::config::{PoolConfig, parse};
use botgate::ledger::Ledger;
use botgate::model::{BackendId, Health, Moment};
use botgate::proxy::fuzzing::{Outcome, Selection};
use botgate::snapshot::{Backend, Pool, RouteTable, Snapshot, SnapshotCell};
use botgate::telemetry::{BackendStats, PoolStats};
use botgate::upstream::Origin;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderValue, StatusCode};

/// Workers of the gateway: each has counters of its own.
const WORKERS: usize = 2;

/// A pool of kind bot with so many backends, of which each takes a hundred attempts at a time.
fn config(backends: usize) -> PoolConfig {
    let backends: String = (0..backends)
        .map(|at| format!("[[pool.backend]]\nname = \"region{at}\"\nurl = \"https://bot{at}.contoso.com\"\n"))
        .collect();
    let text = format!(
        "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n[[route]]\npool = \"bot-api\"\n[[pool]]\nname = \"bot-api\"\n\
         kind = \"bot\"\nlimits = {{ per_backend = 100 }}\n{backends}"
    );
    parse("botgate.toml", &text, "".as_ref(), &|_| None).unwrap().config.pools.remove(0)
}

/// A snapshot with that pool, all of whose backends are well.
fn cell(backends: usize) -> Arc<SnapshotCell> {
    let config = config(backends);
    let backend = |(at, config): (usize, &botgate::config::BackendConfig)| Backend {
        id: BackendId(at as u32),
        origin: Origin::new(config),
        config: Arc::new(config.clone()),
        tls: None,
        addresses: Arc::default(),
        health: Health::Healthy,
        stats: BackendStats::new(WORKERS),
    };
    let pool = Pool {
        epoch: 1,
        epoch_header: HeaderValue::from(1),
        backends: config.backends.iter().enumerate().map(backend).collect(),
        order: (0..backends).collect(),
        stats: PoolStats::new(WORKERS),
        ledger: Ledger::new(),
        config: Arc::new(config),
    };
    SnapshotCell::new(Snapshot {
        generation: 1,
        routes: RouteTable::default(),
        pools: vec![Arc::new(pool)],
        guards: Arc::default(),
    })
}

/// The choice of a backend, the load of the snapshot and the limit on attempts under way with it.
fn selection(c: &mut Criterion) {
    let mut group = c.benchmark_group("selection");
    for backends in [2, 5] {
        let mut selection = Selection::new(&cell(backends), 0);
        assert_eq!(selection.first(Moment::ZERO), Some(BackendId(0)));
        assert_eq!(selection.after_the_first(Moment::ZERO), Some(BackendId(1)));
        group.bench_function(BenchmarkId::new("first", backends), |b| {
            b.iter(|| selection.first(black_box(Moment::ZERO)));
        });
        group.bench_function(BenchmarkId::new("first, and another after it", backends), |b| {
            b.iter(|| selection.after_the_first(black_box(Moment::ZERO)));
        });
    }
    group.finish();
}

/// What the outcome of an attempt says: evidence against the backend, and where the request goes.
fn classify(c: &mut Criterion) {
    let pool = config(2);
    let mut group = c.benchmark_group("classify");
    for (name, outcome, elsewhere) in [
        ("answered with 200", Outcome::answered(StatusCode::OK), false),
        ("answered with 503", Outcome::answered(StatusCode::SERVICE_UNAVAILABLE), true),
        ("unreachable", Outcome::unreachable(), true),
        ("broken off", Outcome::broken(), true),
    ] {
        assert_eq!(outcome.classify(&pool).1, elsewhere, "{name}");
        group.bench_function(name, |b| b.iter(|| black_box(&outcome).classify(black_box(&pool))));
    }
    group.finish();
}

criterion_group!(benches, selection, classify);
criterion_main!(benches);
