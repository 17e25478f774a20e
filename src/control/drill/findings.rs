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
    if let (Some(DrillEnding::Stopped), Some(began), Some(ended)) = (report.ending, report.began, report.ended) {
        let (lasted, planned) = (ended.since(began).as_secs_f64(), report.lasts_seconds);
        findings.push(format!(
            "It was ended after {lasted:.1} s of the {planned} s that were planned: what would have come later was not rehearsed."
        ));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::drill::course::blank;
    use crate::model::ServiceLevel;

    fn level(requests: u64, failed: u64, p99_ms: f64) -> ServiceLevel {
        let error_rate = failed as f64 / requests as f64;
        ServiceLevel {
            requests,
            failed,
            error_rate,
            p99_ms: Some(p99_ms),
            latency: vec![requests],
            ..Default::default()
        }
    }

    fn concluded(change: impl FnOnce(&mut DrillReport)) -> DrillReport {
        let (before, during) = (level(5000, 0, 10.0), level(1000, 0, 11.0));
        let mut report = DrillReport {
            origin: Some("westeurope".into()),
            target: Some("northeurope".into()),
            began: Some(crate::model::Utc::from_millis(0)),
            ending: Some(DrillEnding::Over),
            move_back_ms: Some(1.0),
            limits: crate::model::DrillLimits { max_error_rate: 0.01, max_slowdown: 3.0 },
            before,
            during,
            ..blank("d1".into(), "bot".into(), "ann".into(), None, std::time::Duration::from_secs(600))
        };
        change(&mut report);
        conclude(&mut report);
        report
    }

    #[test]
    fn a_standby_that_served_as_well_passes() {
        let report = concluded(|_| {});
        assert_eq!(report.verdict, Some(Verdict::Pass));
        assert_eq!(report.findings, ["northeurope served as well as westeurope did."]);
    }

    #[test]
    fn a_slower_one_is_told_and_passes_within_the_limits() {
        let report = concluded(|report| report.during = level(1000, 2, 25.0));
        assert_eq!(report.verdict, Some(Verdict::Pass));
        assert_eq!(report.findings[0], "2 of 1000 requests failed (0.20 %).");
        assert!(report.findings[1].starts_with("northeurope is slower: the p99 was 25.0 ms beside 10.0 ms"));
    }

    #[test]
    fn errors_beyond_the_limit_an_abort_or_no_way_back_fail() {
        for change in [
            |report: &mut DrillReport| report.during = level(1000, 11, 11.0),
            |report: &mut DrillReport| report.ending = Some(DrillEnding::Aborted),
            |report: &mut DrillReport| report.move_back_ms = None,
        ] {
            assert_eq!(concluded(change).verdict, Some(Verdict::Fail));
        }
    }

    #[test]
    fn one_that_was_ended_early_says_how_little_it_rehearsed() {
        let ended = Some(crate::model::Utc::from_millis(26_000));
        let report = concluded(|report| (report.ending, report.ended) = (Some(DrillEnding::Stopped), ended));
        assert_eq!(
            report.findings,
            ["It was ended after 26.0 s of the 600 s that were planned: what would have come later was not rehearsed."]
        );
    }

    #[test]
    fn what_never_began_has_no_verdict() {
        let report = concluded(|report| (report.began, report.ending) = (None, Some(DrillEnding::Skipped)));
        assert_eq!((report.verdict, report.findings.len(), report.state), (None, 0, DrillState::Ended));
    }
}
