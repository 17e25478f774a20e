//! `/metrics`: sums the workers' cells and renders them as Prometheus text (design, section 9).

use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Counter, Gauge, Key, KeyName, Label, Recorder};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusRecorder};

use super::control_metrics::{ControlMetrics, METADATA, label};
use super::histogram;
use super::stats::{BackendCell, BackendStats, ClientCell, Counter as Cell, ListenerStats, PoolCell, PoolStats};
use crate::model::{BackendName, Health, PoolName};

/// A pool whose counters are exported.
#[derive(Clone, Debug)]
pub struct PoolSource {
    /// Its name.
    pub name: PoolName,
    /// Its counters.
    pub stats: Arc<PoolStats>,
    /// Its backends.
    pub backends: Vec<BackendSource>,
}

/// A backend whose counters are exported.
#[derive(Clone, Debug)]
pub struct BackendSource {
    /// Its name.
    pub name: BackendName,
    /// Its counters.
    pub stats: Arc<BackendStats>,
}

/// What a pool is at the moment of a scrape.
#[derive(Clone, Debug)]
pub struct PoolGauges {
    /// Its name.
    pub name: PoolName,
    /// Its epoch.
    pub epoch: u64,
    /// Its backends.
    pub backends: Vec<BackendGauges>,
}

/// What a backend is at the moment of a scrape.
#[derive(Clone, Debug)]
pub struct BackendGauges {
    /// Its name.
    pub name: BackendName,
    /// Whether requests go to it.
    pub active: bool,
    /// Its health.
    pub health: Health,
}

/// Renders all metrics. Off the request path: it may lock.
#[derive(Debug)]
pub struct Exporter {
    clients: Arc<ListenerStats>,
    control: ControlMetrics,
    table: Mutex<Table>,
}

type BackendPick = fn(&BackendCell) -> &Cell;
type PoolPick = fn(&PoolCell) -> &Cell;
type ClientPick = fn(&ClientCell) -> &Cell;

/// The handles of the pools that exist now. A new set of pools gets a new table, so that a removed pool disappears; the
/// counters of a kept one go on, for their values live in the cells.
struct Table {
    recorder: PrometheusRecorder,
    sources: Vec<PoolSource>,
    pool_counters: Vec<(Arc<PoolStats>, PoolPick, Counter)>,
    backend_counters: Vec<(Arc<BackendStats>, BackendPick, Counter)>,
    backend_connections: Gauge,
    client_counters: Vec<(ClientPick, Counter)>,
    client_connections: Gauge,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("pools", &self.sources.len()).finish_non_exhaustive()
    }
}

impl Exporter {
    /// An exporter of these client counters, with no pools yet.
    ///
    /// # Errors
    /// The bucket bounds do not suit the exporter: a bug.
    pub fn new(clients: Arc<ListenerStats>) -> Result<Self, BuildError> {
        Ok(Self { clients, control: ControlMetrics::new()?, table: Mutex::new(Table::new(Vec::new())) })
    }

    /// Where control records its events.
    pub fn control(&self) -> ControlMetrics {
        self.control.clone()
    }

    /// Replaces the pools that are exported. Those that are not among them disappear.
    pub fn set(&self, pools: Vec<PoolSource>) {
        let table = Table::new(pools);
        *self.table.lock().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// The metrics as Prometheus text, format 0.0.4. `gauges` says what the pools are now; those unknown to
    /// [`Self::set`] are left out.
    pub fn render(&self, gauges: &[PoolGauges]) -> String {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.update(&self.clients, gauges);
        let mut text = table.recorder.handle().render();
        table.write_latency(&mut text);
        drop(table);
        text.push_str(&self.control.render());
        text
    }
}

impl Table {
    fn new(sources: Vec<PoolSource>) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        describe(&recorder);
        let counter = |name: &'static str, labels: Vec<Label>| {
            recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
        };
        let connections = |side: &str| {
            let key = Key::from_parts("botgate_connections", vec![label("side", &side)]);
            recorder.register_gauge(&key, &METADATA)
        };
        let mut pool_counters: Vec<(Arc<PoolStats>, PoolPick, Counter)> = Vec::new();
        let mut backend_counters: Vec<(Arc<BackendStats>, BackendPick, Counter)> = Vec::new();
        for pool in &sources {
            let picks: [(&'static str, PoolPick); 6] = [
                ("botgate_pool_requests_total", |cell| &cell.requests),
                ("botgate_retries_total", |cell| &cell.retries),
                ("botgate_rescued_total", |cell| &cell.rescued),
                ("botgate_retry_budget_spent_total", |cell| &cell.budget_spent),
                ("botgate_no_backend_total", |cell| &cell.no_backend),
                ("botgate_evidence_dropped_total", |cell| &cell.evidence_dropped),
            ];
            for (name, pick) in picks {
                pool_counters.push((pool.stats.clone(), pick, counter(name, vec![label("pool", &pool.name)])));
            }
            for backend in &pool.backends {
                for (name, key, value, pick) in backend_picks() {
                    let labels = vec![label("pool", &pool.name), label("backend", &backend.name), label(key, &value)];
                    backend_counters.push((backend.stats.clone(), pick, counter(name, labels)));
                }
            }
        }
        let handshakes = |result: &str| counter("botgate_tls_handshakes_total", vec![label("result", &result)]);
        let client_counters: Vec<(ClientPick, Counter)> = vec![
            (|cell| &cell.handshakes_ok, handshakes("ok")),
            (|cell| &cell.handshakes_failed, handshakes("failed")),
            (|cell| &cell.handshakes_timed_out, handshakes("timeout")),
            (|cell| &cell.accepted, counter("botgate_connections_accepted_total", vec![])),
            (|cell| &cell.turned_away, counter("botgate_connections_turned_away_total", vec![])),
            (|cell| &cell.refused, counter("botgate_requests_refused_total", vec![])),
            (|cell| &cell.panics, counter("botgate_panics_total", vec![])),
        ];
        let (client_connections, backend_connections) = (connections("client"), connections("backend"));
        Self {
            recorder,
            sources,
            pool_counters,
            backend_counters,
            backend_connections,
            client_counters,
            client_connections,
        }
    }

