//! `/metrics`: sums the workers' cells and renders them as Prometheus text, format 0.0.4 (design, section 9).
//!
//! The values live in the cells; a scrape sets up a recorder, fills it and renders it. So a pool that was removed is gone
//! from the next scrape, and the counters of a kept one go on.

use metrics::{Counter, Key, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::control_stats::{AdminRefusal, ControlStats, ParityStat};
use super::histogram::Histograms;
use super::process::ProcessSource;
use super::sources::PoolSource;
use super::stats::{BackendCell, ClientCell, Counter as Cell, ListenerStats, PoolCell};
use super::under_way::UnderWay;
use crate::model::{Excess, Health, TokenFault, TunnelEnd, Utc};

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

type BackendPick = fn(&BackendCell) -> &Cell;
type PoolPick = fn(&PoolCell) -> &Cell;
type ClientPick = fn(&ClientCell) -> &Cell;

/// Renders all metrics; `unlogged` is how many lines the access log has dropped. Off the request path.
pub fn render(
    process: &ProcessSource,
    clients: &ListenerStats,
    control: &ControlStats,
    pools: &[PoolSource],
    unlogged: u64,
) -> String {
    let scrape = Scrape(PrometheusBuilder::new().build_recorder());
    super::describe::describe(&scrape.0);
    super::process::describe(&scrape.0);
    scrape.process(process);
    scrape.clients(clients);
    scrape.control(control);
    scrape.counter("botgate_access_log_dropped_total", vec![], unlogged);
    let drill = control.drill();
    for pool in pools {
        scrape.pool(pool);
        let drill = f64::from(u8::from(drill.as_ref() == Some(&pool.name)));
        scrape.gauge("botgate_drill_active", vec![label("pool", pool.name.as_str())], drill);
    }
    let open = pools.iter().flat_map(|pool| &pool.backends).map(|backend| {
        // What closed is read before what opened, so that a close in between cannot make the difference negative.
        let closed = backend.stats.cells.sum(|cell| &cell.hung_up);
        let open = backend.stats.cells.sum(|cell| &cell.dialed).saturating_sub(closed);
        // A connection that has become a tunnel has ended as one that carries requests.
        open + backend.stats.tunnels()
    });
    scrape.gauge("botgate_connections", vec![label("side", "backend")], open.sum::<u64>() as f64);
    let mut text = scrape.0.handle().render();
    histograms(&mut text, control, pools);
    text
}

pub(super) struct Scrape(PrometheusRecorder);

impl Scrape {
    pub(super) fn counter(&self, name: &'static str, labels: Vec<Label>, value: u64) {
        let counter: Counter = self.0.register_counter(&Key::from_parts(name, labels), &METADATA);
        counter.absolute(value);
    }

    pub(super) fn gauge(&self, name: &'static str, labels: Vec<Label>, value: f64) {
        self.0.register_gauge(&Key::from_parts(name, labels), &METADATA).set(value);
    }

    fn clients(&self, clients: &ListenerStats) {
        let sum = |pick: ClientPick| clients.cells.sum(pick);
        let handshakes: [(&str, ClientPick); 3] = [
            ("ok", |cell| &cell.handshakes_ok),
            ("failed", |cell| &cell.handshakes_failed),
            ("timeout", |cell| &cell.handshakes_timed_out),
        ];
        for (result, pick) in handshakes {
            self.counter("botgate_tls_handshakes_total", vec![label("result", result)], sum(pick));
        }
        self.counter("botgate_connections_accepted_total", vec![], sum(|cell| &cell.accepted));
        self.counter("botgate_connections_handed_over_total", vec![], sum(|cell| &cell.handed_over));
        let turned_away = |reason, value| {
            self.counter("botgate_connections_turned_away_total", vec![label("reason", reason)], value);
        };
        turned_away("listener", sum(|cell| &cell.turned_away));
        turned_away("address", sum(|cell| &cell.crowded));
        self.counter("botgate_slow_readers_total", vec![], sum(|cell| &cell.slow_readers));
        self.counter("botgate_requests_refused_total", vec![], sum(|cell| &cell.refused));
        self.gauge("botgate_held_bytes", vec![], clients.held.taken() as f64);
        for excess in Excess::ALL {
            let labels = vec![label("cause", excess.as_str())];
            let ended = clients.cells.sum(|cell| &cell.excesses[excess as usize]);
            self.counter("botgate_http2_floods_total", labels, ended);
        }
        let closed = sum(|cell| &cell.closed);
        let open = sum(|cell| &cell.accepted).saturating_sub(closed);
        self.gauge("botgate_connections", vec![label("side", "client")], open as f64);
    }

    fn control(&self, control: &ControlStats) {
        self.counter("botgate_reloads_total", vec![label("result", "applied")], control.reloads_applied());
        self.counter("botgate_reloads_total", vec![label("result", "rejected")], control.reloads_rejected());
        self.counter("botgate_evidence_total", vec![], control.evidence_total());
        self.counter("botgate_publications_total", vec![], control.publications());
        let (journal, well) = control.journal();
        self.counter("botgate_journal_entries_total", vec![label("result", "written")], journal.written);
        self.counter("botgate_journal_entries_total", vec![label("result", "late")], journal.late);
        self.counter("botgate_journal_entries_total", vec![label("result", "lost")], journal.lost);
        self.gauge("botgate_journal_well", vec![], f64::from(u8::from(well)));
        self.gauge("botgate_journal_damage", vec![], journal.damage as f64);
        for (pool, state) in control.pools() {
            let name = || label("pool", pool.as_str());
            self.gauge("botgate_phase", vec![name(), label("phase", state.phase.as_str())], 1.0);
            for (backend, ready) in &state.ready {
                let labels = vec![name(), label("backend", backend.as_str())];
                self.gauge("botgate_backend_ready", labels, f64::from(u8::from(*ready)));
            }
        }
        for (pool, found) in control.parity() {
            for ParityStat { check, backend, verdict } in found {
                let labels = [("pool", pool.as_str()), ("backend", backend.as_str()), ("check", check.as_str())];
                let labels = labels.map(|(name, value)| label(name, value)).to_vec();
                self.gauge("botgate_parity", labels, verdict);
            }
        }
        for refusal in AdminRefusal::ALL {
            let labels = vec![label("reason", refusal.as_str())];
            self.counter("botgate_admin_refused_total", labels, control.admin_refusals(refusal));
        }
        for keys in control.keys() {
            let metadata = || vec![label("metadata", &keys.metadata)];
            self.gauge("botgate_token_keys", metadata(), keys.count as f64);
            self.gauge("botgate_token_keys_fresh", metadata(), f64::from(u8::from(keys.fresh)));
            if let Some(fetched) = keys.fetched {
                let age = Utc::now().since(fetched).as_secs_f64();
                self.gauge("botgate_token_keys_age_seconds", metadata(), age);
            }
        }
        self.certificates(control);
        for (key, count) in control.switches() {
            let labels = vec![
                label("pool", key.pool.as_str()),
                label("direction", key.direction.as_str()),
                label("cause", key.cause.as_str()),
            ];
            self.counter("botgate_failovers_total", labels, count);
        }
        for ((pool, result), count) in control.drills() {
            self.counter("botgate_drills_total", vec![label("pool", pool.as_str()), label("result", result)], count);
        }
    }

    fn certificates(&self, control: &ControlStats) {
        let [failed, good] = control.ocsp();
        self.counter("botgate_ocsp_fetches_total", vec![label("result", "good")], good);
        self.counter("botgate_ocsp_fetches_total", vec![label("result", "failed")], failed);
        for certificate in control.certificates() {
            let chain = || vec![label("chain", &certificate.chain)];
            self.gauge("botgate_certificate_not_after_seconds", chain(), certificate.not_after as f64);
            if certificate.staple_wanted || certificate.stapled_until.is_some() {
                let until = certificate.stapled_until.unwrap_or(0);
                self.gauge("botgate_ocsp_stapled_until_seconds", chain(), until as f64);
            }
        }
    }

    fn pool(&self, pool: &PoolSource) {
        let name = || label("pool", pool.name.as_str());
        let picks: [(&'static str, PoolPick); 11] = [
            ("botgate_pool_requests_total", |cell| &cell.requests),
            ("botgate_retries_total", |cell| &cell.retries),
            ("botgate_rescued_total", |cell| &cell.rescued),
            ("botgate_retry_budget_spent_total", |cell| &cell.budget_spent),
            ("botgate_no_backend_total", |cell| &cell.no_backend),
            ("botgate_malformed_total", |cell| &cell.malformed),
            ("botgate_evidence_dropped_total", |cell| &cell.evidence_dropped),
            ("botgate_replays_total", |cell| &cell.replayed),
            ("botgate_ledger_full_total", |cell| &cell.ledger_full),
            ("botgate_shed_total", |cell| &cell.shed),
            ("botgate_unheld_total", |cell| &cell.unheld),
        ];
        for (metric, pick) in picks {
            self.counter(metric, vec![name()], pool.stats.cells.sum(pick));
        }
        let limited: [(&str, PoolPick); 2] =
            [("address", |cell| &cell.limited_addresses), ("token", |cell| &cell.limited_tokens)];
        for (by, pick) in limited {
            self.counter("botgate_rate_limited_total", vec![name(), label("by", by)], pool.stats.cells.sum(pick));
        }
        let under_way = UnderWay::sum(&pool.stats.cells, |cell| &cell.under_way);
        self.gauge("botgate_requests_under_way", vec![name()], under_way as f64);
        let resends: [(&str, PoolPick); 4] = [
            ("answered", |cell| &cell.resends_answered),
            ("waited", |cell| &cell.resends_waited),
            ("delivered", |cell| &cell.resends_delivered),
            ("late", |cell| &cell.resends_late),
        ];
        for (result, pick) in resends {
            let labels = vec![name(), label("result", result)];
            self.counter("botgate_resends_total", labels, pool.stats.cells.sum(pick));
        }
        for (state, level) in [("in-flight", pool.ledger.in_flight), ("done", pool.ledger.done)] {
            self.gauge("botgate_ledger_entries", vec![name(), label("state", state)], level as f64);
        }
        self.gauge("botgate_ledger_bytes", vec![name()], pool.ledger.bytes as f64);
        let tokens = |result, value| {
            self.counter("botgate_tokens_total", vec![name(), label("result", result)], value);
        };
        tokens("valid", pool.stats.cells.sum(|cell| &cell.tokens_valid));
        for fault in TokenFault::ALL {
            tokens(fault.as_str(), pool.stats.cells.sum(|cell| &cell.tokens_faulty[fault.index()]));
        }
        self.gauge("botgate_epoch", vec![name()], pool.epoch as f64);
        for backend in &pool.backends {
            let labels = || vec![name(), label("backend", backend.name.as_str())];
            for (metric, key, value, pick) in backend_picks() {
                let mut labels = labels();
                labels.push(label(key, value));
                self.counter(metric, labels, backend.stats.cells.sum(pick));
            }
            let malformed = backend.stats.cells.sum(|cell| &cell.malformed);
            self.counter("botgate_responses_malformed_total", labels(), malformed);
            self.counter("botgate_backend_shed_total", labels(), backend.stats.cells.sum(|cell| &cell.shed));
            self.gauge("botgate_active", labels(), f64::from(u8::from(backend.active)));
            let taken_over = backend.stats.cells.sum(|cell| &cell.taken_over);
            self.counter("botgate_connections_taken_over_total", labels(), taken_over);
            let warm = backend.stats.cells.sum(|cell| &cell.warm);
            self.gauge("botgate_warm_connections", labels(), warm as f64);
            self.gauge("botgate_tunnels", labels(), backend.stats.tunnels() as f64);
            for end in TunnelEnd::ALL {
                let labels = [labels(), vec![label("reason", end.as_str())]].concat();
                self.counter("botgate_tunnels_closed_total", labels, backend.stats.tunnels_closed(end));
            }
            for excess in Excess::ALL {
                let labels = [labels(), vec![label("cause", excess.as_str())]].concat();
                let ended = backend.stats.cells.sum(|cell| &cell.excesses[excess as usize]);
                self.counter("botgate_backend_http2_floods_total", labels, ended);
            }
            let health = match backend.health {
                Health::Unknown => 0.5,
                Health::Healthy => 1.0,
                Health::Unhealthy => 0.0,
            };
            self.gauge("botgate_backend_health", labels(), health);
        }
    }
}

fn histograms(text: &mut String, control: &ControlStats, pools: &[PoolSource]) {
    let mut requests =
        Histograms::begin(text, "botgate_request_seconds", "From a request's head to the end of its response.");
    for pool in pools {
        for backend in &pool.backends {
            let labels = [("pool", pool.name.as_str()), ("backend", backend.name.as_str())];
            let cells = &backend.stats.cells;
            let seconds = cells.sum(|cell| &cell.latency_micros) as f64 / 1e6;
            requests.write(&labels, |bucket| cells.sum(|cell| &cell.latency[bucket]), seconds);
        }
    }
    let mut probes = Histograms::begin(text, "botgate_probe_seconds", "How long probes took.");
    for ((pool, backend), seconds) in control.probe_seconds() {
        let labels = [("pool", pool.as_str()), ("backend", backend.as_str())];
        probes.write(&labels, |bucket| seconds.buckets[bucket], seconds.sum);
    }
    let help = "From the first bad evidence to the published snapshot.";
    let mut failovers = Histograms::begin(text, "botgate_failover_seconds", help);
    for (pool, seconds) in control.failover_seconds() {
        failovers.write(&[("pool", pool.as_str())], |bucket| seconds.buckets[bucket], seconds.sum);
    }
}

pub(super) fn label(name: &'static str, value: &str) -> Label {
    Label::new(name, SharedString::from(value.to_owned()))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Cause, Direction};
    use crate::telemetry::{BackendSource, BackendStats, LedgerLevels, PoolStats, SwitchKey, WorkerId};

    fn source(name: &str) -> PoolSource {
        let (name, stats) = (name.into(), BackendStats::new(2));
        let backend = BackendSource { name: "weu".into(), active: true, health: Health::Healthy, stats };
        let ledger = LedgerLevels { in_flight: 1, done: 2, bytes: 300 };
        PoolSource { name, epoch: 7, stats: PoolStats::new(2), ledger, backends: vec![backend] }
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "no line {line:?} in:\n{text}");
    }

    #[test]
    fn the_cells_of_all_workers_are_summed_and_the_histogram_is_true() {
        let (clients, pool) = (ListenerStats::new(2), source("bot-api"));
        for (worker, took) in [(0, 3), (1, 20_000), (1, 700)] {
            let cell = pool.backends[0].stats.cells.of(WorkerId(worker));
            cell.responses[0].increment();
            cell.observe_latency(Duration::from_millis(took));
        }
        for worker in 0..2 {
            pool.backends[0].stats.cells.of(WorkerId(worker)).warm.set(4);
        }
        clients.cells.of(WorkerId(1)).accepted.increment();
        for worker in 0..2 {
            let cell = pool.backends[0].stats.cells.of(WorkerId(worker));
            cell.tunnels.add(3);
            cell.tunnels_closed[TunnelEnd::Failback as usize].increment();
        }
        let text = render(&ProcessSource::for_tests(), &clients, &ControlStats::default(), &[pool], 5);
        has(&text, "botgate_access_log_dropped_total 5");
        has(&text, r#"botgate_requests_total{pool="bot-api",backend="weu",outcome="2xx"} 3"#);
        has(&text, r#"botgate_connections{side="client"} 1"#);
        has(&text, r#"botgate_warm_connections{pool="bot-api",backend="weu"} 8"#);
        has(&text, r#"botgate_tunnels{pool="bot-api",backend="weu"} 4"#);
        has(&text, r#"botgate_connections{side="backend"} 4"#);
        has(&text, r#"botgate_tunnels_closed_total{pool="bot-api",backend="weu",reason="failback"} 2"#);
        has(&text, r#"botgate_request_seconds_bucket{pool="bot-api",backend="weu",le="0.0025"} 0"#);
        has(&text, r#"botgate_request_seconds_bucket{pool="bot-api",backend="weu",le="0.005"} 1"#);
        has(&text, r#"botgate_request_seconds_bucket{pool="bot-api",backend="weu",le="15"} 2"#);
        has(&text, r#"botgate_request_seconds_bucket{pool="bot-api",backend="weu",le="+Inf"} 3"#);
        has(&text, r#"botgate_request_seconds_sum{pool="bot-api",backend="weu"} 20.703"#);
        has(&text, r#"botgate_request_seconds_count{pool="bot-api",backend="weu"} 3"#);
    }

    #[test]
    fn gauges_and_what_control_counted_are_rendered() {
        let control = ControlStats::default();
        let key = SwitchKey { pool: "bot-api".into(), direction: Direction::Failover, cause: Cause::Probes };
        control.switched(key, Some(Duration::from_millis(300)));
        control.probed(&"bot-api".into(), &"weu".into(), Duration::from_millis(2));
        control.reloaded(true);
        control.drilled(&"bot-api".into(), "passed");
        control.set_drill(Some("bot-api".into()));
        let text = render(&ProcessSource::for_tests(), &ListenerStats::new(1), &control, &[source("bot-api")], 0);
        has(&text, r#"botgate_epoch{pool="bot-api"} 7"#);
        has(&text, r#"botgate_active{pool="bot-api",backend="weu"} 1"#);
        has(&text, r#"botgate_ledger_entries{pool="bot-api",state="in-flight"} 1"#);
        has(&text, r#"botgate_ledger_bytes{pool="bot-api"} 300"#);
        has(&text, r#"botgate_resends_total{pool="bot-api",result="waited"} 0"#);
        has(&text, r#"botgate_backend_health{pool="bot-api",backend="weu"} 1"#);
        has(&text, r#"botgate_failovers_total{pool="bot-api",direction="failover",cause="probes"} 1"#);
        has(&text, r#"botgate_failover_seconds_bucket{pool="bot-api",le="0.5"} 1"#);
        has(&text, r#"botgate_probe_seconds_count{pool="bot-api",backend="weu"} 1"#);
        has(&text, r#"botgate_reloads_total{result="applied"} 1"#);
        has(&text, r#"botgate_drills_total{pool="bot-api",result="passed"} 1"#);
        has(&text, r#"botgate_drill_active{pool="bot-api"} 1"#);
    }
}
