//! Prometheus histograms straight from buckets that are already counted.
//!
//! The exporter's own histograms want every sample; replaying millions of them at each scrape to arrive at the buckets
//! that are already there would be work for nothing, and would lose the true sum.

use std::fmt::Write;

use super::stats::LATENCY_BOUNDS;

/// Writes the series of one histogram.
pub(super) struct Histograms<'a> {
    out: &'a mut String,
    name: &'a str,
}

// Writing to a string cannot fail.
impl<'a> Histograms<'a> {
    /// Writes `# HELP` and `# TYPE`.
    pub(super) fn begin(out: &'a mut String, name: &'a str, help: &str) -> Self {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        Self { out, name }
    }

    /// Writes one series: `bucket` gives how many fell into each of [`LATENCY_BOUNDS`], and last what was slower.
    pub(super) fn write(&mut self, labels: &[(&str, &str)], bucket: impl Fn(usize) -> u64, seconds: f64) {
        let Self { out, name } = self;
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value))).collect();
        let labels = labels.join(",");
        let mut count = 0;
        for (index, bound) in LATENCY_BOUNDS.iter().enumerate() {
            count += bucket(index);
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        count += bucket(LATENCY_BOUNDS.len());
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum{{{labels}}} {seconds}\n{name}_count{{{labels}}} {count}");
    }
}

/// A label value (Prometheus text format 0.0.4).
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
