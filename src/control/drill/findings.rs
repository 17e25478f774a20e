//! What a drill found, in sentences, and what it says about the standby. Pure.

use super::watch::{ENOUGH, FEWEST_FAILURES};
use crate::model::{BackendName, DrillEnding, DrillReport, DrillState, Verdict};

/// A standby that is this many times as slow is told of, whatever the limit.
const NOTABLE: f64 = 1.5;

/// Closes a report: its findings and its verdict.
pub(super) fn conclude(report: &mut DrillReport) {
    report.state = DrillState::Ended;
    if report.began.is_none() {
        return;
    }
    let target = name(report.target.as_ref());
    let origin = name(report.origin.as_ref());
    let during = &report.during;
    let mut findings = Vec::new();
    if during.requests == 0 {
        findings.push("No request came: only the move itself was rehearsed.".to_owned());
    }
    if during.failed > 0 {
        let (failed, requests, rate) = (during.failed, during.requests, during.error_rate * 100.0);
        findings.push(format!("{failed} of {requests} requests failed ({rate:.2} %)."));
    }
    findings.extend(slowness(report));
    if during.retried > 0 {
        findings.push(format!("{} times a request had to be tried again.", during.retried));
    }
    if during.rescued > 0 {
        findings.push(format!("{} requests were taken from a backend that was given up.", during.rescued));
    }
    if during.requests > 0 && during.latency.iter().sum::<u64>() < ENOUGH {
        findings.push(format!("Too few requests ({}) to say much about latency.", during.requests));
    } else if during.requests > 0 && report.before.latency.iter().sum::<u64>() < ENOUGH {
        let before = report.before.requests;
        findings.push(format!("Too few requests in the hour before ({before}) to compare the latency with."));
    }
    if report.move_back_ms.is_none() && report.ending != Some(DrillEnding::Interrupted) {
        findings.push(format!(
            "The pool did not move back to {origin} when the drill ended: it was not ready, or an order said otherwise."
        ));
    }
    if report.restarts > 0 {
        let text =
            "botgate was started again during the drill: what ended between its last writing and then is not counted.";
        findings.push(text.to_owned());
    }
    let verdict = verdict(report);
    if verdict == Verdict::Pass && findings.is_empty() {
        findings.push(format!("{target} served as well as {origin} did."));
    }
    report.findings.append(&mut findings);
    report.verdict = Some(verdict);
}

/// Whether the standby served within the limits and the pool is back.
fn verdict(report: &DrillReport) -> Verdict {
    let kept = report.during.error_rate <= report.limits.max_error_rate || report.during.failed < FEWEST_FAILURES;
    let ended_well = matches!(report.ending, Some(DrillEnding::Over | DrillEnding::Stopped));
    if kept && ended_well && report.move_back_ms.is_some() { Verdict::Pass } else { Verdict::Fail }
}

fn slowness(report: &DrillReport) -> Option<String> {
    let enough = |level: &crate::model::ServiceLevel| level.latency.iter().sum::<u64>() >= ENOUGH;
    if !enough(&report.before) || !enough(&report.during) {
        return None;
    }
    let (before, during) = (report.before.p99_ms?, report.during.p99_ms?);
    let times = during / before.max(0.001);
    let target = name(report.target.as_ref());
    (times >= NOTABLE).then(|| {
        format!("{target} is slower: the p99 was {during:.1} ms beside {before:.1} ms in the hour before ({times:.1} times).")
    })
}

fn name(backend: Option<&BackendName>) -> String {
    backend.map_or_else(|| "the backend".to_owned(), ToString::to_string)
}
