//! Checks as they are decided: values in, verdicts and sentences out.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Parity, Sample, compare};
use crate::config::{Against, Difference, ParityConfig, ParityRule, Take};
use crate::model::{BackendName, ParityGate, Utc};

/// 2026-11-22T05:19:46Z.
const NOW: Utc = Utc::from_millis(1_795_324_786_000);

fn check(rule: ParityRule) -> ParityConfig {
    ParityConfig {
        name: "index size".into(),
        interval: Duration::from_secs(300),
        timeout: Duration::from_secs(10),
        gate: ParityGate::Prefer,
        take: Take::Body,
        rule,
        unit: "documents",
        requests: vec![],
    }
}

fn lag(seconds: u64, against: Against) -> ParityRule {
    ParityRule::MaxLag { lag: Duration::from_secs(seconds), against }
}

fn apart(number: f64) -> ParityRule {
    ParityRule::MaxDifference(Difference::Absolute(number))
}

fn share(share: f64) -> ParityRule {
    ParityRule::MaxDifference(Difference::Share(share))
}

fn judged(rule: ParityRule, values: &[Result<Value, &str>], active: Option<usize>) -> Vec<Parity> {
    let names: Vec<BackendName> = ["westeurope", "northeurope", "uksouth"].map(Into::into).into();
    let samples: Vec<_> =
        values.iter().cloned().map(|value| value.map(Sample).map_err(str::to_owned)).enumerate().collect();
    compare(&check(rule), &samples, &names, active, NOW).into_iter().map(|(_, parity)| parity).collect()
}

/// What is said of the standby, where westeurope is active: `+`, or `- why`, or `? why`.
fn standby(rule: ParityRule, active: Value, standby: Value) -> String {
    said(&judged(rule, &[Ok(active), Ok(standby)], Some(0))[1])
}

fn said(parity: &Parity) -> String {
    match parity {
        Parity::InStep => "+".into(),
        Parity::Drifted { why } => format!("- {why}"),
        Parity::Unknown { why } => format!("? {why}"),
    }
}

#[test]
fn a_standby_is_held_against_the_active_and_the_sentence_names_both() {
    use Against::Active;
    let (old, new) = ("2026-11-20T05:00:00Z", "2026-11-22T05:00:00Z");
    for (rule, active, value, expected) in [
        (
            apart(100.0),
            json!("13002"),
            json!("12480"),
            "- 12,480 documents against 13,002 on westeurope (active): 522 apart, at most 100 allowed",
        ),
        (apart(522.0), json!(13002), json!("12480"), "+"),
        (apart(0.0), json!(7), json!(7), "+"),
        (
            share(0.01),
            json!(13002),
            json!(12480),
            "- 12,480 documents against 13,002 on westeurope (active): 522 apart (4.01%), at most 1% allowed",
        ),
        (share(0.05), json!(13002), json!(12480), "+"),
        (
            share(0.05),
            json!(12480),
            json!(13500),
            "- 13,500 documents against 12,480 on westeurope (active): 1,020 apart (8.17%), at most 5% allowed",
        ),
        (share(0.05), json!(0), json!(0), "+"),
        (
            share(0.05),
            json!(0),
            json!(1),
            "- 1 documents against 0 on westeurope (active): 1 apart, at most 5% allowed",
        ),
        (apart(1.0), json!(5), json!("many"), "? \"many\" is no number"),
        (apart(1.0), json!(null), json!(5), "? nothing to compare with: westeurope (active): null is no number"),
        (
            lag(3600, Active),
            json!(new),
            json!(old),
            "- 2026-11-20T05:00:00Z against 2026-11-22T05:00:00Z on westeurope (active): 2 d behind, at most 1 h allowed",
        ),
        (lag(172_800, Active), json!(new), json!(old), "+"),
        (lag(0, Active), json!(old), json!(new), "+"),
        (lag(60, Active), json!([old, new]), json!([new, old, old]), "+"),
        (lag(60, Active), json!(new), json!([]), "- never, against 2026-11-22T05:00:00Z on westeurope (active)"),
        (lag(60, Active), json!(new), json!(null), "- never, against 2026-11-22T05:00:00Z on westeurope (active)"),
        (lag(60, Active), json!(null), json!(new), "? nothing to compare with: westeurope (active): it gives no time"),
        (lag(60, Active), json!(new), json!("soon"), "? \"soon\" is no time of RFC 3339 or RFC 1123"),
        (ParityRule::Equal, json!("\"0x8D\""), json!("\"0x8D\""), "+"),
        (ParityRule::Equal, json!("a"), json!("b"), "- \"b\" against \"a\" on westeurope (active)"),
        (ParityRule::Equal, json!(["North Europe", "West Europe"]), json!(["West Europe", "North Europe"]), "+"),
        (
            ParityRule::Equal,
            json!(["North Europe", "West Europe"]),
            json!(["UK South", "West Europe"]),
            "- lacks North Europe, which westeurope (active) has; has UK South, which westeurope (active) has not",
        ),
    ] {
        assert_eq!(standby(rule.clone(), active.clone(), value.clone()), expected, "{rule:?} {active} {value}");
    }
}