    fn update(&self, clients: &ListenerStats, gauges: &[PoolGauges]) {
        for (stats, pick, counter) in &self.pool_counters {
            counter.absolute(stats.cells.sum(pick));
        }
        for (stats, pick, counter) in &self.backend_counters {
            counter.absolute(stats.cells.sum(pick));
        }
        for (pick, counter) in &self.client_counters {
            counter.absolute(clients.cells.sum(pick));
        }
        // What closed is read before what opened, so that a close in between cannot make the difference negative.
        let closed = clients.cells.sum(|cell| &cell.closed);
        let open = clients.cells.sum(|cell| &cell.accepted).saturating_sub(closed);
        self.client_connections.set(open as f64);
        let open = self.sources.iter().flat_map(|pool| &pool.backends).map(|backend| {
            let closed = backend.stats.cells.sum(|cell| &cell.hung_up);
            backend.stats.cells.sum(|cell| &cell.dialed).saturating_sub(closed)
        });
        self.backend_connections.set(open.sum::<u64>() as f64);
        let gauge = |name: &'static str, labels: Vec<Label>, value: f64| {
            self.recorder.register_gauge(&Key::from_parts(name, labels), &METADATA).set(value);
        };
        for pool in gauges {
            let Some(source) = self.sources.iter().find(|source| source.name == pool.name) else { continue };
            gauge("botgate_epoch", vec![label("pool", &pool.name)], pool.epoch as f64);
            for backend in &pool.backends {
                if !source.backends.iter().any(|known| known.name == backend.name) {
                    continue;
                }
                let labels = || vec![label("pool", &pool.name), label("backend", &backend.name)];
                gauge("botgate_active", labels(), f64::from(u8::from(backend.active)));
                let health = match backend.health {
                    Health::Unknown => 0.5,
                    Health::Healthy => 1.0,
                    Health::Unhealthy => 0.0,
                };
                gauge("botgate_backend_health", labels(), health);
            }
        }
    }

    fn write_latency(&self, text: &mut String) {
        const NAME: &str = "botgate_request_seconds";
        histogram::write_head(text, NAME, "From a request's head to the end of its response.");
        for pool in &self.sources {
            for backend in &pool.backends {
                let labels = [("pool", pool.name.as_str()), ("backend", backend.name.as_str())];
                histogram::write_latency(text, NAME, &labels, &backend.stats);
            }
        }
        text.push('\n');
    }
}

/// Name, the third label and its value, and the cell's counter.
fn backend_picks() -> Vec<(&'static str, &'static str, &'static str, BackendPick)> {
    let outcome = |value, pick: BackendPick| ("botgate_requests_total", "outcome", value, pick);
    let result = |value, pick: BackendPick| ("botgate_attempts_total", "result", value, pick);
    vec![
        outcome("2xx", |cell| &cell.responses[0]),
        outcome("3xx", |cell| &cell.responses[1]),
        outcome("4xx", |cell| &cell.responses[2]),
        outcome("5xx", |cell| &cell.responses[3]),
        outcome("error", |cell| &cell.failed),
        result("answered", |cell| &cell.answered),
        result("unsent", |cell| &cell.unsent),
        result("ambiguous", |cell| &cell.ambiguous),
        result("refused", |cell| &cell.refused),
        result("rescued", |cell| &cell.rescued),
    ]
}

