//! What control counts: few and slow events, recorded as they happen.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusRecorder};

use super::stats::LATENCY_BOUNDS;
use crate::model::{BackendName, Cause, Direction, PoolName};

pub(super) static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

/// The metrics of the control plane; cheap to clone.
#[derive(Clone)]
pub struct ControlMetrics(Arc<PrometheusRecorder>);

impl std::fmt::Debug for ControlMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlMetrics").finish_non_exhaustive()
    }
}

impl ControlMetrics {
    pub(super) fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(&LATENCY_BOUNDS)?.build_recorder();
        let describe = |name: &'static str| (KeyName::from(name), None::<Unit>);
        let (name, unit) = describe("botgate_probe_seconds");
        recorder.describe_histogram(name, unit, "How long probes took.".into());
        let (name, unit) = describe("botgate_failover_seconds");
        recorder.describe_histogram(name, unit, "From the first bad evidence to the published snapshot.".into());
        let (name, unit) = describe("botgate_failovers_total");
        recorder.describe_counter(name, unit, "Switches of the active backend.".into());
        let (name, unit) = describe("botgate_reloads_total");
        recorder.describe_counter(name, unit, "Reloads of the config, by how they ended.".into());
        Ok(Self(Arc::new(recorder)))
    }

    /// A probe ended.
    pub fn probed(&self, pool: &PoolName, backend: &BackendName, good: bool, took: Duration) {
        let result = if good { "good" } else { "bad" };
        let labels = vec![label("pool", pool), label("backend", backend), label("result", &result)];
        let key = Key::from_parts("botgate_probe_seconds", labels);
        self.0.register_histogram(&key, &METADATA).record(took.as_secs_f64());
    }

    /// A pool switched; `took` is the time from the first bad evidence to the published snapshot, where there was any.
    pub fn switched(&self, pool: &PoolName, direction: Direction, cause: Cause, took: Option<Duration>) {
        let labels =
            vec![label("pool", pool), label("direction", &direction.as_str()), label("cause", &cause.as_str())];
        let key = Key::from_parts("botgate_failovers_total", labels);
        self.0.register_counter(&key, &METADATA).increment(1);
        if let Some(took) = took {
            let key = Key::from_parts("botgate_failover_seconds", vec![label("pool", pool)]);
            self.0.register_histogram(&key, &METADATA).record(took.as_secs_f64());
        }
    }

    /// A reload ended.
    pub fn reloaded(&self, applied: bool) {
        let result = if applied { "applied" } else { "rejected" };
        let key = Key::from_parts("botgate_reloads_total", vec![label("result", &result)]);
        self.0.register_counter(&key, &METADATA).increment(1);
    }

    pub(super) fn render(&self) -> String {
        self.0.handle().render()
    }

    /// Moves recorded samples into their buckets, so that they do not pile up between scrapes.
    pub fn upkeep(&self) {
        self.0.handle().run_upkeep();
    }
}

pub(super) fn label(name: &'static str, value: &impl ToString) -> Label {
    Label::new(name, SharedString::from(value.to_string()))
}