#[test]
fn a_value_that_is_judged_alone_needs_no_active() {
    use Against::Now;
    let contains = || ParityRule::Contains("9 to 5".into());
    for (rule, value, expected) in [
        (contains(), json!({"answers": [{"answer": "We are open 9 to 5."}]}), "+"),
        (contains(), json!(["closed", "9 to 5"]), "+"),
        (contains(), json!("No answer found"), "- \"No answer found\" does not contain \"9 to 5\""),
        (lag(900, Now), json!("Sun, 22 Nov 2026 05:10:00 GMT"), "+"),
        (
            lag(900, Now),
            json!("Sun, 22 Nov 2026 03:19:46 GMT"),
            "- complete up to 2026-11-22T03:19:46Z: 2 h ago, at most 15 min allowed",
        ),
        (lag(900, Now), json!("Sun, 22 Nov 2026 05:30:00 GMT"), "+"),
        (lag(900, Now), json!(""), "? the service gives no time"),
    ] {
        for active in [None, Some(0), Some(1)] {
            let parity = &judged(rule.clone(), &[Ok(value.clone())], active)[0];
            assert_eq!(said(parity), expected, "{rule:?} {value} {active:?}");
        }
    }
}

#[test]
fn the_active_never_drifts_by_comparison_with_itself() {
    let values = [json!(1), json!("x"), json!(null), json!([]), json!("2026-11-20T05:00:00Z"), json!({"a": 1})];
    for rule in [apart(0.0), share(0.0), lag(0, Against::Active), ParityRule::Equal] {
        for value in &values {
            let parity = &judged(rule.clone(), &[Ok(value.clone()), Ok(json!(9))], Some(0))[0];
            assert!(!matches!(parity, Parity::Drifted { .. }), "{rule:?} {value}: {parity:?}");
        }
    }
}

#[test]
fn a_failed_question_is_unknown_and_says_why() {
    let failed = Err("status 503, expected 200-299");
    let of = |values: &[Result<Value, &str>], active| {
        judged(apart(1.0), values, active).iter().map(said).collect::<Vec<_>>()
    };
    assert_eq!(of(&[Ok(json!(1)), failed.clone()], Some(0)), ["+", "? no value: status 503, expected 200-299"]);
    assert_eq!(
        of(&[failed.clone(), Ok(json!(1)), Ok(json!(2))], Some(0))[1..],
        ["? nothing to compare with: westeurope (active) gave no value"; 2]
    );
    assert_eq!(of(&[Ok(json!(1))], None), ["? nothing to compare with: no backend is active"]);
    assert_eq!(of(&[Ok(json!(1))], Some(2)), ["? nothing to compare with: uksouth (active) was not asked"]);
    let contains = judged(ParityRule::Contains("x".into()), &[failed], Some(0));
    assert_eq!(said(&contains[0]), "? no value: status 503, expected 200-299");
}

#[test]
fn another_active_is_another_truth() {
    let values = [Ok(json!(100)), Ok(json!(100)), Ok(json!(7))];
    let drifted = |active| {
        let all = judged(apart(1.0), &values, Some(active));
        all.iter().map(|parity| matches!(parity, Parity::Drifted { .. })).collect::<Vec<_>>()
    };
    assert_eq!(drifted(0), [false, false, true]);
    assert_eq!(drifted(2), [true, true, false]);
}