fn describe(recorder: &PrometheusRecorder) {
    for (name, help) in [
        ("botgate_requests_total", "Requests by the backend that ended them, and how."),
        ("botgate_attempts_total", "Tries of a request at one backend, and how they ended."),
        ("botgate_pool_requests_total", "Requests routed to a pool."),
        ("botgate_retries_total", "Attempts beyond the first of a request, rescues aside."),
        ("botgate_rescued_total", "Requests taken from a backend that was given up and sent to the new active one."),
        ("botgate_retry_budget_spent_total", "Requests that wanted another attempt beyond the retry budget."),
        ("botgate_no_backend_total", "Requests that no backend could be tried for."),
        ("botgate_evidence_dropped_total", "Evidence that control was too busy to take."),
        ("botgate_tls_handshakes_total", "Handshakes of clients, and how they ended."),
        ("botgate_connections_accepted_total", "Client connections accepted."),
        ("botgate_connections_turned_away_total", "Client connections over the cap."),
        ("botgate_requests_refused_total", "Requests refused before a route was found."),
        ("botgate_panics_total", "Panics caught: bugs."),
    ] {
        recorder.describe_counter(KeyName::from(name), None, help.into());
    }
    for (name, help) in [
        ("botgate_connections", "Connections open now, by side."),
        ("botgate_active", "1 for the backend that a pool's requests go to."),
        ("botgate_epoch", "Grows by one at every switch of a pool."),
        ("botgate_backend_health", "1 healthy, 0.5 unknown, 0 unhealthy."),
    ] {
        recorder.describe_gauge(KeyName::from(name), None, help.into());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Cause, Direction};
    use crate::telemetry::WorkerId;

    fn source(name: &str) -> PoolSource {
        let backend = BackendSource { name: "weu".into(), stats: BackendStats::new(2) };
        PoolSource { name: name.into(), stats: PoolStats::new(2), backends: vec![backend] }
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "no line {line:?} in:\n{text}");
    }

    #[test]
    fn the_cells_of_all_workers_are_summed_and_the_histogram_is_true() {
        let exporter = Exporter::new(ListenerStats::new(2)).unwrap();
        let pool = source("bot-api");
        for (worker, took) in [(0, 3), (1, 20_000), (1, 700)] {
            let cell = pool.backends[0].stats.cells.of(WorkerId(worker));
            cell.responses[0].increment();
            cell.observe_latency(Duration::from_millis(took));
        }
        exporter.set(vec![pool]);
        exporter.clients.cells.of(WorkerId(1)).accepted.increment();
        let text = exporter.render(&[]);
        has(&text, r#"botgate_requests_total{pool="bot-api",backend="weu",outcome="2xx"} 3"#);
        has(&text, r#"botgate_connections{side="client"} 1"#);
        has(&text, r#"botgate_request_seconds_bucket{pool="bot-api",backend="weu",le="0.0025"} 0"#);
        has(&text, r#"botgate_request_seconds_bucket{pool="bot-api",backend="weu",le="0.005"} 1"#);
        has(&text, r#"botgate_request_seconds_bucket{pool="bot-api",backend="weu",le="15"} 2"#);
        has(&text, r#"botgate_request_seconds_bucket{pool="bot-api",backend="weu",le="+Inf"} 3"#);
        has(&text, r#"botgate_request_seconds_sum{pool="bot-api",backend="weu"} 20.703"#);
        has(&text, r#"botgate_request_seconds_count{pool="bot-api",backend="weu"} 3"#);
    }

    #[test]
    fn a_removed_pool_disappears_and_a_kept_one_goes_on() {
        let exporter = Exporter::new(ListenerStats::new(1)).unwrap();
        let (kept, gone) = (source("kept"), source("gone"));
        kept.stats.cells.of(WorkerId(0)).requests.increment();
        exporter.set(vec![kept.clone(), gone]);
        assert!(exporter.render(&[]).contains("\"gone\""));
        exporter.set(vec![kept]);
        let text = exporter.render(&[]);
        assert!(!text.contains("\"gone\""), "{text}");
        has(&text, r#"botgate_pool_requests_total{pool="kept"} 1"#);
    }

    #[test]
    fn gauges_and_control_events_are_rendered() {
        let exporter = Exporter::new(ListenerStats::new(1)).unwrap();
        exporter.set(vec![source("bot-api")]);
        let control = exporter.control();
        control.switched(&"bot-api".into(), Direction::Failover, Cause::Probes, Some(Duration::from_millis(300)));
        control.probed(&"bot-api".into(), &"weu".into(), false, Duration::from_millis(2));
        control.reloaded(true);
        let backends = vec![BackendGauges { name: "weu".into(), active: true, health: Health::Healthy }];
        let text = exporter.render(&[PoolGauges { name: "bot-api".into(), epoch: 7, backends }]);
        has(&text, r#"botgate_epoch{pool="bot-api"} 7"#);
        has(&text, r#"botgate_active{pool="bot-api",backend="weu"} 1"#);
        has(&text, r#"botgate_backend_health{pool="bot-api",backend="weu"} 1"#);
        has(&text, r#"botgate_failovers_total{pool="bot-api",direction="failover",cause="probes"} 1"#);
        has(&text, r#"botgate_failover_seconds_bucket{pool="bot-api",le="0.5"} 1"#);
        has(&text, r#"botgate_probe_seconds_count{pool="bot-api",backend="weu",result="bad"} 1"#);
        has(&text, r#"botgate_reloads_total{result="applied"} 1"#);
    }
}
