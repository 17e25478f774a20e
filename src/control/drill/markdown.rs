//! The report of a drill as Markdown, for a ticket or a page. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::{BackendName, DrillReport, DrillState, ServiceLevel, Verdict};
use crate::steering::span;

/// The report as Markdown (CommonMark with tables).
pub fn drill_markdown(report: &DrillReport) -> String {
    // Writing to a String cannot fail.
    let mut out = String::new();
    let _ = writeln!(out, "# Drill {}: {}\n", report.id, headline(report));
    let mut row = |key: &str, value: String| {
        let _ = writeln!(out, "- **{key}:** {}", line(&value));
    };
    row("pool", report.pool.to_string());
    if !report.followers.is_empty() {
        let names: Vec<String> = report.followers.iter().map(ToString::to_string).collect();
        row("moved along", names.join(", "));
    }
    let name = |backend: &Option<BackendName>| backend.as_ref().map_or("the best".to_owned(), ToString::to_string);
    if report.origin.is_some() {
        row("moved", format!("{} → {}", name(&report.origin), name(&report.target)));
    }
    let why = report.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    row("ordered by", format!("{}{why}", report.by));
    if let Some(window) = &report.window {
        row("window", format!("{} ({} to {})", window.text, window.opens, window.closes));
    }
    if let Some(began) = report.began {
        let lasted = report.ended.map(|ended| format!(", ended {ended} after {}", rounded(ended.since(began))));
        row("began", format!("{began}{}", lasted.unwrap_or_default()));
    }
    row("planned for", span(Duration::from_secs(report.lasts_seconds)));
    if let Some(ending) = report.ending {
        let why = report.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        row("ended", format!("{}{why}", ending.as_str()));
    }
    if report.began.is_some() {
        numbers(&mut out, report);
    }
    if !report.findings.is_empty() {
        let _ = writeln!(out, "\n## Found\n");
        report.findings.iter().for_each(|finding| {
            let _ = writeln!(out, "- {}", line(finding));
        });
    }
    out
}

fn headline(report: &DrillReport) -> &'static str {
    match (report.state, report.verdict) {
        (DrillState::Planned, _) => "planned",
        (DrillState::UnderWay, _) => "under way",
        (DrillState::Closing, _) => "over, its last requests are under way",
        (DrillState::Ended, Some(Verdict::Pass)) => "passed",
        (DrillState::Ended, Some(Verdict::Fail)) => "failed",
        (DrillState::Ended, None) => "did not take place",
    }
}

fn numbers(out: &mut String, report: &DrillReport) {
    let moved = |ms: Option<f64>| ms.map_or("–".to_owned(), |ms| format!("{ms:.1} ms"));
    let (before, during, limits) = (&report.before, &report.during, &report.limits);
    let _ = writeln!(out, "\n## Measured\n\n| | hour before | drill |\n|---|---:|---:|");
    let mut row = |what: &str, of: &dyn Fn(&ServiceLevel) -> String| {
        let _ = writeln!(out, "| {what} | {} | {} |", of(before), of(during));
    };
    row("requests", &|level| level.requests.to_string());
    row("failed", &|level| format!("{} ({:.2} %)", level.failed, level.error_rate * 100.0));
    row("tried again", &|level| level.retried.to_string());
    row("rescued", &|level| level.rescued.to_string());
    row("p50", &|level| moved(level.p50_ms));
    row("p99", &|level| moved(level.p99_ms));
    let _ = writeln!(out, "\n| move | move back | connections dialed to the target | closed to the origin |");
    let _ = writeln!(out, "|---:|---:|---:|---:|");
    let (there, back) = (moved(report.move_ms), moved(report.move_back_ms));
    let _ = writeln!(out, "| {there} | {back} | {} | {} |", report.dialed, report.hung_up);
    let _ = writeln!(
        out,
        "\n| served by | requests | 2xx | 3xx | 4xx | 5xx | failed |\n|---|---:|---:|---:|---:|---:|---:|"
    );
    for count in &report.backends {
        let name = count.name.as_ref().map_or("none", BackendName::as_str);
        let [ok, moved, client, server] = count.responses;
        let _ = writeln!(
            out,
            "| {} | {} | {ok} | {moved} | {client} | {server} | {} |",
            line(name),
            count.requests,
            count.failed
        );
    }
    let _ = writeln!(
        out,
        "\nLimits: at most {} % of the requests may fail; a p99 of at most {} times that of the hour before.",
        limits.max_error_rate * 100.0,
        limits.max_slowdown
    );
}

/// Text from elsewhere on one line, with nothing in it that Markdown or a terminal would take as its own.
fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '<' | '[' | ']' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn rounded(lasted: Duration) -> String {
    span(if lasted.as_secs() < 10 { lasted } else { Duration::from_secs(lasted.as_secs()) })
}
