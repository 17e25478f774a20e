//! A Prometheus histogram straight from the workers' bucket cells.
//!
//! The exporter's own histograms want every sample; replaying millions of them at each scrape to arrive at the buckets
//! that are already counted would be work for nothing, and would lose the true sum.

use std::fmt::Write;

use super::stats::{BackendStats, LATENCY_BOUNDS};

/// Writes `# HELP` and `# TYPE`.
pub(super) fn write_head(out: &mut String, name: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
}

/// Writes the series of one backend. Writing to a string cannot fail.
pub(super) fn write_latency(out: &mut String, name: &str, labels: &[(&str, &str)], stats: &BackendStats) {
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value))).collect();
    let labels = labels.join(",");
    let mut count = 0;
    for (index, bound) in LATENCY_BOUNDS.iter().enumerate() {
        count += stats.cells.sum(|cell| &cell.latency[index]);
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
    }
    count += stats.cells.sum(|cell| &cell.latency[LATENCY_BOUNDS.len()]);
    let sum = stats.cells.sum(|cell| &cell.latency_micros) as f64 / 1e6;
    let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
    let _ = writeln!(out, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}");
}

/// A label value (Prometheus text format 0.0.4).
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
